"""Writing files so that a reader, or the next process, never sees half of one.

Owns the temporary name, the flush to disk and the rename; knows nothing about what is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from opgraph.errors import RunError

TEMPORARY = ".tmp"


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file under a temporary name; then flush it and give it its name.

    Should anything fail, the temporary file is removed and what stood under the name stays.

    Raises:
        RunError: the disk is full, the directory read-only, or the like.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        write(temporary)
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        raise RunError(f"cannot be written: {error.strerror or error}", where=str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file, in UTF-8 with Unix line ends, whole or not at all."""
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def flush(path: Path) -> None:
    """Have the system write a file, or the entries of a directory, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a directory, and renames are durable there.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
