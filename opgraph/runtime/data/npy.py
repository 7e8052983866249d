"""Arrays out of an `.npz` file that nobody vouches for.

Owns the reading of zip members in NumPy's format: types and sizes are checked before anything is
allocated, nothing is unpickled, and no more is unpacked than was declared. Must not know what the
arrays are for.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.memory import size_text
from opgraph.runtime.data.result import Array

MOST_MEMBERS = 1000
LONGEST_HEADER = 10_000
PIECE = 1 << 20
REMAKE = "save it again with numpy.savez"


@dataclass(frozen=True, slots=True)
class Header:
    """What a member says about its array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_columns: bool

    @property
    def bytes(self) -> int:
        """Size of the array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """An open `.npz` file: headers of all arrays, and the arrays one by one."""

    def __init__(self, name: str, file: zipfile.ZipFile) -> None:
        self.name = name
        self.file = file
        self.members = {
            info.filename.removesuffix(".npy"): info
            for info in file.infolist()
            if info.filename.endswith(".npy")
        }

    def header(self, key: str) -> Header:
        """Shape and type of an array, without reading it.

        Raises:
            DataError: the member is damaged, pickled or not an array of numbers or text.
        """
        with self._open(key) as stream:
            return self._header(key, stream)

    def read(self, key: str, most_bytes: int) -> Array:
        """An array.

        Raises:
            DataError: the member is damaged, pickled or larger than allowed.
        """
        with self._open(key) as stream:
            header = self._header(key, stream)
            self._require_size(key, header, most_bytes)
            data = _read_exactly(stream, header.bytes)
            if data is None or stream.read(1):
                raise self._refuse(key, "does not hold as many bytes as it declares", REMAKE)
        order = "F" if header.by_columns else "C"
        return np.frombuffer(data, header.dtype).reshape(header.shape, order=order)

    @contextmanager
    def _open(self, key: str) -> Generator[IO[bytes]]:
        info = self.members[key]
        if info.flag_bits & 1:
            raise self._refuse(key, "is encrypted", REMAKE)
        try:
            with self.file.open(info) as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise self._refuse(
                key, f"is damaged ({error or 'it ends too early'})", REMAKE
            ) from None
        except NotImplementedError as error:
            raise self._refuse(key, f"cannot be unpacked ({error})", REMAKE) from None

    def _header(self, key: str, stream: IO[bytes]) -> Header:
        try:
            version = np.lib.format.read_magic(stream)
            read = _READERS[version]
            shape, by_columns, dtype = read(stream, max_header_size=LONGEST_HEADER)
        except _BAD_HEADER:
            raise self._refuse(key, "is not a NumPy array", REMAKE) from None
        if dtype.hasobject:
            problem = "holds pickled Python objects, which could run any code when loaded"
            raise self._refuse(key, problem, "save plain arrays of numbers (dtype float32, int32)")
        if dtype.kind not in "biufUS" or not dtype.itemsize or any(size < 0 for size in shape):
            raise self._refuse(key, f"holds {dtype} of shape {shape}; numbers are expected", REMAKE)
        return Header(shape, dtype, by_columns)

    def _require_size(self, key: str, header: Header, most_bytes: int) -> None:
        if header.bytes > most_bytes:
            raise self._refuse(
                key,
                f"declares {' x '.join(f'{n:,}' for n in header.shape)} numbers of"
                f" {header.dtype}, {size_text(header.bytes)} in memory; at most"
                f" {size_text(most_bytes)} are allowed",
                "use fewer or smaller examples",
            )
        declared = self.members[key].file_size
        if header.bytes > declared:
            raise self._refuse(
                key,
                f"declares {size_text(header.bytes)}, but the file holds {size_text(declared)}",
                REMAKE,
            )

    def _refuse(self, key: str, problem: str, hint: str) -> DataError:
        return DataError(problem, where=f"{self.name}, {key!r}", hint=hint)


# NumPy parses the text of a header as a Python literal, which fails in many ways.
_BAD_HEADER = (
    *(ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError),
    tokenize.TokenError,
)
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_exactly(stream: IO[bytes], count: int) -> bytearray | None:
    """That many bytes, or None where there are fewer; memory grows only with what is there."""
    data = bytearray()
    while len(data) < count:
        piece = stream.read(min(PIECE, count - len(data)))
        if not piece:
            return None
        data += piece
    return data


@contextmanager
def open_archive(path: str) -> Generator[Archive]:
    """An `.npz` file, open for reading.

    Raises:
        DataError: it is not a zip file, or has too many members.
    """
    try:
        file = zipfile.ZipFile(Path(path))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"is not an .npz file ({error})", where=path, hint=REMAKE) from None
    with file:
        if len(file.infolist()) > MOST_MEMBERS:
            problem = f"holds {len(file.infolist()):,} arrays; at most {MOST_MEMBERS:,} are allowed"
            raise DataError(problem, where=path)
        yield Archive(path, file)
