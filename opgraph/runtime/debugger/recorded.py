"""A recorded run as a source of steps: rows are read, tensors are had by replay.

Owns which of the two answers; must not know breakpoints or texts.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.record import Keyframe, Record, StepTensors, Survey
from opgraph.record.expression import (
    Cost,
    Names,
    Needs,
    Scope,
    StepScope,
    cost,
    joined,
    names_of_survey,
    row_scopes,
)
from opgraph.runtime.data import Data
from opgraph.runtime.debugger.live import LiveSource
from opgraph.runtime.debugger.sources import Source, are_recorded
from opgraph.runtime.debugger.steering import prepare_steered
from opgraph.runtime.replay import Replay

CHUNK = 64


class RunSource:
    """A recorded run: rows are read, tensors are had by replay.

    Attributes:
        record: the files of the run.
        replay: what computes its steps again.
    """

    is_live = False

    def __init__(self, record: Record, network: OpGraph, data: Data, **options: Any) -> None:
        """Prepare.

        Args:
            record: the files of the run.
            network: its graph.
            data: its data.
            options: of `Replay`.
        """
        self.record = record
        self.replay = Replay(record, network, data, **options)
        self._network, self._data = network, data
        self._latest: StepTensors | None = None
        steps = record.steps["step"]
        self.first: int = steps[0].as_py() if len(steps) else 1
        self.last = record.last_step
        self._names: Names = names_of_survey(record.survey)

    @property
    def graph(self) -> OpGraph:
        """The network."""
        return self.replay.training.built.graph

    @property
    def survey(self) -> Survey:
        """What is recorded."""
        return self.record.survey

    @property
    def ending(self) -> str:
        """Why there is no step behind the last one."""
        planned, status = self.record.info.config.get("total_steps"), self.record.info.status
        if self.last == planned:
            return f"the run has {self.last} steps"
        return f"the run ({status}) has {self.last} of {planned} steps"

    def at(self, step: int) -> StepTensors:
        """All tensors of a step, computed again and compared with what is recorded."""
        if self._latest is None or self._latest.step != step:
            self._latest = self.replay.at(step)
        return self._latest

    def scopes(self, steps: range, needed: Sequence[Needs | None]) -> Generator[tuple[int, Scope]]:
        """Steps one after another: rows of the record where they will do, else replayed."""
        if not are_recorded(needed, self.survey):
            for tensors in self.replay.walk(steps):
                self._latest = tensors
                yield tensors.step, StepScope(tensors)
            return
        wanted = joined([x for x in needed if x is not None])
        for start in range(steps.start, steps.stop, CHUNK):
            chunk = range(start, min(start + CHUNK, steps.stop))
            yield from sorted(row_scopes(self.record, wanted, self._names, chunk).items())

    def cost(self, steps: range, needed: Sequence[Needs | None]) -> Cost:
        """How many steps are replayed to have these, and about how long that takes."""
        return Cost(0, 0.0) if are_recorded(needed, self.survey) else cost(self.record, steps)

    def steered(self, step: int, rate: float) -> tuple[Source, str]:
        """A training in memory that goes on from a step of the run; the run stays as it is."""
        if step >= int(self.record.info.config["total_steps"]):
            raise TraceError(self.ending, hint="a learning rate holds from the next step on")
        training = prepare_steered(self._network, self._data, self.replay.training.recipe)
        state = self._state_after(step)
        training.restore(state)
        live = LiveSource(training, state, self)
        _, text = live.steered(step, rate)
        words = f"opgraph branch {self.record.path} --step {step} --set lr={rate:g} -o ..."
        return live, f"{text}, in memory only; to record it: {words}"

    def _state_after(self, step: int) -> Keyframe:
        self.replay.go_to(step)
        return self.replay.training.keyframe(step)
