"""Branching off a run: the same bits without a change, and what each change does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.errors import GraphError, OpgraphError, RunError, TraceError
from opgraph.formats import from_json, to_json
from opgraph.graph import OpGraph, zeroed
from opgraph.record import KINDS, Record, open_run
from opgraph.record.resume import first_difference
from opgraph.runtime import Recipe, branch, changes_from, resume, trace
from opgraph.runtime.data import Data, Split, Target

pytestmark = pytest.mark.tf
Networks = Callable[[str], OpGraph]
STEPS, STEP = 14, 8
OPTIONS: dict[str, Any] = {"batch_size": 16, "learning_rate": 0.05, "keyframe_every": 4}


@pytest.fixture(scope="module")
def data(making: SimpleNamespace) -> Data:
    return making.blobs(100)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, networks: Networks, data: Data) -> Record:
    """Fourteen steps of a network with dropout; batches of 16 and a last one of 4."""
    path = tmp_path_factory.mktemp("runs") / "parent"
    graph = networks("tiny")
    return trace(graph, data, run_dir=path, graph_json=to_json(graph), steps=STEPS, **OPTIONS)


class Branches:
    """Makes branches of the parent, each in a directory of its own."""

    def __init__(self, parent: Record, network: OpGraph, data: Data, folder: Path) -> None:
        self.parent, self.network, self.data, self.folder = parent, network, data, folder
        self.told: list[str] = []

    def make(self, *, step: int = STEP, zero: str | None = None, **changes: Any) -> Record:
        self.told.clear()
        return branch(
            self.parent,
            self.network,
            self.data,
            step=step,
            changes=changes_from(changes, zero),
            run_dir=self.folder / "branch",
            to_json=to_json,
            notify=self.told.append,
        )


@pytest.fixture
def branches(parent: Record, networks: Networks, data: Data, tmp_path: Path) -> Branches:
    return Branches(parent, networks("tiny"), data, tmp_path)


def differing(parent: Record, made: Record, steps: range) -> dict[str, str]:
    """Which tables differ, and the first column that does."""
    found = {}
    for kind in KINDS:
        tables = [record.table(kind, steps=steps) for record in (parent, made)]
        difference = first_difference(*tables)
        if difference is not None:
            found[kind] = difference.column
    return found


def test_unchanged_it_comes_out_in_the_same_bits(parent: Record, branches: Branches) -> None:
    made = branches.make()
    assert made.steps["step"].to_pylist() == list(range(STEP + 1, STEPS + 1))
    assert made.keyframe_steps == [8, 12, 14]
    assert differing(parent, made, range(STEP + 1, STEPS + 1)) == {}
    for step in (8, 12, 14):
        old, new = parent.keyframe(step), made.keyframe(step)
        assert list(old.arrays) == list(new.arrays)
        for name, array in old.arrays.items():
            np.testing.assert_array_equal(array, new.arrays[name], strict=True)
        assert old.cursor == new.cursor
    assert made.info.outcome["test"] == parent.info.outcome["test"]
    assert branches.told == []


def test_it_says_where_it_comes_from(parent: Record, branches: Branches) -> None:
    made = branches.make(learning_rate=0.01)
    said = json.loads((made.path / "run.json").read_text())["parent"]
    assert said == {
        "path": str(parent.path),
        "fingerprint": parent.info.fingerprint,
        "step": STEP,
        "changes": {"learning_rate": [0.05, 0.01]},
    }
    assert made.info.first_step == STEP
    assert made.info.fingerprint != parent.info.fingerprint
    assert open_run(parent.path).info.parent == {}


def test_another_learning_rate(parent: Record, branches: Branches) -> None:
    made = branches.make(lr=0.005)
    rates = [
        record.table("steps", steps=range(STEP + 1, STEPS + 1))["learning_rate"].to_numpy()
        for record in (parent, made)
    ]
    np.testing.assert_allclose(rates[1], rates[0] / 10, rtol=1e-6)
    first = range(STEP + 1, STEP + 2)
    assert differing(parent, made, first) == {"steps": "learning_rate", "weight": "update_mean"}
    updates = [
        record.table("weight", steps=first)["update_norm"].to_numpy() for record in (parent, made)
    ]
    np.testing.assert_allclose(updates[1], updates[0] / 10, rtol=1e-3)


def test_a_constant_rate_is_not_overwritten_by_the_old_state(
    networks: Networks, data: Data, tmp_path: Path
) -> None:
    graph = networks("tiny")
    options = {**OPTIONS, "schedule": "constant"}
    record = trace(
        graph, data, run_dir=tmp_path / "a", graph_json=to_json(graph), steps=8, **options
    )
    made = Branches(record, graph, data, tmp_path).make(step=4, lr=0.001)
    np.testing.assert_allclose(made.steps["learning_rate"].to_numpy(), 0.001, rtol=1e-6)


def test_another_optimizer_begins_with_empty_slots(parent: Record, branches: Branches) -> None:
    made = branches.make(optimizer="momentum")
    first = made.keyframe(STEP).arrays
    slots = {name: x for name, x in first.items() if name.endswith("_momentum")}
    assert len(slots) == 4
    assert not any(array.any() for array in slots.values())
    counter = next(x for name, x in first.items() if name.endswith("/iteration"))
    assert counter == STEP
    assert branches.told == [
        "the new optimizer begins with empty slots; its count of updates goes on"
    ]
    rates = [
        record.table("steps", steps=range(9, 15))["learning_rate"].to_pylist()
        for record in (parent, made)
    ]
    assert rates[0] == rates[1]


def test_another_order_of_the_data(parent: Record, branches: Branches) -> None:
    made = branches.make(order_seed=5)
    prints = [
        record.table("steps", steps=range(9, 15))["fingerprint"].to_pylist()
        for record in (parent, made)
    ]
    assert not set(prints[0]) & set(prints[1])
    assert branches.told[-1].startswith("new order of the data")


def test_a_frozen_node_stays_as_it_is(parent: Record, branches: Branches) -> None:
    made = branches.make(freeze="d")
    assert made.info.config["freeze"] == "d"
    kernels = [made.keyframe(step).arrays["model/d/kernel"] for step in made.keyframe_steps]
    np.testing.assert_array_equal(kernels[0], parent.keyframe(STEP).arrays["model/d/kernel"])
    np.testing.assert_array_equal(kernels[0], kernels[-1])
    # the slots of the others go on, so that the first update of theirs is the same
    tables = [
        record.table("weight", steps=STEP + 1, nodes="logits")["update_norm"].to_pylist()
        for record in (parent, made)
    ]
    assert tables[0] == tables[1]
    assert "frozen: d" in branches.told


def test_a_zeroed_node(parent: Record, branches: Branches) -> None:
    made = branches.make(zero="r")
    assert [node["name"] for node in made.graph["nodes"]] == [
        *("x", "d", "r", "r_zero", "drop", "logits", "softmax"),
    ]
    outputs = made.table("output", nodes="r_zero,r")
    rows = {(row["node"], row["step"]): row["norm"] for row in outputs.to_pylist()}
    assert rows["r_zero", STEP + 1] == 0
    assert rows["r", STEP + 1] > 0
    grads = made.table("weight", nodes="d", steps=STEP + 1)["grad_norm"].to_pylist()
    assert grads == [0, 0]


def test_a_branch_that_was_interrupted_goes_on(
    parent: Record, branches: Branches, networks: Networks, data: Data, tmp_path: Path
) -> None:
    whole = branches.make(lr=0.01)
    for part in (*whole.parts("steps"), *(whole.path / "keyframes").glob("*-00001[0-9].*")):
        part.unlink()
    info = json.loads((whole.path / "run.json").read_text())
    (whole.path / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    before = Branches(parent, networks("tiny"), data, tmp_path / "again").make(lr=0.01)
    again = resume(from_json(whole.graph), data, run_dir=whole.path)
    assert again.info.parent["step"] == STEP
    assert differing(before, again, range(STEP + 1, STEPS + 1)) == {}


def test_a_branch_of_a_branch(branches: Branches, parent: Record, tmp_path: Path) -> None:
    made = branches.make()
    again = Branches(made, branches.network, branches.data, tmp_path / "second").make(step=12)
    assert again.info.parent["step"] == 12
    assert differing(parent, again, range(13, STEPS + 1)) == {}


@pytest.mark.parametrize(
    ("step", "changes", "error", "said"),
    [
        (20, {}, RunError, "the run has no state after step 20; it has those from 0 to 14"),
        (14, {}, TraceError, "the branch would have 14 steps, of which 14 are over"),
        (8, {"batch_size": 3}, TraceError,
         "'batch_size' cannot be changed in the middle of a training"),
        (8, {"learnign_rate": 3}, TraceError,
         "'learnign_rate' cannot be changed in the middle of a training"),
        (8, {"learning_rate": -1}, TraceError, "expected a positive number, received -1"),
        (8, {"freeze": "e"}, TraceError, "no node is called 'e'"),
        (8, {"zero": "e"}, GraphError, "no node is called 'e'"),
        (8, {"zero": "softmax"}, GraphError, "an output of the network"),
    ],
)  # fmt: skip
def test_refusals_leave_nothing(
    branches: Branches,
    step: int,
    changes: dict[str, Any],
    error: type[OpgraphError],
    said: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error) as caught:
        branches.make(step=step, **changes)
    assert caught.value.problem == said
    assert not list(tmp_path.iterdir())


def test_it_does_not_write_over_its_parent(branches: Branches, parent: Record) -> None:
    branches.folder = parent.path.parent
    with pytest.raises(RunError, match="a branch needs a directory of its own"):
        branch(
            parent,
            branches.network,
            branches.data,
            step=STEP,
            changes=changes_from({}),
            run_dir=parent.path,
            to_json=to_json,
            overwrite=True,
        )


def test_zeroing_two_ports_and_names_that_are_taken() -> None:
    from opgraph.text import parse

    graph = parse(
        "x: Input(shape=(7, 3)) -> l\nl -> a\nl.1 -> b\na, b -> s\n"
        "l: LSTM(units=2, return_state=true)\na: ReLU\nb: ReLU\ns: Add"
    )
    made = zeroed(graph, "l")
    assert [str(end) for end in (*made.inputs("l_zero"), *made.inputs("l_zero_1"))] == ["l", "l.1"]
    assert [str(end) for end in (*made.inputs("a"), *made.inputs("b"))] == ["l_zero", "l_zero_1"]
    with pytest.raises(GraphError, match="there is a node of that name already"):
        zeroed(made, "l")


def test_recipe_of_a_branch() -> None:
    old = Recipe(epochs=3, freeze="a", learning_rate=0.1)
    new = changes_from({"freeze": "b", "steps": 50, "lr": 0.2}).recipe(old)
    assert (new.freeze, new.steps, new.epochs, new.learning_rate) == ("a, b", 50, None, 0.2)
    assert changes_from({"freeze": None}).recipe(old).freeze is None
    assert changes_from({}).recipe(old) == old


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"ema": 0.9, "accumulate": 2},
        {"precision": "mixed_float16"},
        {"schedule": "plateau(patience=1, factor=0.5)", "validate_every": 2},
        {"early_stopping": "patience=3", "validate_every": 2, "schedule": "constant"},
        {"optimizer": "schedule_free_adamw"},
    ],
    ids=lambda how: ",".join(how) or "plain",
)
def test_same_bits_with_all_that_a_state_has(
    networks: Networks, tmp_path: Path, how: dict[str, Any]
) -> None:
    """Batch normalisation, dropout, loss scale, averages, controllers."""
    network, data = networks("cnn"), pictures()
    parent = trace(
        *(network, data),
        run_dir=tmp_path / "parent",
        graph_json=to_json(network),
        **{"steps": 10, "batch_size": 16, "keyframe_every": 4, **how},
    )
    made = Branches(parent, network, data, tmp_path).make(step=5)
    last = parent.last_step
    assert made.last_step == last > 5
    assert differing(parent, made, range(6, last + 1)) == {}
    for name, array in parent.keyframe(last).arrays.items():
        np.testing.assert_array_equal(array, made.keyframe(last).arrays[name], strict=True)
    frozen = Branches(parent, network, data, tmp_path / "frozen").make(step=4, freeze="n1,c2")
    for name in ("model/n1/moving_mean", "model/n1/gamma", "model/c2/kernel"):
        first, final = (frozen.keyframe(step).arrays[name] for step in (4, frozen.last_step))
        np.testing.assert_array_equal(first, parent.keyframe(4).arrays[name])
        np.testing.assert_array_equal(first, final)


def pictures() -> Data:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 72).astype(np.int32)
    images = random.normal(size=(72, 12, 12, 3)).astype(np.float32)
    images[:, 0, 0, 0] += labels
    split = Split((images,), (labels,))
    names = ("a", "b", "c", "d")
    targets = (Target("", "classes", (), 4, names),)
    data = Data(split, split, 4, names, {}, targets)
    return replace(data, description={"spec": "pictures", "fingerprint": data.fingerprint})
