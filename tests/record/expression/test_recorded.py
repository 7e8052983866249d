"""Expressions answered from a record alone: the columns they need, and the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opgraph.errors import ExpressionError
from opgraph.record import StepTensors, open_run
from opgraph.record.expression import (
    StepScope,
    evaluate,
    holds,
    names_of_survey,
    needs,
    parse,
    row_scopes,
)


@pytest.fixture(scope="module")
def record(synthetic: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_run(synthetic.write_run(tmp_path_factory.mktemp("runs") / "run"))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("loss", []),
        ("x.output.rms", ["output.rms"]),
        ("lstm.output.1.rms", ["output.rms"]),
        ("lstm.output.1.grad.max", ["output_grad.max"]),
        ("fc.kernel.rms", ["weight.value_rms"]),
        ("fc.kernel.grad.norm", ["weight.grad_norm"]),
        ("fc.kernel.update.max", ["weight.update_max"]),
        ("fc.kernel.update_ratio", ["weight.update_ratio"]),
        ("fc.kernel.momentum.norm", ["slot.norm"]),
        ("norm.batch_mean.mean", ["bn.batch_mean"]),
        ("norm.moving_mean.mean", ["bn.moving_mean_before"]),
        ("norm.moving_mean.after.mean", ["bn.moving_mean"]),
    ],
)
def test_columns(synthetic: Any, text: str, columns: list[str]) -> None:
    found = needs(parse(text), names_of_survey(synthetic.SURVEY))
    assert [column.quantity.full_name for column in found.columns.values()] == columns
    assert not found.tensors
    assert found.are_recorded(synthetic.SURVEY)


@pytest.mark.parametrize(
    "text", ["x.output[0]", "fc.kernel.after.rms", "x.output.active", "norm.batch_mean.max"]
)
def test_what_no_record_has(synthetic: Any, text: str) -> None:
    found = needs(parse(text), names_of_survey(synthetic.SURVEY))
    assert found.tensors
    assert not found.are_recorded(synthetic.SURVEY)


def test_a_gradient_that_does_not_exist(synthetic: Any) -> None:
    with pytest.raises(ExpressionError, match=r"x\.output\.grad does not exist"):
        needs(parse("x.output.grad.rms"), names_of_survey(synthetic.SURVEY))


@pytest.mark.parametrize(
    "text",
    [
        "loss + accuracy",
        "grad_norm",
        "x.output.rms - lstm.output.1.min",
        "fc.kernel.grad.norm / fc.kernel.norm",
        "fc.kernel.momentum.rms",
        "norm.moving_variance.mean",
        "any.output.max > 1.5",
    ],
)
def test_rows_and_the_packed_step_say_the_same(synthetic: Any, record: Any, text: str) -> None:
    names = names_of_survey(record.survey)
    expression = parse(text)
    scopes = row_scopes(record, needs(expression, names), names, range(4, 9))
    assert list(scopes) == [4, 5, 6, 7, 8]
    for step, scope in scopes.items():
        packed = synthetic.make_packed(step)
        arrays = {
            name: np.ones(1)
            for node, whats in names.tensors.items()
            for name in [*(_name(node, what) for what in whats)]
        }
        whole = StepScope(StepTensors(step, arrays, (), (), packed, synthetic.LAYOUT))
        np.testing.assert_equal(evaluate(expression, scope), evaluate(expression, whole))


def _name(node: str, what: str) -> Any:
    from opgraph.record import TensorName

    return TensorName(node, what)


def test_conditions_over_rows(record: Any) -> None:
    names = names_of_survey(record.survey)
    expression = parse("x.output.max > 1.5 and step >= 3")
    scopes = row_scopes(record, needs(expression, names), names, range(1, 15))
    table = record.table("output", nodes="x").to_pylist()
    wanted = [row["step"] for row in table if row["max"] > 1.5 and row["step"] >= 3]
    assert [step for step, scope in scopes.items() if holds(expression, scope)] == wanted
    assert wanted


def test_a_record_holds_no_whole_tensors(record: Any) -> None:
    names = names_of_survey(record.survey)
    scopes = row_scopes(record, needs(parse("loss"), names), names, [1])
    with pytest.raises(ExpressionError, match=r"x\.output itself is not recorded"):
        evaluate(parse("max(x.output)"), scopes[1])
