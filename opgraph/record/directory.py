"""A run directory before it is written to: is it free, may it be cleared, who has it.

Owns what is removed when a run is replaced; files of others are left alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from opgraph.errors import RunError
from opgraph.record.lock import RunLock, holder, in_use, is_ours
from opgraph.record.schema import BEGINNING, ENTRIES, RUN_FILE, read_info

REPLACED = ".replaced"


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a directory that cannot take a run; nothing is changed yet.

    Raises:
        RunError: it holds a run and `overwrite` is not set, someone writes to it, or something is
            in the way.
    """
    try:
        who = holder(path)
        if who is not None:
            raise in_use(path, who)
        _check_entries(path, overwrite)
    except OSError as error:
        raise RunError(f"cannot be made: {error.strerror}", where=str(path)) from None


def take(path: Path, *, overwrite: bool) -> RunLock:
    """Make a directory for a run, or clear it of the run it holds, and lock it.

    Raises:
        RunError: as `check_free`; nothing is changed then.
    """
    check_free(path, overwrite=overwrite)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot be made: {error.strerror}", where=str(path)) from None
    lock = RunLock(path)
    try:
        _check_entries(path, overwrite)  # another may have been faster
        _clear(path)
    except BaseException:
        lock.release()
        raise
    return lock


def _check_entries(path: Path, overwrite: bool) -> None:
    if path.exists() and not path.is_dir():
        raise RunError("is a file, not a directory for a run", where=str(path))
    if (path / RUN_FILE).exists():
        if not overwrite:
            raise RunError(
                "holds a run already",
                where=str(path),
                hint="choose another directory, or allow it to be replaced (--overwrite)",
            )
        read_info(path)
        return
    in_the_way = [name for name in ENTRIES if (path / name).exists()]
    if in_the_way and not (is_ours(path) and set(in_the_way) <= set(BEGINNING)):
        raise RunError(
            f"holds {', '.join(map(repr, in_the_way))} but no run.json, so it is no run of opgraph",
            where=str(path),
            hint="choose another directory, or remove these",
        )


def _clear(path: Path) -> None:
    """Remove a run, and nothing else; until the last moment the directory counts as a run."""
    trash = path / REPLACED
    try:
        for name in ENTRIES:
            if (path / name).exists():
                trash.mkdir(exist_ok=True)
                target = trash / name
                remove_tree(target)
                (path / name).rename(target)
        remove_tree(trash)
    except OSError as error:
        raise RunError(f"cannot be cleared: {error.strerror}", where=str(path)) from None


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all it holds; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
