"""What expressions come to: against NumPy, and against numbers written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.errors import ExpressionError
from opgraph.record import DROPOUT, STEPS, TENSOR, Block, Layout, Site, StepTensors, TensorName
from opgraph.record.expression import (
    FUNCTIONS,
    StepScope,
    answer,
    evaluate,
    figures_of,
    holds,
    parse,
)

KERNEL = np.array([[1.0, -2.0, 0.0], [3.0, 0.5, -0.25]], np.float32)
OUTPUT = np.array([[0.0, 2.0], [4.0, 0.0]], np.float32)
BROKEN = np.array([[1.0, np.nan], [np.inf, 3.0]], np.float32)
# Not what OUTPUT has, so that it shows where a number comes from.
PACKED_MAX = 77.0


def tensors() -> StepTensors:
    arrays: dict[TensorName, Any] = {
        TensorName("conv_1", "output"): OUTPUT,
        TensorName("conv_1", "output.grad"): OUTPUT / 2,
        TensorName("conv_2", "output"): BROKEN,
        TensorName("conv_2", "output.grad"): None,
        TensorName("fc", "output"): KERNEL,
        TensorName("fc", "kernel"): KERNEL,
        TensorName("fc", "kernel.grad"): KERNEL * 2,
        TensorName("fc", "kernel.update"): KERNEL / 10,
        TensorName("drop", "mask"): np.array([True, False, True, True]),
        TensorName("a/b", "output"): OUTPUT,
        TensorName("output", "output"): OUTPUT + 100,
    }
    site = Site("output", "conv_1", shape=(2,))
    steps = Block(("loss", "learning_rate", "grad_norm_sumsq", "accuracy:total", "accuracy:count"))
    blocks = ((site, TENSOR, 0), (STEPS, steps, 8), (Site("dropout", "drop"), DROPOUT, 13))
    packed = np.array([4, 0, 0, 2, 6, 20, 0, PACKED_MAX, 0.5, 1e-3, 9, 3, 4, 3, 4], np.float64)
    return StepTensors(7, arrays, (), (), packed, Layout(blocks, 15))


SCOPE = StepScope(tensors())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("2 ** 10", 1024.0),
        ("-2 ** 2", -4.0),
        ("step", 7.0),
        ("loss", 0.5),
        ("lr", 1e-3),
        ("grad_norm", 3.0),
        ("accuracy", 0.75),
        ("loss < 1 and lr < 1", True),
        ("not loss < 1 or step == 7", True),
        ("fc.kernel[0, 1]", -2.0),
        ("sum(fc.kernel)", 2.25),
        ("sum(abs(fc.kernel))", 6.75),
        ("max(fc.kernel)", 3.0),
        ("min(fc.kernel)", -2.0),
        ("count(fc.kernel)", 6),
        ("count(fc.kernel > 0)", 3),
        ("zeros(fc.kernel)", 1),
        ("mean(conv_1.output)", 1.5),
        ("rms(conv_1.output)", math.sqrt(5)),
        ("norm(conv_1.output)", math.sqrt(20)),
        ("var(conv_1.output)", 2.75),
        ("std(conv_1.output)", math.sqrt(2.75)),
        ("median(conv_1.output)", 1.0),
        ("quantile(conv_1.output, 0.5)", 1.0),
        ("fc.kernel.active", 0.5),
        ("fc.kernel[1].mean", 3.25 / 3),
        ("fc.kernel.grad.norm / fc.kernel.norm", 2.0),
        ("any(conv_1.output > 3)", True),
        ("all(conv_1.output > 3)", False),
        ("'a/b'.output[1, 0]", 4.0),
        ("drop.mask.kept_fraction", 0.75),
        # statistics count what is not finite and leave it out; functions hand it on
        ("conv_2.output.mean", 2.0),
        ("conv_2.output.max", 3.0),
        ("conv_2.output.nan", 1.0),
        ("conv_2.output.inf", 1.0),
        ("conv_2.output.nonfinite", 2.0),
        ("nonfinite(conv_2.output)", 2),
        ("max(conv_2.output) > 0", False),
        ("max(conv_2.output) < 0", False),
        # as measured in the step, not computed again
        ("conv_1.output.max", PACKED_MAX),
        ("max(conv_1.output)", 4.0),
        # several nodes
        ("any.output.nonfinite > 0", True),
        ("all.output.nonfinite > 0", False),
        ("conv*.output.max > 70", True),
        ("conv_?.output.max > 80", False),
        ("max(conv*.output.max)", PACKED_MAX),
        ("any.kernel.norm > 3", True),
        ("sum(any.output.count)", 22.0),
        ("any.output.grad.count == 4", True),
        ("2 * any.output.nonfinite > 3", True),
    ],
)
def test_value(text: str, value: Any) -> None:
    found = evaluate(parse(text), SCOPE)
    assert found == pytest.approx(value, rel=1e-12)
    assert type(found) is type(value) or not isinstance(value, bool)


def test_nothing_is_done_to_a_tensor_that_is_only_named() -> None:
    assert evaluate(parse("fc.kernel"), SCOPE) is KERNEL
    part = evaluate(parse("fc.kernel[0, :2]"), SCOPE)
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, KERNEL[0, :2])
    np.testing.assert_array_equal(evaluate(parse("fc.kernel[..., -1]"), SCOPE), KERNEL[..., -1])


def test_arithmetic_is_done_in_float64() -> None:
    found = evaluate(parse("fc.kernel / 3"), SCOPE)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, KERNEL.astype(np.float64) / 3)


def test_functions_hand_nan_on() -> None:
    assert math.isnan(evaluate(parse("mean(conv_2.output)"), SCOPE))
    assert math.isnan(evaluate(parse("log(0 - 1)"), SCOPE))
    assert evaluate(parse("1 / 0"), SCOPE) == math.inf
    assert evaluate(parse("10 ** 10 ** 10"), SCOPE) == math.inf
    assert math.isnan(evaluate(parse("max(fc.kernel[:0])"), SCOPE))


def test_an_answer_over_several_nodes_says_which() -> None:
    found = answer(parse("conv*.output.nonfinite"), SCOPE)
    assert found.nodes == ("conv_1", "conv_2")
    assert found.array.tolist() == [0, 2]


def test_a_node_that_is_meant() -> None:
    scope = SCOPE.at("conv_1")
    assert evaluate(parse("mean(abs(output))"), scope) == 1.5
    assert evaluate(parse("output.grad.max"), scope) == 2.0
    assert evaluate(parse("loss"), scope) == 0.5
    # a node called output is not what is meant, unless it stands in quotes
    assert evaluate(parse("max(output)"), scope) == 4.0
    assert evaluate(parse("max('output'.output)"), scope) == 104.0
    assert evaluate(parse("max(output.output)"), SCOPE) == 104.0


def test_figures_of_a_step() -> None:
    assert figures_of(SCOPE.tensors) == {
        "step": 7.0,
        "loss": 0.5,
        "accuracy": 0.75,
        "learning_rate": 1e-3,
        "grad_norm": 3.0,
    }


def test_a_condition_is_one_yes_or_no() -> None:
    assert holds(parse("loss"), SCOPE)
    assert not holds(parse("loss > 1"), SCOPE)
    with pytest.raises(ExpressionError) as caught:
        holds(parse("fc.kernel > 1"), SCOPE)
    assert caught.value.problem == "a condition is one yes or no, this has the shape (2, 3)"
    assert caught.value.hint == "write any(...) or all(...)"


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("los > 1", "'los' is no figure of the step", "did you mean 'loss'?"),
        ("fc > 1", "what of node 'fc'?", "such as fc.output, fc.kernel, fc.kernel.grad"),
        ("conv_11.output", "there is no node 'conv_11'", "did you mean 'conv_1'?"),
        (
            "zzz.output",
            "there is no node 'zzz'",
            "there are: conv_1, conv_2, fc, drop, a/b, output",
        ),
        ("fc.kernal", "node 'fc' has no tensor 'kernal'", "did you mean 'kernel'?"),
        ("fc.kernal.rms", "node 'fc' has no tensor 'kernal'", "did you mean 'kernel'?"),
        ("fc.kernel.rsm", "there is no statistic 'rsm' of kernel", "did you mean 'rms'?"),
        ("fc.kernel[0].rsm", "there is no statistic 'rsm'", "did you mean 'rms'?"),
        ("dense*.output.max", "no node matches 'dense*'", None),
        ("loss*fc.output", "no node matches 'loss*fc'", "for a product write blanks around *"),
        ("any.bias.rms", "6 nodes have no tensor 'bias'", "there are: output, output.grad, kernel,"
         " kernel.grad, kernel.update, mask"),
        ("conv*.output", "conv*.output is several tensors", "say what of each: conv*.output.max"),
        (
            "conv_2.output.grad.rms",
            "conv_2.output.grad does not exist: the loss does not depend on it",
            None,
        ),
        (
            "fc.kernel + conv_1.output",
            "shapes (2, 3) and (2, 2) do not fit",
            None,
        ),
        (
            "fc.kernel[5]",
            "no such element: index 5 is out of bounds for axis 0 with size 2",
            "the shape is (2, 3)",
        ),
        (
            "quantile(fc.kernel, 2)",
            "the share of a quantile lies between 0 and 1, received 2.0",
            None,
        ),
        (
            "any.output.max > all.output.max",
            "the two sides are about different nodes, or any and all",
            None,
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_answered(text: str, problem: str, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(parse(text), SCOPE)
    assert (caught.value.problem, caught.value.hint) == (problem, hint)
    assert caught.value.place is not None


def test_what_is_meant_with_a_node_is_named_too() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(parse("outptu"), SCOPE.at("fc"))
    assert str(caught.value) == (
        "expression:1:1  'outptu' is no figure of the step or of node 'fc'\n"
        "   1 │ outptu\n"
        "       ^^^^^^\n"
        "   did you mean 'output'?"
    )


WORDS = (
    *("fc.kernel", "conv*.output.max", "any.output.rms", "all.output.min", "loss", "2", "0.5"),
    *("mean(", "count(", "sqrt(", "norm(", "quantile(", ")", "[0]", "[..., 1:]", ".std", ","),
    *("+", "-", "*", "/", "**", "<", "==", "and", "or", "not", "fc.kernel > 1", "drop.mask"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_any_expression_has_a_value_or_a_message(words: list[str]) -> None:
    try:
        evaluate(parse(" ".join(words)), SCOPE)
    except ExpressionError as error:
        said = str(error)
    else:
        said = "a value"
    assert said


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_take_yes_and_no(name: str) -> None:
    more = ", 0.5" if name == "quantile" else ""
    found = np.asarray(evaluate(parse(f"{name}(fc.kernel > 0{more})"), SCOPE))
    assert found.dtype in (bool, int, np.float64)
