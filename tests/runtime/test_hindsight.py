"""Asking a run afterwards, and branching where no full state is kept: against its real tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opgraph
from opgraph.errors import ExpressionError, RunError
from opgraph.record import StepTensors

pytestmark = pytest.mark.tf
NETWORK = """
x: Input(shape=(4,)) -> d[units=8] -> r -> drop[rate=0.25] -> logits[units=4] -> softmax
d: Dense
r: ReLU
drop: Dropout
logits: Dense
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> opgraph.Run:
    """Twelve steps with a full state after each fifth."""
    path = tmp_path_factory.mktemp("runs") / "run"
    sizes = {"steps": 12, "batch_size": 16, "keyframe_every": 5}
    return opgraph.trace(NETWORK, "synthetic:blobs:100", output=path, measure="full", **sizes)


def test_an_expression_that_was_not_recorded(run: opgraph.Run) -> None:
    told: list[str] = []
    done: list[tuple[int, int]] = []
    table = run.requery(
        "mean(abs(output))",
        nodes="r,logits",
        steps=range(7, 10),
        notify=told.append,
        on_step=lambda step, total: done.append((step, total)),
    )
    wanted = [
        {"step": step, "node": node, "value": float(np.mean(np.abs(output.astype(np.float64))))}
        for step in range(7, 10)
        for node in ("r", "logits")
        if (output := run.at(step)[node, "output"]) is not None
    ]
    assert table.to_pylist() == wanted
    assert told[0] == (
        "computing 4 steps again to have 3 steps: less than a second beyond starting TensorFlow"
        " and building the network"
    )
    assert done == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("expression", "nodes"),
    [
        ("output.rms + output.max", "*"),
        ("kernel.grad.norm / kernel.norm", "d,logits"),
        ("loss + accuracy + learning_rate + grad_norm + step", None),
        ("any.output.nonfinite > 0", None),
        ("mask.kept_fraction", "drop"),
        ("kernel.momentum.rms", "d"),
        ("kernel.update_ratio", "d"),
    ],
)
def test_record_and_replay_say_the_same(
    run: opgraph.Run, expression: str, nodes: str | None
) -> None:
    told: list[str] = []
    recorded = run.requery(expression, nodes=nodes, steps=[3, 8], notify=told.append)
    assert told == ["answered from the record; nothing is computed again"]
    # the last part cannot be recorded, so that all of it is computed again
    asked = f"{expression} and sum(x.output[:0]) == 0" if ">" in expression else (
        f"{expression} + sum(x.output[:0])")  # fmt: skip
    again = run.requery(asked, nodes=nodes, steps=[3, 8])
    assert recorded.num_rows
    assert again.equals(recorded)


def test_a_function(run: opgraph.Run) -> None:
    def positive(tensors: StepTensors, node: str) -> Any:
        output = tensors[node, "output"]
        assert output is not None
        return (output > 0).mean()

    found = run.requery(positive, nodes="r", steps=4)
    assert found.equals(run.requery("output.active", nodes="r", steps=4))


def test_refusals_come_before_anything_is_computed(run: opgraph.Run) -> None:
    told: list[str] = []
    with pytest.raises(ExpressionError, match="node 'r' has no tensor 'kernel'"):
        run.requery("mean(r.kernel)", notify=told.append)
    with pytest.raises(RunError, match="the run has none of these steps; it has 1 to 12"):
        run.requery("mean(output)", nodes="r", steps=range(30, 40), notify=told.append)
    assert told == []


def test_a_branch_where_no_full_state_is_kept(run: opgraph.Run, tmp_path: Path) -> None:
    made = run.branch(7, output=tmp_path / "b")
    assert made.keyframes == [7, 10, 12]
    found = opgraph.diff(run, made)
    assert found.equal
    assert found.steps == (8, 12)
    assert (made.path / "graph.svg").exists()
    # the branch is replayed from its own directory, from its first step on
    (first,) = (made.at(8),)
    assert first.verified
    np.testing.assert_array_equal(first["d", "kernel.grad"], run.at(8)["d", "kernel.grad"])
    with pytest.raises(RunError, match="expected a step from 8 to 12, received 7"):
        made.at(7)


def test_a_branch_that_differs_is_replayed_and_asked(run: opgraph.Run, tmp_path: Path) -> None:
    made = run.branch(7, output=tmp_path / "b", lr=1e-4, freeze="d", zero="r")
    assert made.at(11).verified
    table = made.requery("max(abs(output))", nodes="r_zero", steps=range(8, 100))
    assert table["value"].to_pylist() == [0.0] * 5
    changes = json.loads((made.path / "run.json").read_text())["parent"]["changes"]
    assert changes == {"learning_rate": [0.003, 0.0001], "freeze": [None, "d"], "zero": [None, "r"]}
    found = opgraph.diff(run, made)
    assert not found.equal
    assert [setting.name for setting in found.settings] == [
        *("graph", "config.learning_rate", "config.freeze"),
    ]
    assert found.settings[0].right == "also r_zero"


def test_a_run_that_measured_some_sites_only(tmp_path: Path) -> None:
    run = opgraph.trace(
        *(NETWORK, "synthetic:blobs:100"),
        output=tmp_path / "run",
        steps=4,
        batch_size=16,
        sites="d",
    )
    told: list[str] = []
    run.requery("loss", steps=3, notify=told.append)
    run.requery("output.rms", nodes="d", steps=3, notify=told.append)
    assert told == ["answered from the record; nothing is computed again"] * 2
    assert run.requery("output.rms", nodes="r", steps=3)["value"].to_pylist()[0] > 0
    several = run.requery("any.output.rms", steps=3)["node"].to_pylist()
    assert several == ["x", "d", "r", "drop", "logits", "softmax"]


@pytest.mark.parametrize(
    ("expression", "nodes", "message"),
    [
        ("d.kernel", None, r"is an array of shape \(4, 8\), not one number"),
        ("d.kernel.grad[0] * 2", None, r"is an array of shape \(8,\), not one number"),
        ("output - loss", "r", r"is an array of shape \(16, 8\), not one number"),
        ("abs(kernel.update)", "d", r"is an array of shape \(4, 8\), not one number"),
        ("d.kernel[0, 8]", None, "index 8 is out of bounds for axis 1 with size 8"),
        ("mean(d.kernel - logits.kernel)", None, r"shapes \(4, 8\) and \(8, 4\) do not fit"),
    ],
)
def test_what_is_no_number_is_refused_before_anything_is_computed(
    expression: str, nodes: str | None, message: str, run: opgraph.Run
) -> None:
    told: list[str] = []
    untouched = opgraph.open_run(run.path)
    with pytest.raises(ExpressionError, match=message):
        untouched.requery(expression, nodes=nodes, notify=told.append)
    assert told == []
    assert not untouched._replays


@pytest.mark.parametrize(
    ("expression", "nodes"),
    [
        ("d.kernel[0, 1] + r.output[0, 0]", None),
        ("quantile(d.output, 0.5) / loss", None),
        ("sum(bias.after)", "d,logits"),
        ("drop.mask[0, 0] * 1", None),
    ],
)
def test_what_may_be_a_number_is_computed(
    expression: str, nodes: str | None, run: opgraph.Run
) -> None:
    assert run.requery(expression, nodes=nodes, steps=2).num_rows == len((nodes or "").split(","))


def test_what_only_a_step_tells_is_refused_after_it(run: opgraph.Run) -> None:
    """No graph says which shape a mask has."""
    told: list[str] = []
    with pytest.raises(ExpressionError, match=r"is an array of shape \(16, 8\), not one number"):
        run.requery("drop.mask", steps=2, notify=told.append)
    assert len(told) == 1
