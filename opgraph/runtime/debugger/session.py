"""A session of the debugger: where one is, and moving.

Owns the position, breakpoints and displays; must not know commands or terminals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.errors import ExpressionError, RunError, TraceError, suggest
from opgraph.files import write_atomic, write_text
from opgraph.graph import OpGraph
from opgraph.record import StepTensors, TensorName
from opgraph.record.expression import (
    Answer,
    Expression,
    Names,
    Needs,
    Scope,
    StepScope,
    answer,
    evaluate,
    find_all,
    names_of_survey,
    parse,
)
from opgraph.runtime.choice import is_number
from opgraph.runtime.debugger import show
from opgraph.runtime.debugger.breakpoints import Breakpoint, Breakpoints, needed_by, place_of
from opgraph.runtime.debugger.history import History, number_of
from opgraph.runtime.debugger.places import Place, made_at, places_of
from opgraph.runtime.debugger.sources import Source

LOSS = Needs(("loss",), {}, ())
PATIENCE = 1.0  # seconds; what takes longer is said beforehand
Draw = Callable[[str | None], str]
Notify = Callable[[str], object]
Progress = Callable[[], AbstractContextManager[Callable[[int, int], object]]]


@dataclass(frozen=True)
class Stop:
    """Where a session has come to a stop.

    Attributes:
        step: the step; 0 before the first.
        place: where in it; None before the first step.
        reason: why there, if not simply because the way ended there.
        text: all of this in words.
    """

    step: int
    place: Place | None
    reason: str
    text: str

    def __repr__(self) -> str:
        return self.text


class Session:
    """A debugger of a training.

    All tensors of a step come from one execution of its compiled program; moving within the step
    only chooses what is looked at.

    Attributes:
        source: where steps come from.
        breakpoints: where to stop.
        displays: expressions shown at each stop.
        typed: the commands that were given, if it is led by commands.
    """

    def __init__(
        self,
        source: Source,
        draw: Draw | None = None,
        *,
        notify: Notify | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Begin before the first step.

        Args:
            source: where steps come from.
            draw: makes the picture of the graph, as SVG with a node marked.
            notify: told beforehand how long it takes to compute many steps again.
            progress: then entered, and told how many of them are done, and how many there are.
        """
        self.source = source
        self.breakpoints = Breakpoints()
        self.displays: dict[int, Expression] = {}
        self.typed: list[str] = []
        self._draw = draw
        self._notify: Notify = notify or (lambda _: None)
        self._progress: Progress = progress or _no_progress
        self._numbered = 0
        self._tensors: StepTensors | None = None
        self._places: tuple[Place, ...] = ()
        self._index = 0

    def __repr__(self) -> str:
        return self.where()

    @property
    def graph(self) -> OpGraph:
        """The network."""
        return self.source.graph

    @property
    def step_number(self) -> int:
        """The step that is looked at; the one before the first if there is none yet."""
        return self.source.first - 1 if self._tensors is None else self._tensors.step

    @property
    def place(self) -> Place | None:
        """Where in the step; None before the first."""
        return self._places[self._index] if self._places else None

    @property
    def tensors(self) -> StepTensors:
        """All tensors of the step.

        Raises:
            TraceError: no step has been taken yet.
        """
        if self._tensors is None:
            raise TraceError("no step has been taken yet", hint="'step' takes the first one")
        return self._tensors

    @property
    def names(self) -> Names:
        """What an expression may name."""
        return self._recorded_names if self._tensors is None else self._scope().names

    # ---- moving

    def step(self, count: int = 1) -> Stop:
        """Some steps further, or up to a breakpoint."""
        return self._advance(min(self.step_number + _count(count), self.source.last), ())

    def next(self) -> Stop:
        """The next phase of the step; behind the last one the next step."""
        phase = self.tensors and self._here().phase
        for index in range(self._index, len(self._places)):
            if self._places[index].phase != phase:
                return self._at(index)
        return self.step()

    def node(self, name: str | None = None) -> Stop:
        """One node further within the step, or to the next place of a node.

        Behind the last place of the node in this step comes its first one.
        """
        _ = self.tensors
        if name is not None:
            return self._at(self._index_of(name))
        return self._at(self._index + 1) if self._index + 1 < len(self._places) else self.step()

    def proceed(self) -> Stop:
        """To the next breakpoint, or to the last step."""
        return self._advance(self.source.last, ())

    def until(self, condition: str) -> Stop:
        """To the next step in which a condition holds, or a breakpoint."""
        return self._advance(self.source.last, [Breakpoint(0, self._checked(condition))])

    def run(self) -> Stop:
        """From the beginning to the first breakpoint, or to the last step."""
        self._tensors, self._places, self._index = None, (), 0
        return self.proceed()

    def back(self, count: int = 1) -> Stop:
        """Some steps back."""
        before = self.step_number - self.source.first
        if _count(count) > before:
            raise TraceError(f"{count} steps back is too far: this is step {self.step_number}")
        return self.goto(self.step_number - count)

    def goto(self, step: int) -> Stop:
        """To any step, forward or back, whatever the breakpoints say."""
        first, last = self.source.first, self.source.last
        if not first <= step <= last:
            raise TraceError(f"there is no step {step}: {self.source.ending}, the first is {first}")
        return self._land(self.source.at(step))

    # ---- breakpoints and displays

    def break_at(self, condition: str) -> Breakpoint:
        """Stop at every step in which a condition holds, from the next step on."""
        return self.breakpoints.add(self._checked(condition))

    def display(self, expression: str) -> int:
        """Show an expression at every stop; its number."""
        found = self._checked(expression, self.place.node if self.place else None)
        self._numbered += 1
        self.displays[self._numbered] = found
        return self._numbered

    def undisplay(self, number: int) -> None:
        """Show an expression no more."""
        if number not in self.displays:
            known = ", ".join(map(str, self.displays)) or "none"
            raise TraceError(f"there is no display {number}; there are: {known}")
        del self.displays[number]

    # ---- looking

    def value(self, expression: str) -> Any:
        """What an expression comes to in this step: a number, true or false, or an array."""
        return evaluate(parse(expression), self._scope())

    def answer(self, expression: str) -> Answer:
        """The same, with the nodes that its numbers belong to."""
        return answer(parse(expression), self._scope())

    def history(self, expression: str) -> History:
        """A number over all steps: those of a run, or those of a training up to here.

        Raises:
            ExpressionError: it is not a single number at each step.
        """
        parsed = self._checked(expression)
        last = self.step_number if self.source.is_live else self.source.last
        steps = range(self.source.first, last + 1)
        if not steps:
            _ = self.tensors
        if self._tensors is not None:
            number_of(parsed, StepScope(self._tensors))
        needed = [needed_by(parsed, self._recorded_names)]
        with closing(self._walked(steps, needed)) as walked:
            found = {step: number_of(parsed, scope) for step, scope in walked}
        return History(expression, tuple(found), tuple(found.values()))

    def where(self) -> str:
        """Step, phase and node, with what comes before and after it."""
        return show.where_text(self._head(), self.graph, self._places, self.place)

    def neighbours(self) -> str:
        """The node with those that it reads and that read it, and what they hold."""
        return show.neighbours_text(self.graph, self.tensors, self._here())

    def made_here(self) -> list[TensorName]:
        """The tensors that are made at this place."""
        return made_at(self._here(), self.tensors.arrays)

    def picture(self, path: str | Path) -> Path:
        """Draw the graph as an SVG file, with the node marked."""
        if self._draw is None:
            raise TraceError("this session cannot draw")
        node = self.place.node if self.place else None
        write_text(Path(path), self._draw(node))
        return Path(path)

    def save(self, path: str | Path) -> int:
        """Write all tensors of the step as `.npz`; how many."""
        arrays = {str(n): x for n, x in self.tensors.arrays.items() if x is not None}

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        write_atomic(Path(path), write, RunError)
        return len(arrays)

    # ---- changing

    def set_learning_rate(self, rate: float) -> str:
        """Go on with another learning rate from the next step on; what that means."""
        if not is_number(rate) or not 0 < rate < math.inf:
            raise TraceError(f"expected a positive number, received {rate!r}", where="lr")
        self.source, text = self.source.steered(self.step_number, float(rate))
        return text

    # ---- inside

    @cached_property
    def _recorded_names(self) -> Names:
        """What is known without a step; where only some sites are measured, figures alone."""
        found = names_of_survey(self.source.survey)
        return found if self._tells_all else Names({}, found.figures)

    @property
    def _tells_all(self) -> bool:
        measure = self.source.survey.measure
        return measure.sites is None and bool(measure.schedules)

    def _here(self) -> Place:
        _ = self.tensors
        return self._places[self._index]

    def _scope(self) -> StepScope:
        place = self.place
        return StepScope(self.tensors, None if place is None else place.node)

    def _checked(self, text: str, node: str | None = None) -> Expression:
        """An expression whose names are known."""
        parsed = parse(text)
        if self._tensors is not None or self._tells_all:
            _ = list(find_all(parsed, self.names, node))
        return parsed

    def _advance(self, target: int, more: Sequence[Breakpoint]) -> Stop:
        """Up to a step, or the first one before it in which a condition holds."""
        if self.step_number >= self.source.last:
            raise TraceError(self.source.ending, hint="'back' and 'goto' go back")
        seen = self.step_number
        calm = self._tensors is None or math.isfinite(self._loss)
        steps = range(self.step_number + 1, target + 1)
        try:
            for seen, scope in self._scanned(steps, more):
                hits = [x for x in (*more, *self.breakpoints) if x.is_hit(scope)]
                if hits:
                    return self._hit(seen, hits)
                if calm and not math.isfinite(scope.figure("loss")):
                    return self._land(self.source.at(seen), f"the loss is {scope.figure('loss')}")
        except KeyboardInterrupt:
            return self._land(self.source.at(max(seen, self.source.first)), "interrupted")
        reason = f"the end: {self.source.ending}" if seen == self.source.last else ""
        return self._land(self.source.at(seen), reason)

    def _scanned(self, steps: range, more: Sequence[Breakpoint]) -> Generator[tuple[int, Scope]]:
        """Steps with what all conditions need, the last one with everything."""
        names = self._recorded_names
        needed = [needed_by(x.condition, names) for x in (*more, *self.breakpoints)]
        yield from self._walked(steps[:-1], [LOSS, *needed], " at most")
        if steps[-1] <= self.source.last:
            yield steps[-1], StepScope(self.source.at(steps[-1]))

    def _walked(
        self, steps: range, needed: Sequence[Needs | None], bound: str = ""
    ) -> Generator[tuple[int, Scope]]:
        """Steps one after another; where that takes a while it is said beforehand and shown."""
        cost, found = self.source.cost(steps, needed), self.source.scopes(steps, needed)
        is_long = cost.seconds >= PATIENCE
        if is_long:
            self._notify(f"{cost.text(len(steps))}{bound}; Ctrl-C stops it")
        progress = self._progress if is_long else _no_progress
        with closing(found), progress() as on_step:
            for done, one in enumerate(found, 1):
                yield one
                on_step(done, len(steps))

    def _hit(self, step: int, hits: Sequence[Breakpoint]) -> Stop:
        tensors = self.source.at(step)
        for hit in hits:
            self.breakpoints.count(hit)
        reason = "; ".join(hit.title for hit in hits)
        return self._land(tensors, reason, place_of(hits[0].condition, StepScope(tensors)))

    def _land(self, tensors: StepTensors, reason: str = "", place: Place | None = None) -> Stop:
        """Be at a step: at a place, or at its beginning."""
        if self._tensors is None or set(tensors.arrays) != set(self._tensors.arrays):
            self._places = places_of(self.graph.order, tensors)
        self._tensors = tensors
        index = self._places.index(place) if place in self._places else 0
        proved = self.source.is_live or tensors.verified
        is_said = self._places[index].phase == "loss"
        more = "" if is_said else f", loss {show.number_text(self._loss)}"
        return self._at(index, reason, more if proved else f"{more}, not verified")

    def _at(self, index: int, reason: str = "", more: str = "") -> Stop:
        self._index = index
        return Stop(self.step_number, self.place, reason, self._stop_text(reason, more))

    @property
    def _loss(self) -> float:
        return StepScope(self.tensors).figure("loss")

    def _index_of(self, node: str) -> int:
        """The next place of a node in this step."""
        found = [index for index, place in enumerate(self._places) if place.node == node]
        if not found:
            near = suggest(node, self.graph.order) or "'info nodes' lists them"
            raise TraceError(f"there is no node {node!r} in this step", hint=near)
        return next((index for index in found if index > self._index), found[0])

    def _head(self) -> str:
        if self._tensors is None:
            return f"before step {self.source.first} of {self.source.last}"
        return show.head_text(self.graph, self.tensors, self._here(), self.source.last)

    def _stop_text(self, reason: str, more: str) -> str:
        lines = [reason] if reason else []
        lines += [self._head() + more, *show.place_lines(self.tensors, self._here())]
        for number, expression in self.displays.items():
            lines.append(f"{number}: {self._displayed(expression)}")
        return "\n".join(lines)

    def _displayed(self, expression: Expression) -> str:
        try:
            return show.answer_text(str(expression), answer(expression, self._scope()))
        except ExpressionError as error:
            return show.error_text(error)


def _no_progress() -> AbstractContextManager[Callable[[int, int], object]]:
    return nullcontext(lambda _done, _total: None)


def _count(number: int) -> int:
    if number < 1:
        raise TraceError(f"expected a number from 1 on, received {number}")
    return number
