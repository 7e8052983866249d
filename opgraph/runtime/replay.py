"""Any step of a recorded training again, proved to be the one that was recorded.

Restores the nearest keyframe before the step, takes the steps from there on, and compares their
numbers with those on disk, bit for bit. Owns the way to a step and the proof; must not know what is
done with the tensors, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import tensorflow as tf

from opgraph.errors import OpgraphError, RunError
from opgraph.graph import OpGraph
from opgraph.record import (
    Array,
    Record,
    StepRow,
    StepTensors,
    compare_rows,
    graph_problem,
    make_tables,
    output_name,
)
from opgraph.runtime.data import Data
from opgraph.runtime.environment import adopt_threads, differences
from opgraph.runtime.failures import FAILURES, explain
from opgraph.runtime.recipe import Recipe
from opgraph.runtime.tracing import recipe_of
from opgraph.runtime.training import Measured, Training, dtype_policy, prepare

ROWS = 64  # steps on the way that are compared at once
Notify = Callable[[str], object]


class Replay:
    """A recorded training that can be taken to any of its steps.

    Attributes:
        record: the run.
        training: the training, made once; its model is in the state after `position`.
        position: the step that was taken last; None where that is not known.
        unverified: whether tensors are handed over that differ from the record.
        difference: where a step came out different first; None as long as none did.
    """

    def __init__(
        self,
        record: Record,
        network: OpGraph,
        data: Data,
        *,
        unverified: bool = False,
        notify: Notify | None = None,
    ) -> None:
        """Build the network again; no step is taken yet.

        Args:
            record: the run.
            network: its graph.
            data: what it was trained on.
            unverified: hand over tensors even if they differ from the record; they say so.
            notify: told what the user should know, one line each.

        Raises:
            RunError: the run cannot be replayed, or was recorded with other data.
        """
        recipe = replayed_recipe(record, data)
        adopt_threads(record.info.threads)
        self.record = record
        self.unverified = unverified
        self.difference: RunError | None = None
        self.position: int | None = None
        self._notify: Notify = notify or (lambda _: None)
        for line in differences(record.info):
            self._notify(f"the run was recorded otherwise: {line}")
        self.training: Training = self._prepared(network, data, recipe)
        if self.training.survey != record.survey:
            raise RunError(
                "this opgraph measures other sites or quantities than the run did",
                where=str(record.path),
                hint=f"the run was made by opgraph {record.info.versions.get('opgraph', '?')}",
            )

    def __repr__(self) -> str:
        return f"Replay({str(self.record.path)!r}, at step {self.position})"

    def at(self, step: int) -> StepTensors:
        """Everything that a step computed.

        Raises:
            RunError: there is no such step, or it cannot be reached, or it comes out different.
        """
        return next(self.walk([step]))

    def walk(self, steps: Iterable[int]) -> Iterator[StepTensors]:
        """Everything that some steps computed, in their order, in one pass.

        Raises:
            RunError: there is no such step, or it cannot be reached, or it comes out different.
        """
        wanted = sorted(set(steps))
        for step in (*wanted[:1], *wanted[-1:]):
            self.record.check_step(step)
        while wanted:
            self.go_to(wanted[0] - 1)
            together = self._together(wanted)
            for measured in self._taken(together[-1], frozenset(together)):
                if measured.tensors is not None:
                    verified = self.difference is None
                    yield replace(measured.tensors, verified=verified)
            wanted = wanted[len(together) :]

    def go_to(self, step: int) -> None:
        """Bring the model into the state after a step; 0 is the beginning.

        Raises:
            RunError: there is no such step, or it cannot be reached, or it comes out different.
        """
        if step != self.record.info.first_step:
            self.record.check_step(step)
        if not self._is_near(step):
            self._restore(step)
        for _ in self._taken(step, frozenset()):
            pass

    def example_losses(self, tensors: StepTensors) -> dict[str, Array]:
        """The loss of each example of a step by itself, by output.

        Computed from the outputs afterwards: their mean is the loss of the step but for rounding,
        and regularisation.
        """
        found: dict[str, Array] = {}
        for head, labels in zip(self.training.objective.heads, tensors.labels, strict=True):
            output = tensors.find(*output_name(head.endpoint.node, head.endpoint.port))
            found[head.name] = head.each(tf.constant(labels), tf.constant(output)).numpy()
        return found

    def distance(self, step: int) -> int:
        """How many steps have to be taken to have the tensors of one."""
        start = self._keyframe_step(step - 1)
        if self.position is not None and start <= self.position < step:
            start = self.position
        return step - start

    def _prepared(self, network: OpGraph, data: Data, recipe: Recipe) -> Training:
        try:
            return prepare(network, data, recipe)
        except OpgraphError as error:
            if not self.unverified or recipe.statistics != "kernel":
                raise
            self._notify(f"{error.headline}; statistics are made by TensorFlow's ops instead")
            return prepare(network, data, replace(recipe, statistics="tensorflow"))

    def _keyframe_step(self, at_most: int) -> int:
        return max((s for s in self.record.keyframe_steps if s <= at_most), default=-1)

    def _is_near(self, step: int) -> bool:
        """Whether the way on from here is not longer than that from a keyframe."""
        position = self.position
        return position is not None and self._keyframe_step(step) <= position <= step

    def _together(self, wanted: Sequence[int]) -> list[int]:
        """The first steps among these that are reached without a keyframe in between."""
        found = [wanted[0]]
        for step in wanted[1:]:
            if self._keyframe_step(step - 1) > found[-1]:
                break
            found.append(step)
        return found

    def _restore(self, step: int) -> None:
        self.position = None
        keyframe, notices = self.record.keyframe_at_most(step)
        for line in notices:
            self._notify(line)
        if keyframe is None:
            raise RunError(
                f"has no keyframe that can be read at or before step {step}",
                where=str(self.record.path),
                hint="the state before the first step is kept unless it was removed",
            )
        self.training.restore(keyframe)
        self.position, self.difference = keyframe.step, None

    def _taken(self, last: int, fetch: frozenset[int]) -> Iterator[Measured]:
        """Take the steps up to one; those whose tensors are fetched are compared when they come."""
        rows: list[StepRow] = []
        while self.position is not None and self.position < last:
            with closing(self._turns(self.position + 1, fetch)) as turns:
                for measured in turns:
                    rows.append(measured.row)
                    step = measured.step
                    if step in fetch or step == last or len(rows) == ROWS:
                        self._compare(rows)
                        rows = []
                    self.position = step
                    yield measured
                    if step == last:
                        return

    def _turns(self, first: int, fetch: frozenset[int]) -> Generator[Measured]:
        """Take the steps from one on; while one is taken, the state is not known."""
        done = first - 1
        with closing(cast("Any", self.training.run(first, fetch=fetch))) as turns:
            self.position = None
            try:
                for measured in turns:
                    done = measured.step
                    yield measured
                    self.position = None
            except FAILURES as error:
                raise explain(error, self.training.built, done + 1, is_kept=False) from error
        self.position = done

    def _compare(self, rows: Sequence[StepRow]) -> None:
        """See that steps came out as they were recorded; once they did not, none does."""
        if self.difference is not None:
            return
        try:
            compare_rows(self.record, make_tables(self.training.survey, rows))
        except RunError as error:
            self.difference = _explained(error, self.record)
            if not self.unverified:
                raise self.difference from None
            self._notify(f"NOT VERIFIED: {self.difference.headline}")


def replayed_recipe(record: Record, data: Data) -> Recipe:
    """How the training is made again.

    Raises:
        RunError: it cannot be.
    """
    info, where = record.info, str(record.path)
    if info.schema == 1:
        raise RunError(
            "the run is of schema version 1; it can be read, not replayed",
            where=where,
            hint="train again",
        )
    recipe = recipe_of(info, has_data=True)
    problem = graph_problem(record)
    if problem is not None:
        raise problem
    if not record.keyframe_steps:
        raise RunError("the run has no keyframe, so no step can be had again", where=where)
    known = info.data.get("fingerprint")
    if data.fingerprint != known:
        raise RunError(
            f"the data have changed: their fingerprint is {data.fingerprint}, it was {known}",
            where=where,
            hint="steps can be replayed only with the data they were trained on",
        )
    if dtype_policy(recipe) != info.dtype_policy:
        raise RunError(
            f"the run was trained with Keras's policy {info.dtype_policy!r}, this process has"
            f" {dtype_policy(recipe)!r}",
            where=where,
            hint=f"keras.config.set_dtype_policy({info.dtype_policy!r})",
        )
    # The weights to start from are in the first keyframe.
    return replace(recipe, weights=None, statistics=cast("Any", info.statistics))


def _explained(error: RunError, record: Record) -> RunError:
    """The same difference, with the likely reason."""
    found = differences(record.info)
    reason = f"likely reason: {'; '.join(found)}" if found else (
        "nothing that run.json tells differs from this process; was the run altered?"
    )  # fmt: skip
    return RunError(error.problem, where=error.where, node=error.node, hint=reason)
