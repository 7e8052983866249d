"""One writer for a run directory: a lock that the system takes back when its process ends.

Owns the file `.lock` and what it says of who holds it; knows nothing of what is written beside it.
The file is larger than its text: it holds a little room on the disk, for the last words of a run
that has filled it.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import time
import weakref
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from opgraph.errors import RunError

LOCK_FILE = ".lock"
TRIES, PAUSE = 5, 0.04  # someone may be looking whether the run is in use, just now
MOST_BYTES = 4096
RESERVE = 1 << 16
_FAR = 1 << 30  # Windows locks bytes against reading too: one that lies behind the text
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@dataclass(frozen=True)
class Holder:
    """Who writes to a run: a process, its machine, and since when (UTC)."""

    pid: int | None
    host: str
    since: str

    def __str__(self) -> str:
        if self.pid is None:
            return "another process"
        return f"process {self.pid} on {self.host}, since {self.since},"


class RunLock:
    """The right to write to a run directory, until `release` or the end of the process.

    Attributes:
        path: the lock file.
        notice: says that the file system knows no locks; empty where it does.
    """

    def __init__(self, run: Path) -> None:
        """Take the lock.

        Raises:
            RunError: another process has it, or the file cannot be written.
        """
        self.path = run / LOCK_FILE
        self.notice = ""
        try:
            descriptor = self._acquired()
        except OSError as error:
            raise RunError(f"cannot be written: {error.strerror}", where=str(self.path)) from None
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)

    def free_reserve(self) -> None:
        """Give the room on the disk back that the file holds."""
        if self._close.alive:
            with suppress(OSError):
                os.ftruncate(self._descriptor, MOST_BYTES)

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if not self._close.alive:
            return
        if sys.platform != "win32":
            _remove(self.path)
        self._close()
        if sys.platform == "win32":
            _remove(self.path)

    def _acquired(self) -> int:
        """A descriptor of the locked file, which says who holds it."""
        for attempt in range(TRIES):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if self._is_ours(descriptor):
                    _write_holder(descriptor)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if attempt + 1 < TRIES:
                time.sleep(PAUSE)
        raise in_use(self.path.parent, _read_holder(self.path))

    def _is_ours(self, descriptor: int) -> bool:
        try:
            if not _locked(descriptor):
                return False
        except OSError as error:
            self.notice = f"{self.path}: no lock on this file system: {error.strerror}"
            return True
        # The one before us may have removed the file between our opening and locking it.
        return _same(self.path, descriptor)


def holder(run: Path) -> Holder | None:
    """Who writes to a run directory at this moment; None if nobody does."""
    path = run / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        return None if _locked(descriptor) else _read_holder(path)
    except OSError:
        return None  # the file system knows no locks
    finally:
        os.close(descriptor)


def in_use(run: Path, who: Holder) -> RunError:
    """The refusal of a run directory that someone writes to."""
    return RunError(
        f"in use: {who} writes to it",
        where=str(run),
        hint="wait until it ends, stop it, or choose another directory",
    )


def is_ours(run: Path) -> bool:
    """Whether a lock file of opgraph lies there, held or left behind by a killed process."""
    return _read_holder(run / LOCK_FILE).pid is not None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _locked(descriptor: int) -> bool:
    """Try to lock a file; False if another has it."""
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write_holder(descriptor: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps(asdict(Holder(os.getpid(), platform.node(), now)))
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    with suppress(OSError):  # on a full disk a run may still be removed
        os.write(descriptor, text.encode().ljust(RESERVE))


def _read_holder(path: Path) -> Holder:
    """What a lock file says; it may be empty for a moment, or not be ours."""
    try:
        with path.open("rb") as file:
            data = cast("dict[str, Any]", json.loads(file.read(MOST_BYTES)))
        return Holder(int(data["pid"]), str(data["host"])[:255], str(data["since"])[:40])
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(None, "", "")


def _remove(path: Path) -> None:
    """Remove the file; it does no harm where it stays, as when another holds it on Windows."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
