"""The structure of a model in a `.keras` file: its `config.json`, and where its weights stand.

The file is a zip archive and untrusted: what is read is bounded, nothing is unpacked to disk, and
no weight is read before it is asked for. Must not know what a configuration means.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.keras_arrays import with_weights
from opgraph.formats.keras_config import read_config
from opgraph.graph import OpGraph

MEMBER = "config.json"
WEIGHTS = "model.weights.h5"
MOST_TIMES_SMALLER = 100
MOST_BYTES = 64 << 20
MOST_MEMBERS = 10_000


def read_keras_file(path: Path) -> OpGraph:
    """The graph of the model in a `.keras` file; its weights wait to be asked for.

    Raises:
        FormatError: it is not such a file, or it is damaged or absurdly large.
    """
    data = keras_file_config(path)
    try:
        return with_weights(read_config(data), path, partial(_opened_weights, path))
    except FormatError as error:
        error.where = f"{path}/{MEMBER}: {error.where}"
        raise


def keras_file_config(path: Path) -> Any:
    """What `config.json` of a `.keras` file holds.

    Raises:
        FormatError: it is not such a file, or it is damaged or absurdly large.
    """
    try:
        return json.loads(_config_text(path))
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{MEMBER} is not JSON: {error}", where=str(path)) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise FormatError(
            f"not a .keras file, which is a zip archive: {error}",
            where=str(path),
            hint="a model in another form needs that form's suffix: .h5, .onnx, .tflite",
        ) from None


def _config_text(path: Path) -> bytes:
    """The bytes of `config.json`, read no further than they may be long."""
    with zipfile.ZipFile(path) as archive:
        if len(archive.namelist()) > MOST_MEMBERS:
            raise FormatError(f"an archive of more than {MOST_MEMBERS:,} files", where=str(path))
        if MEMBER not in archive.namelist():
            raise FormatError(f"an archive without {MEMBER}", where=str(path))
        with archive.open(MEMBER) as member:
            content = member.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise FormatError(f"{MEMBER} is larger than {MOST_BYTES >> 20} MiB", where=str(path))
    return content


@contextmanager
def _opened_weights(path: Path) -> Generator[Any]:
    """The HDF5 file inside the archive, read in place where it is not packed.

    Raises:
        ValueError: there is none, or it is packed absurdly small.
    """
    import h5py

    with path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
        if WEIGHTS not in archive.namelist():
            raise ValueError(f"an archive without {WEIGHTS}")
        entry = archive.getinfo(WEIGHTS)
        if entry.compress_type == zipfile.ZIP_STORED:
            content: io.IOBase = _Window(raw, _start(raw, entry), entry.file_size)
        elif entry.file_size > MOST_TIMES_SMALLER * max(entry.compress_size, 1):
            raise ValueError(f"{WEIGHTS} is packed more than {MOST_TIMES_SMALLER} times smaller")
        else:
            content = io.BytesIO(archive.read(entry))
        with h5py.File(content, "r") as file:
            yield file


def _start(raw: io.BufferedReader, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin: behind its header, its name and its extra field."""
    raw.seek(entry.header_offset + 26)
    lengths = raw.read(4)
    name, extra = (int.from_bytes(lengths[at : at + 2], "little") for at in (0, 2))
    return entry.header_offset + 30 + name + extra


class _Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, raw: io.BufferedReader, start: int, size: int) -> None:
        super().__init__()
        self.raw, self.start, self.size, self.at = raw, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = max(0, offset + (0, self.at, self.size)[whence])
        return self.at

    def readinto(self, buffer: Any) -> int:
        self.raw.seek(self.start + self.at)
        content = self.raw.read(max(0, min(len(buffer), self.size - self.at)))
        buffer[: len(content)] = content
        self.at += len(content)
        return len(content)
