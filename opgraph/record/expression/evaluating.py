"""The value of an expression in a step.

Everything is computed in float64; a whole tensor (or some of its elements) that nothing is done to
stays as it is. NaN goes through arithmetic and functions, and no comparison with NaN holds but
`!=`. A name over several nodes is one number a node; a comparison of it says whether it holds for
any of them (`any.`, globs) or for all (`all.`). Owns these rules; knows neither texts nor files.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from opgraph.errors import ExpressionError, suggest
from opgraph.record.expression.functions import FUNCTIONS, STATISTICS, statistic_of, wide_of
from opgraph.record.expression.names import Figure, Over, find
from opgraph.record.expression.scope import Scope
from opgraph.record.expression.tree import (
    Binary,
    Call,
    Expression,
    Index,
    Number,
    Part,
    Reference,
    Statistic,
    Unary,
)
from opgraph.record.quantities import Array

Value = Any  # a number, True or False, or an array
MOST_ELEMENTS = 1 << 28
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": np.divide,
    "**": np.power,
}
COMPARISON: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, eq=False)
class Answer:
    """What an expression comes to.

    Attributes:
        array: the value; of no dimensions for a single one.
        nodes: which nodes its elements belong to, for a name over several nodes.
        over: how a comparison over them is meant.
    """

    array: Array
    nodes: tuple[str, ...] = ()
    over: Over | None = None

    @property
    def value(self) -> Value:
        """A plain number, true or false, or an array."""
        return self.array[()].item() if self.array.ndim == 0 else self.array


def evaluate(expression: Expression, scope: Scope) -> Value:
    """The value of an expression: a number, True or False, or an array.

    Raises:
        ExpressionError: a name stands for nothing, or shapes do not fit.
    """
    return answer(expression, scope).value


def answer(expression: Expression, scope: Scope) -> Answer:
    """The same, with the nodes that the elements of a name over several nodes belong to."""
    with np.errstate(all="ignore"):
        return _Evaluation(expression, scope).of(expression.root)


def holds(expression: Expression, scope: Scope) -> bool:
    """Whether a condition holds; a number holds where it is not 0.

    Raises:
        ExpressionError: it is no single yes or no.
    """
    with np.errstate(all="ignore"):
        evaluation = _Evaluation(expression, scope)
        return evaluation.truth(evaluation.of(expression.root), expression.root)


def _numbers(array: Array) -> Array:
    return array.astype(np.float64)


class _Evaluation:
    def __init__(self, expression: Expression, scope: Scope) -> None:
        self.expression = expression
        self.scope = scope

    def of(self, part: Part) -> Answer:
        """The value of a part."""
        match part:
            case Number():
                return Answer(np.array(part.value))
            case Reference():
                return self.reference(part)
            case Call():
                return self.call(part)
            case Index():
                return self.index(part)
            case Statistic():
                return self.statistic(part)
            case Unary():
                return self.unary(part)
            case Binary():
                return self.binary(part)

    def reference(self, part: Reference) -> Answer:
        found = find(self.expression, part, self.scope.names, self.scope.node)
        if isinstance(found, Figure):
            return Answer(np.array(self.scope.figure(found.name)))
        if found.statistic is None:
            array = self.scope.tensor(found.names[0])
            if array is None:
                hint = "its statistics are"
                raise self.error(f"{found.names[0]} itself is not recorded", part, hint)
            return Answer(np.asarray(array))
        values = [self.scope.statistic(name, found.statistic) for name in found.names]
        if found.over is None:
            return Answer(np.array(values[0]))
        return Answer(np.array(values), tuple(name.node for name in found.names), found.over)

    def call(self, part: Call) -> Answer:
        function = FUNCTIONS[part.name]
        given = [self.of(argument) for argument in part.arguments]
        wide = wide_of if part.name == "count" else _numbers
        try:
            made = np.asarray(function.make(*(wide(x.array) for x in given)))
        except ValueError as error:
            raise self.error(str(error), part) from None
        return Answer(made) if function.reduces else Answer(made, given[0].nodes, given[0].over)

    def index(self, part: Index) -> Answer:
        array = self.of(part.operand).array
        try:
            return Answer(np.asarray(array[part.items]))
        except (IndexError, ValueError) as error:
            shape = f"the shape is {tuple(array.shape)}"
            raise self.error(f"no such element: {error}", part, shape) from None

    def statistic(self, part: Statistic) -> Answer:
        if part.name not in STATISTICS:
            near = suggest(part.name, STATISTICS) or f"there are: {', '.join(STATISTICS)}"
            raise self.error(f"there is no statistic {part.name!r}", part, near)
        return Answer(np.array(statistic_of(part.name, self.of(part.operand).array)))

    def unary(self, part: Unary) -> Answer:
        given = self.of(part.operand)
        if part.operator == "not":
            return Answer(np.array(not self.truth(given, part.operand)))
        wide = given.array.astype(np.float64)
        return Answer(-wide if part.operator == "-" else wide, given.nodes, given.over)

    def binary(self, part: Binary) -> Answer:
        left = self.of(part.left)
        if part.operator in ("and", "or"):
            first = self.truth(left, part.left)
            if first == (part.operator == "or"):
                return Answer(np.array(first))
            return Answer(np.array(self.truth(self.of(part.right), part.right)))
        right = self.of(part.right)
        self.check_shapes(left, right, part)
        nodes, over = self.joined(left, right, part)
        wide = left.array.astype(np.float64), right.array.astype(np.float64)
        if part.operator in ARITHMETIC:
            return Answer(np.asarray(ARITHMETIC[part.operator](*wide)), nodes, over)
        made = np.asarray(COMPARISON[part.operator](*wide))
        if over is None:
            return Answer(made)
        return Answer(np.array(made.all() if over == "all" else made.any()))

    def truth(self, given: Answer, part: Part) -> bool:
        """A single yes or no."""
        if given.array.size != 1:
            raise self.error(
                f"a condition is one yes or no, this has the shape {tuple(given.array.shape)}",
                part,
                "write any(...) or all(...)",
            )
        return bool(given.array.reshape(-1)[0])

    def joined(
        self, left: Answer, right: Answer, part: Part
    ) -> tuple[tuple[str, ...], Over | None]:
        """The nodes that two parts are about, and how they are meant."""
        if left.over and right.over and (left.over, left.nodes) != (right.over, right.nodes):
            raise self.error("the two sides are about different nodes, or any and all", part)
        chosen = left if left.over else right
        return chosen.nodes, chosen.over

    def check_shapes(self, left: Answer, right: Answer, part: Part) -> None:
        shapes = tuple(left.array.shape), tuple(right.array.shape)
        try:
            size = np.prod(np.broadcast_shapes(*shapes), dtype=np.float64)
        except ValueError:
            text = f"shapes {shapes[0]} and {shapes[1]} do not fit"
            raise self.error(text, part) from None
        if size > MOST_ELEMENTS:
            raise self.error(f"would have more than {MOST_ELEMENTS:,} elements", part)

    def error(self, problem: str, part: Part, hint: str | None = None) -> ExpressionError:
        return self.expression.error(problem, part.span, hint)
