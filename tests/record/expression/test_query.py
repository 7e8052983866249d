"""Which steps and nodes a question is about, what the record alone answers, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opgraph.errors import ExpressionError, RunError
from opgraph.record import StepTensors, TensorName, open_run
from opgraph.record.expression import cost, make_query


@pytest.fixture(scope="module")
def record(synthetic: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Fourteen steps; full states after 0, 5, 10."""
    return open_run(synthetic.write_run(tmp_path_factory.mktemp("runs") / "run"))


def step_of(synthetic: Any, step: int) -> StepTensors:
    arrays = {
        TensorName("x", "output"): np.array([1.0, -3.0]) * step,
        TensorName("fc", "output"): np.array([4.0]),
    }
    return StepTensors(step, arrays, (), (), synthetic.make_packed(step), synthetic.LAYOUT)


def test_recorded_answers(record: Any) -> None:
    query = make_query(record, "output.rms", "x", range(3, 6))
    assert query.is_recorded
    table = query.from_record().to_pylist()
    wanted = record.table("output", nodes="x", steps=range(3, 6)).to_pylist()
    assert table == [{"step": r["step"], "node": "x", "value": r["rms"]} for r in wanted]


def test_recorded_answers_of_the_whole_step(record: Any) -> None:
    table = make_query(record, "loss > 1", None, [9, 2, 2]).from_record().to_pylist()
    losses = record.table("steps", steps=[2, 9])["loss"].to_pylist()
    assert table == [
        {"step": step, "node": None, "value": float(loss > 1)}
        for step, loss in zip((2, 9), losses, strict=True)
    ]


def test_a_glob_in_the_expression_is_a_row_a_node(record: Any) -> None:
    table = make_query(record, "l*.output.1.rms", None, 4).from_record()
    assert [(row["step"], row["node"]) for row in table.to_pylist()] == [(4, "lstm")]


def test_nodes_without_what_is_asked_are_left_out(record: Any) -> None:
    query = make_query(record, "kernel.norm", "*", 4)
    assert list(query.needed) == ["fc"]


def test_what_is_not_recorded_is_asked_of_the_tensors(synthetic: Any, record: Any) -> None:
    query = make_query(record, "max(abs(output))", "x", range(1, 4))
    assert not query.is_recorded
    table = query.from_steps(step_of(synthetic, step) for step in query.steps)
    assert table["value"].to_pylist() == [3.0, 6.0, 9.0]
    assert table["step"].to_pylist() == [1, 2, 3]


def test_a_function(synthetic: Any, record: Any) -> None:
    def spread(tensors: StepTensors, node: str | None) -> float:
        assert node is not None
        array = tensors[node, "output"]
        assert array is not None
        return float(np.ptp(array))

    query = make_query(record, spread, "x", 2)
    assert not query.is_recorded
    assert query.from_steps([step_of(synthetic, 2)])["value"].to_pylist() == [8.0]
    wrong = make_query(record, lambda tensors, node: "no", "x", 2)  # type: ignore[arg-type,return-value]
    with pytest.raises(RunError) as caught:
        wrong.from_steps([step_of(synthetic, 2)])
    assert str(caught.value) == "step 2, node 'x': the function gave str, expected one number"


def test_an_array_is_no_answer(synthetic: Any, record: Any) -> None:
    with pytest.raises(ExpressionError) as caught:
        make_query(record, "abs(output)", "x", 2).from_steps([step_of(synthetic, 2)])
    assert caught.value.problem == "is an array of shape (2,), not one number"
    assert caught.value.hint == "make one number of it, such as mean(...)"


def test_steps_that_there_are(record: Any) -> None:
    assert make_query(record, "loss", None, range(12, 2**62)).steps == (12, 13, 14)
    assert make_query(record, "loss", None, 3).steps == (3,)
    assert make_query(record, "loss").steps == tuple(range(1, 15))
    with pytest.raises(RunError) as caught:
        make_query(record, "loss", None, range(20, 30))
    assert str(caught.value) == f"{record.path}: the run has none of these steps; it has 1 to 14"


def test_refusals(record: Any) -> None:
    with pytest.raises(RunError, match="no node matches 'y'"):
        make_query(record, "output.rms", "y")
    with pytest.raises(ExpressionError) as caught:
        _ = make_query(record, "mean(output)").is_recorded
    assert caught.value.problem == "of which node is 'output'?"
    assert caught.value.hint == "name its node (conv.output), or choose nodes"
    with pytest.raises(ExpressionError, match="has no tensor 'bias'"):
        _ = make_query(record, "x.bias.rms", "x").is_recorded


@pytest.mark.parametrize(
    ("steps", "count"),
    [((1,), 1), ((5,), 5), ((6,), 1), ((3, 4), 4), ((3, 14), 3 + 4), ((9, 11), 4 + 1), ((14, ), 4)],
)  # fmt: skip
def test_cost_counts_from_the_nearest_full_state(
    record: Any, steps: tuple[int, ...], count: int
) -> None:
    assert record.keyframe_steps == [0, 5, 10]
    found = cost(record, steps)
    assert found.steps == count
    times = record.steps["step_time"].to_numpy()
    assert found.seconds == pytest.approx(count * np.median(times))


def test_a_run_of_an_older_schema() -> None:
    old = open_run(Path(__file__).parents[1] / "data" / "schema-1")
    assert make_query(old, "any.output.rms > 0").is_recorded
    assert not make_query(old, "any.output.norm > 0").is_recorded
