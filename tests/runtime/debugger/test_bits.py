"""What a session shows are the numbers of the training, bit for bit, however one came there."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.record import StepTensors
from opgraph.runtime import Recipe, prepare
from opgraph.runtime.data import Data, Split, Target

pytestmark = pytest.mark.tf
STEPS = 12


def same_bits(first: StepTensors, second: StepTensors) -> bool:
    """Whether two steps hold the same tensors and statistics."""
    arrays, others = first.arrays, second.arrays
    return (
        arrays.keys() == others.keys()
        and first.packed.tobytes() == second.packed.tobytes()
        and all(
            (x is None) == (others[name] is None)
            and (
                x is None or (x.dtype, x.tobytes()) == (others[name].dtype, others[name].tobytes())
            )
            for name, x in arrays.items()
        )
    )


def pictures(size: int = 80) -> Data:
    """Random pictures for the small convolutional network."""
    random = np.random.default_rng(1)

    def split() -> Split:
        x = random.normal(size=(size, 12, 12, 3)).astype(np.float32)
        return Split((x,), (random.integers(0, 4, size).astype(np.int32),))

    target = Target("", "classes", (), 4, ())
    return Data(split(), split(), 4, (), {"spec": "noise"}, (target,))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tiny", {}),
        ("tiny", {"accumulate": 3, "optimizer": "momentum", "schedule": "constant"}),
        ("cnn", {"steps": 7}),
        pytest.param("cnn", {"steps": 7, "precision": "mixed_float16"}, marks=pytest.mark.slow),
    ],
)
def test_all_tensors_are_those_of_an_undisturbed_training(
    name: str,
    options: dict[str, Any],
    live: Callable[..., Any],
    networks: Callable[[str], Any],
    data: Data,
) -> None:
    """The other training has no debugger, no steering, and never goes back."""
    given = data if name == "tiny" else pictures()
    recipe = Recipe(**{"steps": STEPS, "batch_size": 16, "learning_rate": 0.02, **options})
    training = prepare(networks(name), given, recipe)
    expected = {x.step: x.tensors for x in training.run(fetch=range(1, recipe.steps + 1))}
    session = live(name, given, **options)
    last = recipe.steps
    for step in (3, 4, 1, last, last - 1, 2, last, 1):
        session.goto(step)
        assert same_bits(session.tensors, expected[step]), f"step {step}"
        assert session.tensors.indices.tobytes() == expected[step].indices.tobytes()


def test_measured_statistics_are_those_of_the_cheap_step(
    live: Callable[..., Any], networks: Callable[[str], Any], data: Data
) -> None:
    """A condition sees the same number whether a step hands over its tensors or not."""
    recipe = Recipe(steps=STEPS, batch_size=16, learning_rate=0.02)
    rows = [x.row for x in prepare(networks("tiny"), data, recipe).run()]
    session = live()
    for row in rows:
        tensors = session.step() and session.tensors
        for site, block, _ in row.layout.blocks:
            for moment in block.names:
                own, cheap = (x.start(site, moment) for x in (tensors.layout, row.layout))
                assert tensors.packed[own].tobytes() == row.packed[cheap].tobytes()


def test_a_recorded_run_and_a_training_in_memory_show_the_same(
    live: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    """The run is recorded by `trace`; every step of it is compared with the record on the way."""
    of_run, in_memory = recorded(), live()
    for step in (7, 12, 2):
        assert of_run.goto(step).text == in_memory.goto(step).text
        assert of_run.tensors.verified
        assert same_bits(of_run.tensors, in_memory.tensors)


def test_going_back_gives_the_same_bits_when_states_have_been_thinned(
    live: Callable[..., Any], making: SimpleNamespace
) -> None:
    session = live(steps=40)
    session.source._snapshots._most = 3
    kept: list[StepTensors] = []
    for _ in range(40):
        session.step()
        kept.append(session.tensors)
    assert len(session.source._snapshots.steps) <= 3
    for step in (39, 20, 3, 1, 40):
        session.goto(step)
        assert same_bits(session.tensors, kept[step - 1])
