"""The runs below a folder: what each is, how large, and removing them.

Owns what counts as a run and which files of it are its own; nothing else is ever removed, and no
symbolic link is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opgraph.errors import RunError
from opgraph.record.directory import REPLACED, remove_tree
from opgraph.record.keyframes import is_keyframe, keyframe_path, keyframe_steps, read_keyframe
from opgraph.record.lock import RunLock, holder
from opgraph.record.parts import is_part
from opgraph.record.reader import Record, open_run
from opgraph.record.resume import leftovers
from opgraph.record.schema import (
    BEST,
    ENTRIES,
    FOLDERS,
    GRAPH_FILE,
    KEYFRAMES,
    RUN_FILE,
    SITES_FILE,
    read_json,
)

BESIDE = ("graph.svg", "run.toml", "report.html")  # what the api writes beside the record


@dataclass(frozen=True)
class RunSummary:
    """A run in one line.

    Attributes:
        path: the run directory.
        name: its path below the folder that was searched.
        status: `running`, `finished`, `interrupted`, `failed`, `unreadable`; or `killed`: it says
            that it is running, but no process writes to it.
        steps: steps whose numbers are on disk; like the following, None if it cannot be read.
        total_steps: steps that were planned, if the run says so.
        accuracy: on the test data, at the end.
        loss: on the test data, at the end.
        keyframes: how many full states are kept.
        bytes: size of the run's own files on disk.
        created: when it began.
        problem: why it cannot be read.
    """

    path: Path
    name: str
    status: str
    steps: int | None = None
    total_steps: int | None = None
    accuracy: float | None = None
    loss: float | None = None
    keyframes: int | None = None
    bytes: int = 0
    created: datetime | None = None
    problem: str | None = None

    @property
    def is_in_use(self) -> bool:
        """Whether a process writes to it at this moment."""
        return holder(self.path) is not None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        created = self.created.isoformat() if self.created else None
        return {**asdict(self), "path": str(self.path), "created": created}


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder and below it, newest first.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError("is no folder", where=str(folder))
    found = [_summary(path, folder) for path in _run_folders(folder)]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda run: (run.created or oldest, run.name), reverse=True)


def remove_run(path: Path) -> bool:
    """Remove a run's own files; `run.json` last, so that what is left counts as a run.

    Returns:
        Whether the directory is gone too: it stays where it holds files of others.

    Raises:
        RunError: it is no run, a process writes to it, or a file cannot be removed.
    """
    lock = _locked_run(path)
    try:
        for file in (*own_files(path), *(path / name for name in (*BESIDE, RUN_FILE))):
            file.unlink(missing_ok=True)
        remove_tree(path / REPLACED)
        for name in (*FOLDERS, BEST):
            _remove_empty(path / name)
    except OSError as error:
        raise _not_removed(path, error) from None
    finally:
        lock.release()
    return _remove_empty(path)


def drop_keyframes(path: Path) -> int:
    """Remove all keyframes of a run but the last, which is what evaluation needs.

    Returns:
        How many were removed.

    Raises:
        RunError: it is no run, a process writes to it, or the last keyframe is damaged.
    """
    lock = _locked_run(path)
    try:
        steps = [] if (path / KEYFRAMES).is_symlink() else keyframe_steps(path)
        if steps:
            read_keyframe(path, steps[-1])
        for step in steps[:-1]:
            keyframe_path(path, step).unlink()
    except OSError as error:
        raise _not_removed(path, error) from None
    finally:
        lock.release()
    return max(0, len(steps) - 1)


def own_files(path: Path) -> Iterator[Path]:
    """The files that a run has written, `run.json` and picture aside; links are not followed."""
    yield from leftovers(path)
    yield from (path / GRAPH_FILE, path / SITES_FILE)
    for name in FOLDERS:
        folder = path / name
        if folder.is_symlink():
            yield folder  # the link, not what it leads to
        elif folder.is_dir() and not folder.parent.is_symlink():
            known = is_keyframe if folder.name == KEYFRAMES else is_part
            yield from [file for file in folder.iterdir() if known(file.name)]


def _run_folders(folder: Path) -> Iterator[Path]:
    for base, names, files in os.walk(folder):
        path = Path(base)
        if RUN_FILE in files and not (path / RUN_FILE).is_symlink() and _is_run(path):
            names[:] = [name for name in names if name not in (*ENTRIES, REPLACED)]
            yield path
        names.sort()


def _is_run(path: Path) -> bool:
    """Whether `run.json` is one of opgraph, or was before it was damaged."""
    try:
        return "opgraph_run" in read_json(path / RUN_FILE, "")
    except RunError:
        return (path / SITES_FILE).is_file()


def _summary(path: Path, folder: Path) -> RunSummary:
    name = path.relative_to(folder).as_posix() if path != folder else path.name or str(path)
    try:
        return _readable(open_run(path), name)
    except RunError as error:
        problem, size = error.headline, disk_size(path)
        return RunSummary(path, name, "unreadable", bytes=size, problem=problem)


def _readable(record: Record, name: str) -> RunSummary:
    info, path = record.info, record.path
    test = info.outcome.get("test")
    tested = test if isinstance(test, dict) else {}
    killed = info.status == "running" and holder(path) is None
    return RunSummary(
        path,
        name,
        "killed" if killed else info.status,
        record.last_step,
        _whole(info.config.get("total_steps")),
        _number(tested.get("accuracy")),
        _number(tested.get("loss")),
        len(record.keyframe_steps),
        disk_size(path),
        _moment(info.created),
    )


def disk_size(path: Path) -> int:
    """Bytes of a run's own files."""
    files = (*own_files(path), *(path / name for name in (*BESIDE, RUN_FILE)))
    return sum(file.lstat().st_size for file in files if file.is_symlink() or file.is_file())


def _locked_run(path: Path) -> RunLock:
    """Take hold of a run that is going to be changed."""
    if path.is_symlink() or (path / RUN_FILE).is_symlink():
        raise RunError("is a link; nothing is removed through links", where=str(path))
    open_run(path)
    return RunLock(path)


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _not_removed(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot be removed: {error.strerror}", where=error.filename or str(path))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
