"""Conditions at which a session stops.

Owns the table of breakpoints and where in a step a condition comes to hold; knows neither steps
nor commands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from opgraph.errors import ExpressionError, TraceError
from opgraph.record.expression import (
    Expression,
    Figure,
    Names,
    Needs,
    Scope,
    StepScope,
    find_all,
    holds,
    needs,
    parse,
)
from opgraph.runtime.debugger.places import Place, phase_of


@dataclass(frozen=True)
class Breakpoint:
    """A condition to stop at.

    Attributes:
        number: what it is called, from 1; 0 for one that holds for a single command.
        condition: what has to hold.
        hits: how often it was stopped at.
    """

    number: int
    condition: Expression
    hits: int = 0

    @property
    def title(self) -> str:
        """What stopped the session."""
        return f"breakpoint {self.number}: {self.condition}" if self.number else f"{self.condition}"

    def is_hit(self, scope: Scope) -> bool:
        """Whether its condition holds in a step.

        Raises:
            ExpressionError: it cannot be answered; the message says which breakpoint it is.
        """
        try:
            return holds(self.condition, scope)
        except ExpressionError as error:
            if not self.number:
                raise
            raise ExpressionError(
                error.problem, where=f"breakpoint {self.number}", place=error.place, hint=error.hint
            ) from None


class Breakpoints:
    """All breakpoints of a session, by number."""

    def __init__(self) -> None:
        self._last = 0
        self._all: dict[int, Breakpoint] = {}

    def __iter__(self):
        return iter(self._all.values())

    def add(self, condition: Expression) -> Breakpoint:
        """A new one."""
        self._last += 1
        self._all[self._last] = Breakpoint(self._last, condition)
        return self._all[self._last]

    def delete(self, number: int) -> None:
        """Remove one.

        Raises:
            TraceError: there is none of that number.
        """
        if number not in self._all:
            known = ", ".join(map(str, self._all)) or "none"
            raise TraceError(f"there is no breakpoint {number}; there are: {known}")
        del self._all[number]

    def clear(self) -> None:
        """Remove all of them."""
        self._all.clear()

    def count(self, hit: Breakpoint) -> None:
        """Count a hit."""
        if hit.number in self._all:
            self._all[hit.number] = replace(hit, hits=hit.hits + 1)


def needed_by(condition: Expression, names: Names) -> Needs | None:
    """What a condition needs of a step; None if only its full tensors tell."""
    try:
        return needs(condition, names)
    except ExpressionError:
        return None


def place_of(condition: Expression, scope: StepScope) -> Place | None:
    """Where in a step the first name of a condition comes to be; None for the step's number.

    For a name over several nodes it is the first one, in the order of the step, that fulfils the
    condition by itself.
    """
    for reference, found in zip(
        condition.references(), find_all(condition, scope.names, scope.node), strict=True
    ):
        if isinstance(found, Figure):
            if found.name != "step":
                return Place("loss")
            continue
        if found.over is None:
            return Place(phase_of(found.names[0]), found.names[0].node)
        backwards = phase_of(found.names[0]) == "backward"
        for name in reversed(found.names) if backwards else found.names:
            start, end = reference.span
            own = ".".join([_quoted(name.node), *reference.parts[1:]])
            alone = parse(condition.text[:start] + own + condition.text[end:])
            if _holds_alone(alone, scope):
                return Place(phase_of(name), name.node)
    return None


def _holds_alone(condition: Expression, scope: StepScope) -> bool:
    try:
        return holds(condition, scope)
    except ExpressionError:
        return False


def _quoted(node: str) -> str:
    return f'"{node}"' if "'" in node else f"'{node}'"
