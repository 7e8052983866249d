"""A training that goes on in memory, able to go back.

Owns moving it to any step: forward by computing, back by restoring a state and computing again;
must not know breakpoints or texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from statistics import median
from typing import Any

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.record import Keyframe, StepTensors, Survey
from opgraph.record.expression import Cost, Needs, Scope, StepScope, names_of_survey
from opgraph.runtime.debugger.snapshots import Snapshots
from opgraph.runtime.debugger.sources import Source, are_recorded
from opgraph.runtime.debugger.steering import steer
from opgraph.runtime.failures import FAILURES, explain
from opgraph.runtime.training import Training


class LiveSource:
    """A training that goes on in memory.

    States are kept every so many steps; going back restores one and computes the steps behind it
    again, which gives the same bits.

    Attributes:
        training: network, data and compiled step.
        first: the first step.
        last: the last step; less than planned once a controller has ended the training.
    """

    is_live = True

    def __init__(
        self, training: Training, start: Keyframe | None = None, before: Source | None = None
    ) -> None:
        """Begin.

        Args:
            training: its model is in the state of `start`.
            start: the state to begin from; that before the first step when left out.
            before: who knows the steps up to there.
        """
        self.training = training
        self.last = training.total_steps
        self._snapshots = Snapshots(start or training.keyframe(0))
        self._before = before
        self._names = names_of_survey(training.survey)
        self.first = 1 if before is None else before.first
        self._rates: dict[int, float] = {}
        self._done: int | None = self._snapshots.first
        self._turns: Any = None
        self._fetched: set[int] = set()
        self._latest: StepTensors | None = None
        self._reached = self._snapshots.first
        self._times: deque[float] = deque(maxlen=64)

    @property
    def graph(self) -> OpGraph:
        """The network."""
        return self.training.built.graph

    @property
    def survey(self) -> Survey:
        """What is measured."""
        return self.training.survey

    @property
    def ending(self) -> str:
        """Why there is no step behind the last one."""
        early = self.last < self.training.total_steps
        return f"early stopping ends the training after step {self.last}" if early else (
            f"the training has {self.last} steps"
        )  # fmt: skip

    def at(self, step: int) -> StepTensors:
        """All tensors of a step.

        Raises:
            TraceError: TensorFlow failed, or early stopping ended the training before.
        """
        if self._before is not None and step <= self._snapshots.first:
            return self._before.at(step)
        if self._latest is None or self._latest.step != step:
            self._move(step - 1)
            self._latest = self._take(step, full=True)
        return self._latest

    def scopes(self, steps: range, needed: Sequence[Needs | None]) -> Generator[tuple[int, Scope]]:
        """Steps one after another; without their tensors where what is measured will do."""
        full = not are_recorded(needed, self.survey)
        known = range(steps.start, min(steps.stop, self._snapshots.first + 1))
        if self._before is not None and known:
            yield from self._before.scopes(known, needed)
        for step in range(max(steps.start, self._snapshots.first + 1), steps.stop):
            if step > self.last:
                return
            if full:
                yield step, StepScope(self.at(step))
            else:
                self._move(step - 1)
                scope = StepScope(self._take(step, full=False))
                scope.names = self._names
                yield step, scope

    def cost(self, steps: range, needed: Sequence[Needs | None]) -> Cost:
        """How many of these steps are taken again, and about how long that takes."""
        start = self._snapshots.first + 1
        count = len(range(max(steps.start, start), min(steps.stop, self._reached + 1)))
        own = Cost(count, count * median(self._times) if self._times else 0.0)
        if self._before is None:
            return own
        earlier = self._before.cost(range(steps.start, min(steps.stop, start)), needed)
        return Cost(own.steps + earlier.steps, own.seconds + earlier.seconds)

    def steered(self, step: int, rate: float) -> tuple[Source, str]:
        """Go on from a step with another learning rate; what came after it is forgotten."""
        if self._before is not None and step < self._snapshots.first:
            return self._before.steered(step, rate)
        if step >= self.training.total_steps:
            raise TraceError(self.ending, hint="a learning rate holds from the next step on")
        self._rates = {n: x for n, x in self._rates.items() if n < step} | {step: rate}
        self._snapshots.drop_after(step)
        self._reached = min(self._reached, step)
        self._close()
        self.last = self.training.total_steps
        if self._done is None or self._done > step:
            self._done = None
        if self._latest is not None and self._latest.step > step:
            self._latest = None
        return self, f"from step {step + 1} on the learning rate is {rate:g}: a branch begins there"

    def _move(self, step: int) -> None:
        """Be in the state after a step."""
        if (
            self._done is None
            or self._done > step
            or self._snapshots.before(step).step > self._done
        ):
            self._restore(self._snapshots.before(step))
        while (done := self._known()) < step:
            self._take(done + 1, full=False)

    def _restore(self, keyframe: Keyframe) -> None:
        self._close()
        self.training.restore(keyframe)
        earlier = [n for n in self._rates if n < keyframe.step]
        steer(self.training, self._rates[max(earlier)] if earlier else None)
        self._done = keyframe.step

    def _take(self, step: int, *, full: bool) -> StepTensors:
        """The step behind the state that the model is in; without its tensors if not `full`."""
        if step > self.last:
            raise TraceError(self.ending)
        if step - 1 in self._rates:
            steer(self.training, self._rates[step - 1])
        if self._turns is None:
            self._turns = self.training.run(step, fetch=self._fetched)
        self._fetched.clear()
        if full:
            self._fetched.add(step)
        self._done = None  # whatever interrupts the step leaves a state that is no longer known
        try:
            measured = next(self._turns)
        except FAILURES as error:
            raise explain(error, self.training.built, step, is_kept=False) from error
        if measured.is_last:
            self.last = step
        self._done = step
        if self._snapshots.wants(step):
            self._snapshots.add(self.training.keyframe(step))
        row = measured.row
        self._reached = max(self._reached, step)
        self._times.append(row.host["step_time"])
        return measured.tensors or StepTensors(step, {}, (), (), row.packed, row.layout)

    def _known(self) -> int:
        assert self._done is not None
        return self._done

    def _close(self) -> None:
        if self._turns is not None:
            self._turns.close()
        self._turns = None
