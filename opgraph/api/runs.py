"""The recorded trainings below a folder: which there are, which to give up.

Owns how runs are chosen; what a run is and what belongs to it is `record`'s to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from opgraph.api.extras import needed_for

if TYPE_CHECKING:
    from opgraph.record import RunSummary

GIVEN_UP = frozenset({"failed", "killed"})


def list_runs(folder: str | Path = "runs") -> list[RunSummary]:
    """The recorded trainings in a folder and below it, newest first.

    Raises:
        RunError: there is no such folder.
    """
    with needed_for("listing runs"):
        from opgraph.record import listing

    return listing.list_runs(Path(folder))


def choose_runs(
    runs: Sequence[RunSummary],
    *,
    keep: int | None = None,
    failed: bool = False,
    older_than: timedelta | None = None,
    now: datetime | None = None,
) -> list[RunSummary]:
    """Those that may be removed: readable, not in use, and all that is asked holds.

    Args:
        runs: the runs, newest first.
        keep: not the newest so many.
        failed: only those that failed or were killed.
        older_than: only those that began longer ago.
        now: the time to reckon from.
    """
    moment = now or datetime.now(UTC)
    tests: list[Callable[[RunSummary], bool]] = [_is_free]
    if keep is not None:
        newest = {run.path for run in runs[:keep]}
        tests.append(lambda run: run.path not in newest)
    if failed:
        tests.append(lambda run: run.status in GIVEN_UP)
    if older_than is not None:
        tests.append(lambda run: run.created is not None and moment - run.created > older_than)
    return [run for run in runs if all(test(run) for test in tests)]


def remove_run(path: str | Path) -> bool:
    """Remove a run; files of others in its directory stay.

    Returns:
        Whether the directory is gone too.

    Raises:
        RunError: it is no run, or a process writes to it.
    """
    with needed_for("removing runs"):
        from opgraph.record import listing

    return listing.remove_run(Path(path))


def drop_keyframes(path: str | Path) -> int:
    """Remove all keyframes of a run but the last; says how many.

    Raises:
        RunError: it is no run, a process writes to it, or the last keyframe is damaged.
    """
    with needed_for("removing keyframes"):
        from opgraph.record import listing

    return listing.drop_keyframes(Path(path))


def _is_free(run: RunSummary) -> bool:
    return run.status != "unreadable" and not run.is_in_use
