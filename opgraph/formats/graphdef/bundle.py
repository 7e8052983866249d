"""The variables of a SavedModel: where each stands in the data files, read when asked for.

An index in the table format of LevelDB says for each key which type, shape, file and offset; see
`tensorflow/core/util/tensor_bundle` and LevelDB's `doc/table_format.md`. Neither is needed here.
What is read is untrusted: every length is held against what is there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opgraph.errors import FormatError
from opgraph.formats.graphdef.messages import inside, new_entry, new_object_graph, parse_errors
from opgraph.formats.graphdef.statics import NUMPY_DTYPES, shape_of

MOST_INDEX = 256 << 20
MAGIC = 0xDB4775248B80FB57
FOOTER = 48
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
STRING = 7


@dataclass(frozen=True)
class Entry:
    """An array of a SavedModel.

    Attributes:
        key: what the index calls it.
        dtype: number of the type.
        shape: of the array.
        path: the file that it stands in.
        offset: where it begins there.
        size: in bytes.
    """

    key: str
    dtype: int
    shape: tuple[int, ...]
    path: Path
    offset: int
    size: int

    def read(self) -> NDArray[Any]:
        """The array, mapped into memory.

        Raises:
            FormatError: the file is shorter than the index says, or the type has no numbers.
        """
        kind = NUMPY_DTYPES.get(self.dtype)
        if kind is None or self.size != math.prod(self.shape) * np.dtype(kind).itemsize:
            raise FormatError(f"{self.key!r} is no array of numbers", where=str(self.path))
        dtype = np.dtype(kind).newbyteorder("<")
        if not self.size:
            return np.zeros(self.shape, dtype)
        try:
            return np.memmap(self.path, dtype, "r", self.offset, self.shape)
        except (OSError, OverflowError, ValueError) as error:
            problem = f"{self.key!r} cannot be read: {error}"
            raise FormatError(problem, where=str(self.path)) from None


def variables(folder: Path) -> dict[str, list[Entry]]:
    """The arrays of a SavedModel by the full name of their variable; Keras writes some twice.

    Raises:
        FormatError: the index is damaged, or a data file is a link that leads elsewhere.
    """
    path = folder / "variables" / "variables.index"
    if not path.exists():
        return {}
    content = _content(inside(folder, path))
    try:
        entries = dict(_entries(content, folder))
        names = _full_names(entries[OBJECTS]) if OBJECTS in entries else {}
    except (IndexError, ValueError, OSError, struct.error, *parse_errors()) as error:
        raise FormatError(f"a damaged index of variables: {error}", where=str(path)) from None
    return {name: [entries[k] for k in keys if k in entries] for name, keys in names.items()}


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_INDEX + 1)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not FOOTER <= len(content) <= MOST_INDEX:
        raise FormatError("no index of variables", where=str(path))
    return content


def _entries(content: bytes, folder: Path) -> Iterator[tuple[str, Entry]]:
    """All arrays of an index."""
    records = dict(_records(content))
    header = new_entry()
    header.ParseFromString(records.pop(b"", b""))
    shards = max(1, int(header.dtype))  # the number of files has the number that types have
    for raw, value in records.items():
        entry = new_entry()
        entry.ParseFromString(value)
        key, shape = raw.decode("utf-8"), shape_of(entry.shape)
        if shape is None or entry.slices or not 0 <= entry.shard_id < shards:
            continue
        name = f"variables.data-{entry.shard_id:05}-of-{shards:05}"
        path = inside(folder, folder / "variables" / name)
        yield key, Entry(key, entry.dtype, shape, path, int(entry.offset), int(entry.size))


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = content[-FOOTER:]
    if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("it does not end as one")
    at = _varint(footer, _varint(footer, 0)[1])[1]  # behind the handle of the meta index
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    for _, handle in _block(content, offset, size):
        start, at = _varint(handle, 0)
        yield from _block(content, start, _varint(handle, at)[0])


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key is written as what differs from the one before."""
    if offset + size + 1 > len(content):
        raise ValueError("a block beyond its end")
    if content[offset + size]:
        raise ValueError("a compressed block")
    block = content[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("a record beyond its block")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number without an end")


def _full_names(entry: Entry) -> Mapping[str, list[str]]:
    """Keys of each variable, from the graph of objects that stands among the arrays as a text."""
    if entry.dtype != STRING or entry.size > MOST_INDEX:
        return {}
    with entry.path.open("rb") as file:
        file.seek(entry.offset)
        content = file.read(entry.size)
    length, at = _varint(content, 0)
    objects = new_object_graph()
    objects.ParseFromString(content[at + 4 : at + 4 + length])  # four bytes of checksum between
    found: dict[str, list[str]] = {}
    for node in objects.nodes:
        for attribute in node.attributes:
            if attribute.name == "VARIABLE_VALUE":
                found.setdefault(attribute.full_name, []).append(attribute.checkpoint_key)
    return found
