"""Places, states and histories, without a training."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.record import Keyframe, Layout, StepTensors, TensorName
from opgraph.runtime.debugger.history import History
from opgraph.runtime.debugger.places import Place, made_at, phase_of, places_of
from opgraph.runtime.debugger.snapshots import Snapshots

pytestmark = pytest.mark.tf
ONE = np.ones(1, np.float32)


def tensors(*names: str) -> StepTensors:
    """A step with tensors of these names."""
    arrays = {TensorName(*name.split(".", 1)): ONE for name in names}
    return StepTensors(1, arrays, (), (), ONE, Layout((), 1))


def state(step: int, size: int = 1) -> Keyframe:
    return Keyframe(step, {"w": np.zeros(size, np.uint8)}, {})


def test_places_go_forward_then_back_then_update_then_statistics():
    step = tensors("b.output", "a.output", "b.output.grad", "a.kernel.grad", "a.kernel", "b.mask",
                   "b.moving_mean", "b.moving_mean.after", "a.kernel.momentum")  # fmt: skip
    assert places_of(("a", "b"), step) == (
        Place("forward", "a"),
        Place("forward", "b"),
        Place("loss"),
        Place("backward", "b"),
        Place("backward", "a"),
        Place("update", "a"),
        Place("statistics", "b"),
    )


def test_a_phase_without_nodes_is_left_out():
    assert places_of(("a",), tensors("a.output")) == (Place("forward", "a"), Place("loss"))


@pytest.mark.parametrize(
    ("what", "phase"),
    [
        ("output", "forward"),
        ("output.1", "forward"),
        ("mask", "forward"),
        ("batch_variance", "forward"),
        ("output.1.grad", "backward"),
        ("kernel.grad", "backward"),
        ("kernel", "update"),
        ("kernel.after", "update"),
        ("kernel.velocity.before", "update"),
        ("moving_variance.after", "statistics"),
    ],
)
def test_phase_of_a_tensor(what, phase):
    assert phase_of(TensorName("n", what)) == phase


def test_tensors_of_a_weight_stand_together():
    step = tensors("a.kernel", "a.bias", "a.output", "b.kernel", "a.kernel.after", "a.bias.after",
                   "a.kernel.momentum", "a.kernel.momentum.before")  # fmt: skip
    found = [name.what for name in made_at(Place("update", "a"), step.arrays)]
    slots = ["kernel.momentum.before", "kernel.momentum"]
    assert found == ["kernel", "kernel.after", *slots, "bias", "bias.after"]


def test_states_are_thinned_evenly_and_the_first_stays():
    kept = Snapshots(state(0), most=4)
    for step in range(1, 30):
        if kept.wants(step):
            kept.add(state(step))
    assert kept.steps == [0, 8, 16, 24]
    assert kept.every == 8
    assert kept.before(23).step == 16
    kept.drop_after(16)
    assert kept.steps == [0, 8, 16]


def test_large_states_are_few():
    kept = Snapshots(state(5, 400), most_bytes=1000)
    for step in range(6, 20):
        if kept.wants(step):
            kept.add(state(step, 400))
    assert kept.steps == [5, 13]


def test_history_shows_some_steps_with_bars():
    history = History("loss", tuple(range(1, 101)), tuple(np.linspace(3.0, 0.0, 100)))
    lines = str(history).splitlines()
    assert lines[0] == "loss, steps 1 to 100"
    assert lines[1] == "      1  3            ##############################"
    assert lines[-1] == "    100  0"
    assert len(lines) == 13


def test_history_of_numbers_that_are_none():
    assert str(History("x", (4, 5), (float("nan"), 2.0))) == (
        "x, steps 4 to 5\n      4  nan\n      5  2            ##############################"
    )
