"""Writing files so that a reader sees the old content or the new, never half of it.

The content goes to a temporary name in the same folder, is flushed to disk, and then takes the
place of the old file in one move. Knows nothing of what is written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from opgraph.errors import FormatError


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8 with its line ends as they are, atomically.

    Raises:
        FormatError: the folder or the file cannot be written.
    """
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, atomically; missing folders are made.

    Raises:
        FormatError: the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise FormatError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The mask of the process; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
