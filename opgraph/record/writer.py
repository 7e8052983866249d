"""Writing a run: rows are gathered and written in parts, each whole or not at all.

Owns the directory while a training runs; a thread does the writing. A killed process loses at most
the rows that are not yet on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opgraph.errors import OpgraphError, RunError
from opgraph.files import write_text
from opgraph.record.background import MOST_BYTES, Background
from opgraph.record.directory import take
from opgraph.record.keyframes import Keyframe, drop_keyframe, keyframe_steps, write_keyframe
from opgraph.record.lock import RunLock
from opgraph.record.parts import write_part
from opgraph.record.reader import Record, open_run
from opgraph.record.resume import clean, compare_rows, plan_resumption
from opgraph.record.schema import BEGINNING, GRAPH_FILE, RUN_FILE, RunInfo, dump_json
from opgraph.record.sites import write_survey
from opgraph.record.survey import Survey
from opgraph.record.tables import StepRow, make_tables
from opgraph.record.thinning import KeyframePolicy

PART_STEPS = 100
PART_BYTES = 16 << 20


class RunWriter:
    """Writes one run; use as a context manager, or call `end`.

    `add` and `keyframe` hand over to a thread and return; they wait only while too much is waiting.
    What goes wrong in the thread is raised by the next call.

    Attributes:
        path: the run directory.
        info: what `run.json` says by now.
        start: the keyframe that a resumed run goes on from; None in a new run.
        notices: what the user should know, one line each.
    """

    def __init__(
        self,
        path: Path,
        info: RunInfo,
        graph: Mapping[str, Any],
        survey: Survey,
        *,
        overwrite: bool = False,
        part_steps: int = PART_STEPS,
        policy: KeyframePolicy | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Begin a new run.

        Args:
            path: the run directory.
            info: what `run.json` says.
            graph: the graph, as JSON data.
            survey: what is measured where and when.
            overwrite: replace a run that the directory holds.
            part_steps: rows of a part.
            policy: how many keyframes are kept.
            most_bytes: memory that rows and keyframes may take while they wait to be written.

        Raises:
            RunError: the directory cannot take a run, or someone else writes to it.
        """
        lock = take(path, overwrite=overwrite)
        try:
            write_text(path / GRAPH_FILE, dump_json(graph), RunError)
            write_survey(path, survey)
            write_text(path / RUN_FILE, dump_json(info.as_dict()), RunError)
        except BaseException:
            _withdraw(path)
            lock.release()
            raise
        self._begin(path, info, survey, lock, part_steps, policy, most_bytes)

    @classmethod
    def resume(
        cls,
        path: Path,
        survey: Survey | None = None,
        *,
        extend: bool = False,
        config: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        part_steps: int = PART_STEPS,
        policy: KeyframePolicy | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> Self:
        """Take up a run that was interrupted, killed or failed.

        The training goes on from the keyframe `start`. Rows that are on disk already are compared
        with those that are added again; rows beyond them are appended.

        Args:
            path: the run directory.
            survey: what the training measures; refused if the run measured something else.
            extend: take a finished run, too, to train for more steps.
            config: the configuration from now on; the run's own when left out.
            versions: of the software, noted in `run.json`.
            part_steps: rows of a part.
            policy: how many keyframes are kept.
            most_bytes: memory that rows and keyframes may take while they wait to be written.

        Raises:
            RunError: there is no run, someone writes to it, it is finished, it cannot go on.
        """
        open_run(path)
        lock = RunLock(path)
        try:
            record = open_run(path)
            found = plan_resumption(record, survey, extend=extend)
            clean(found)
            versions = record.info.versions if versions is None else versions
            entry = _resumption_entry(found.start.step, found.last_step, versions)
            info = _resumed(record.info, config, entry)
            write_text(path / RUN_FILE, dump_json(info.as_dict()), RunError)
            survey = survey or record.survey
        except BaseException:
            lock.release()
            raise
        writer = cls.__new__(cls)
        writer._begin(path, info, survey, lock, part_steps, policy, most_bytes)
        writer.start = found.start
        writer.notices += found.notices
        writer._added = found.start.step
        writer._last_stored, writer._next_part = found.last_step, found.next_part
        writer._record = record
        return writer

    def _begin(
        self,
        path: Path,
        info: RunInfo,
        survey: Survey,
        lock: RunLock,
        part_steps: int,
        policy: KeyframePolicy | None,
        most_bytes: int,
    ) -> None:
        self.path = path
        self.info = info
        self.start: Keyframe | None = None
        self.notices: list[str] = [lock.notice] if lock.notice else []
        self._survey = survey
        self._lock = lock
        self._part_steps = part_steps
        self._policy = policy or KeyframePolicy()
        self._background = Background(most_bytes)
        self._rows: list[StepRow] = []
        self._bytes = 0
        self._added = 0  # the last step that was added
        self._last_stored, self._next_part = 0, 0  # the thread's, while it works
        self._record: Record | None = None
        self._failure: RunError | None = None
        self._ended = False

    @property
    def last_stored(self) -> int:
        """The last step whose numbers are safely on disk."""
        return self._last_stored

    def add(self, row: StepRow) -> None:
        """Take the numbers of one step.

        Raises:
            RunError: what was added before cannot be written, or a resumed run comes out different.
        """
        step = int(row.host["step"])
        if step <= self._added:
            raise RunError(f"step {step} after step {self._added}", where=str(self.path))
        self._added = step
        self._rows.append(row)
        self._bytes += row.packed.nbytes
        if len(self._rows) >= self._part_steps or self._bytes >= PART_BYTES:
            self._hand_over()
        self._raise_failure()

    def flush(self) -> None:
        """Write what has been gathered; returns when all of it is on disk.

        Raises:
            RunError: it cannot be written.
        """
        self._hand_over()
        self._background.drain()
        self._raise_failure()

    def keyframe(self, keyframe: Keyframe) -> None:
        """Take a keyframe; it is written after the rows that lead up to it.

        Raises:
            RunError: what was handed over before cannot be written.
        """
        self._hand_over()
        self._background.put(lambda: self._store_keyframe(keyframe), keyframe.size)
        self._raise_failure()

    def end(self, info: RunInfo) -> None:
        """Write the last part, and how it ended; then let go of the directory.

        Raises:
            RunError: it cannot be written, unless an earlier call has said so.
        """
        if self._ended:
            return
        self._ended = True
        told = self._failure is not None
        try:
            self._hand_over()
            self._background.drain()
            failure = self._find_failure()
            if failure is None:
                self.info = info
                self._write_info()
                return
            self._write_failed(info, failure)
            if not told:
                raise failure
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End a run that was not ended: `interrupted` by Ctrl-C, else `failed`."""
        if self._ended:
            return
        if error is None:
            reason = "the writer was left before the run had ended"
        else:
            reason = error.headline if isinstance(error, OpgraphError) else repr(error)
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.end(self.info.ended(status, steps=self._added, error=reason))

    def _hand_over(self) -> None:
        if self._rows:
            rows = tuple(self._rows)
            self._background.put(lambda: self._store(rows), self._bytes)
            self._rows, self._bytes = [], 0

    def _store(self, rows: Sequence[StepRow]) -> None:
        """In the thread: compare rows that are on disk already, write the others as a part."""
        known = [row for row in rows if row.host["step"] <= self._last_stored]
        fresh = rows[len(known) :]
        if known:
            record = self._record or open_run(self.path)
            compare_rows(record, make_tables(self._survey, known))
        if fresh:
            write_part(self.path, self._next_part, make_tables(self._survey, fresh))
            self._next_part += 1
            self._last_stored = int(fresh[-1].host["step"])

    def _store_keyframe(self, keyframe: Keyframe) -> None:
        """In the thread: write a keyframe; only then give up those that are too many."""
        write_keyframe(self.path, keyframe)
        for step in self._policy.superfluous(keyframe_steps(self.path)):
            drop_keyframe(self.path, step)

    def _raise_failure(self) -> None:
        failure = self._find_failure()
        if failure is not None:
            raise failure

    def _find_failure(self) -> RunError | None:
        """What went wrong in the thread; the first time it is noted in `run.json`, too."""
        error = self._background.error
        if error is not None and self._failure is None:
            self._failure = error if isinstance(error, RunError) else self._unforeseen(error)
            self._write_failed(self.info, self._failure)
        return self._failure

    def _unforeseen(self, error: BaseException) -> RunError:
        failure = RunError(
            f"cannot be written: {type(error).__name__}: {error}", where=str(self.path)
        )
        failure.__cause__ = error
        return failure

    def _write_failed(self, info: RunInfo, failure: RunError) -> None:
        """Note the failure, if the disk lets us."""
        stored = self._last_stored
        self.info = info.ended("failed", error=failure.headline, steps_on_disk=stored)
        self._lock.free_reserve()
        with suppress(RunError):
            self._write_info()

    def _write_info(self) -> None:
        write_text(self.path / RUN_FILE, dump_json(self.info.as_dict()), RunError)


def _withdraw(path: Path) -> None:
    """Remove what a run that could not begin has left."""
    if not (path / RUN_FILE).exists():
        for name in BEGINNING:
            with suppress(OSError):
                (path / name).unlink()


def _resumption_entry(
    from_step: int, last_step: int, versions: Mapping[str, str]
) -> dict[str, Any]:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    found = {"when": when, "from_step": from_step, "last_step": last_step}
    return {**found, "versions": dict(versions)}


def _resumed(info: RunInfo, config: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> RunInfo:
    chosen = info.config if config is None else config
    resumptions = (*info.resumptions, entry)
    return replace(info, config=chosen, status="running", outcome={}, resumptions=resumptions)
