"""Hindsight: an expression, or a function of the user's, over steps of a finished run.

Owns which steps and nodes are meant, what can be answered from the record alone, how long the rest
will take, and the table of answers. Whoever computes steps again hands their tensors over.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from opgraph.errors import ExpressionError, RunError, suggest
from opgraph.graph import matching
from opgraph.record.expression.evaluating import answer
from opgraph.record.expression.names import Names, Tensors, find_all, names_of_survey
from opgraph.record.expression.parser import parse
from opgraph.record.expression.recorded import Needs, joined, needs, row_scopes
from opgraph.record.expression.scope import Scope, ShapeScope, StepScope
from opgraph.record.expression.tree import Expression
from opgraph.record.reader import Record
from opgraph.record.tensors import StepTensors, TensorName

Function = Callable[[StepTensors, str | None], float]
Steps = int | range | Sequence[int] | None


class Row(NamedTuple):
    """One answer; no node for what is asked of the whole step."""

    step: int
    node: str | None
    value: float


@dataclass(frozen=True, eq=False)
class Query:
    """What is asked of which steps and nodes of a run.

    Attributes:
        record: the run.
        what: an expression, or a function of a step's tensors and a node.
        nodes: the nodes that are meant; a single None for the whole step.
        steps: the steps, in order.
    """

    record: Record
    what: Expression | Function
    nodes: tuple[str | None, ...]
    steps: tuple[int, ...]

    @cached_property
    def names(self) -> Names:
        """What may be named, as far as the record tells."""
        return names_of_survey(self.record.survey)

    @cached_property
    def needed(self) -> dict[str | None, Needs]:
        """What the expression is made from at each node that has it; empty if that is not known.

        A run that measures some sites only does not know what the others have.

        Raises:
            ExpressionError: no node has it.
        """
        if not isinstance(self.what, Expression):
            return {}
        found: dict[str | None, Needs] = {}
        first: ExpressionError | None = None
        for node in self.nodes:
            try:
                found[node] = needs(self.what, self.names, node)
            except ExpressionError as error:
                first = first or error
        if not _tells_all(self.record):
            return {} if first is not None or self._is_of_several(self.what) else found
        if not found and first is not None:
            raise first
        return found

    def _is_of_several(self, what: Expression) -> bool:
        found = (x for node in self.nodes for x in find_all(what, self.names, node))
        return any(isinstance(x, Tensors) and x.over is not None for x in found)

    @property
    def is_recorded(self) -> bool:
        """Whether the record alone has the answer."""
        if not self.needed:
            return False
        needed = joined(self.needed.values())
        return needed.are_recorded(self.record.survey) and needed.have_columns(self.record)

    def check_shapes(self, shapes: Mapping[TensorName, tuple[int, ...]]) -> None:
        """See that the expression is a single number, before any step is computed for it.

        Args:
            shapes: of tensors, as far as they are known; a node with another is not looked at.

        Raises:
            ExpressionError: it is an array, or its parts do not fit together.
        """
        for node, needed in self.needed.items():
            if all(name in shapes for name in needed.tensors):
                list(self._rows(0, node, ShapeScope(self.names, shapes, node)))

    def from_record(self) -> Any:
        """The table of answers, where the record alone has them."""
        scopes = row_scopes(self.record, joined(self.needed.values()), self.names, self.steps)
        rows = [
            row
            for step, scope in scopes.items()
            for node in self.needed
            for row in self._rows(step, node, scope.at(node))
        ]
        return _table(rows)

    def from_steps(self, steps: Iterable[StepTensors]) -> Any:
        """The table of answers, from the tensors of the steps."""
        rows = [row for tensors in steps for row in self.of(tensors)]
        return _table(rows)

    def of(self, tensors: StepTensors) -> Iterator[Row]:
        """The answers in one step."""
        scope = StepScope(tensors)
        for node in self.needed or self.nodes:
            if isinstance(self.what, Expression):
                yield from self._rows(tensors.step, node, scope.at(node))
            else:
                yield Row(tensors.step, node, _number(self.what(tensors, node), tensors.step, node))

    def _rows(self, step: int, node: str | None, scope: Scope) -> Iterator[Row]:
        assert isinstance(self.what, Expression)
        found = answer(self.what, scope)
        if found.nodes:
            for name, value in zip(found.nodes, found.array.tolist(), strict=True):
                yield Row(step, name, float(value))
        elif found.array.ndim:
            raise self.what.error(
                f"is an array of shape {tuple(found.array.shape)}, not one number",
                self.what.root.span,
                "make one number of it, such as mean(...)",
            )
        else:
            yield Row(step, node, float(found.array))


class Cost(NamedTuple):
    """What it takes to compute steps again."""

    steps: int
    seconds: float

    def text(self, wanted: int) -> str:
        """What is done to have so many steps, and about how long it takes.

        >>> Cost(9, 3.6).text(1)
        'computing 9 steps again to have 1 step: about 4 s'
        """
        few = "" if self.steps == wanted else f" to have {_counted(wanted)}"
        duration = f"about {self.seconds:.0f} s" if self.seconds >= 1 else "less than a second"
        return f"computing {_counted(self.steps)} again{few}: {duration}"


def make_query(
    record: Record, what: str | Function, nodes: str | None = None, steps: Steps = None
) -> Query:
    """Read what is asked.

    Args:
        record: the run.
        what: an expression, or a function of a step's tensors and a node.
        nodes: a glob over node names, several joined by commas; None for the whole step.
        steps: a step or several; all when left out. Those that the run does not have are left out.

    Raises:
        ExpressionError: the expression cannot be read.
        RunError: no node matches, or the run has none of the steps.
    """
    asked = parse(what) if isinstance(what, str) else what
    return Query(record, asked, _nodes(record, nodes), _steps(record, steps))


def cost(record: Record, steps: Sequence[int]) -> Cost:
    """How many steps are computed again to have those of some, and about how long it takes."""
    keyframes, at, count = record.keyframe_steps, -1, 0
    for step in steps:
        place = bisect_right(keyframes, step - 1)
        start = max(at, keyframes[place - 1] if place else 0)
        count += step - start
        at = step
    times = record.steps["step_time"].to_numpy()
    return Cost(count, float(count * np.median(times)) if len(times) else 0.0)


def _counted(steps: int) -> str:
    return f"{steps:,} step{'' if steps == 1 else 's'}"


def _tells_all(record: Record) -> bool:
    """Whether the sites of a record are all that there is."""
    measure = record.survey.measure
    return measure.sites is None and bool(measure.schedules)


def _nodes(record: Record, glob: str | None) -> tuple[str | None, ...]:
    if glob is None:
        return (None,)
    known = dict.fromkeys(site.node for site in record.survey.sites if site.node)
    if not _tells_all(record):
        known |= dict.fromkeys(str(node.get("name")) for node in record.graph.get("nodes", ()))
    found = matching(glob, known)
    if not found:
        hint = suggest(glob, known)
        raise RunError(f"no node matches {glob!r}", where=str(record.path), hint=hint)
    return tuple(found)


def _steps(record: Record, steps: Steps) -> tuple[int, ...]:
    first, last = record.info.first_step + 1, record.last_step
    if isinstance(steps, range) and steps.step == 1:
        found = range(max(first, steps.start), min(last + 1, steps.stop))
    else:
        asked = (
            range(first, last + 1)
            if steps is None
            else [steps]
            if isinstance(steps, int)
            else steps
        )
        found = sorted({step for step in asked if first <= step <= last})
    if not found:
        there = f"it has {first} to {last}" if first <= last else "none of it can be read"
        raise RunError(f"the run has none of these steps; {there}", where=str(record.path))
    return tuple(found)


def _number(value: Any, step: int, node: str | None) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        where = f"step {step}" if node is None else f"step {step}, node {node!r}"
        raise RunError(
            f"the function gave {type(value).__name__}, expected one number", where=where
        )
    return float(array.reshape(-1)[0])


def _table(rows: Sequence[Row]) -> Any:
    return pa.table(
        {
            "step": pa.array([row.step for row in rows], pa.int64()),
            "node": pa.array([row.node for row in rows], pa.string()),
            "value": pa.array([row.value for row in rows], pa.float64()),
        }
    )
