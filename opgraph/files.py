"""Writing files so that a reader sees the old content or the new, never half of it.

The content goes to a temporary name in the same folder, is flushed to disk, and then takes the
place of the old file in one move, which is flushed too. Knows nothing of what is written.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from opgraph.errors import FormatError, OpgraphError

IS_WINDOWS = sys.platform == "win32"
PAUSES = (0.01, 0.05, 0.2, 0.7)
_TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{8}\.tmp")


def write_atomic(
    path: Path, write: Callable[[Path], object], error: type[OpgraphError] = FormatError
) -> None:
    """Let `write` make a file under a temporary name; then flush it and give it its name.

    Missing folders are made. Should anything fail, the temporary file is removed and what stood
    under the name stays.

    Args:
        path: the file to make or to replace.
        write: makes a new file of the name it is handed.
        error: what a full disk, a read-only folder or the like is raised as.

    Raises:
        OpgraphError: of the type `error`; the file cannot be written.
    """
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            flush(temporary)
            _rename(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        flush(path.parent)
    except OSError as problem:
        reason = problem.strerror or problem
        raise error(f"cannot be written: {reason}", where=str(path)) from None


def write_text(path: Path, text: str, error: type[OpgraphError] = FormatError) -> None:
    """Write a text as UTF-8 with its line ends as they are; see `write_atomic`."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"), error)


def write_bytes(path: Path, content: bytes, error: type[OpgraphError] = FormatError) -> None:
    """Write bytes; see `write_atomic`."""
    write_atomic(path, lambda temporary: temporary.write_bytes(content), error)


def is_temporary(name: str) -> bool:
    """Whether a file name is one that `write_atomic` makes: left behind if the process was killed.

    >>> is_temporary(".run.json.0f3a9c21.tmp"), is_temporary("run.json")
    (True, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


def flush(path: Path) -> None:
    """Have the system write a file, or the entries of a folder, to the disk."""
    if path.is_dir() and IS_WINDOWS:
        return  # Windows cannot open a folder, and renames are durable there.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "darwin":
    import fcntl

    def _sync(descriptor: int) -> None:
        """Write through to the disk itself, where `fsync` stops at its cache."""
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # a file system that does not know it
            os.fsync(descriptor)
else:

    def _sync(descriptor: int) -> None:
        os.fsync(descriptor)


def _rename(source: Path, target: Path) -> None:
    """Give a file its name; Windows refuses while somebody has the old one open: try again."""
    for pause in PAUSES if IS_WINDOWS else ():
        with suppress(PermissionError):
            source.replace(target)
            return
        time.sleep(pause)
    source.replace(target)
