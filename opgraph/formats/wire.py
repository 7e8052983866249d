"""The wire form of protocol buffers: long byte fields left where they stand in the file.

A message of hundreds of megabytes is mostly arrays. `without_arrays` copies the rest, small enough
to be parsed, and says where each array stands. The bytes are untrusted: every length is checked.
Knows no particular message. See https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10
SMALL = 4096
MOST_FIELDS = 2_000_000
MARK = b"\xf5 an array of the file, number "


class Field(NamedTuple):
    """A field of a message: its number, wire type, where it begins, its content, where it ends."""

    number: int
    kind: int
    begin: int
    start: int
    end: int


@dataclass(frozen=True)
class Stripped:
    """A message without its long arrays.

    Attributes:
        content: bytes of the message that is left.
        places: (offset, length) in the file of each array, in the order in which they stood.
    """

    content: bytes
    places: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


# Path of field numbers to messages that are looked into; True marks the array itself.
Path = Mapping[int, "Path | bool"]


def without_arrays(buffer: Any, path: Path, most: int) -> Stripped:
    """The message with each long array replaced by a mark and the number of its place.

    Args:
        buffer: bytes, or a map of a file.
        path: which fields lead to the arrays.
        most: how long what is left may be.

    Raises:
        ValueError: the bytes are no message, or too much is left.

    >>> message = bytes([0x0A, 2, 7, 8, 0x12, 1, 9])
    >>> without_arrays(message, {1: True}, 100).content == message  # short ones stay
    True
    """
    stripped = _Stripping(most)
    with memoryview(buffer) as view:  # released even when it fails, so that a map can be closed
        stripped.copy(view, 0, len(view), path, stripped.out)
    return Stripped(bytes(stripped.out), stripped.places)


def place_in(content: bytes) -> int | None:
    """The number of the place that stands in a stripped field; None if it holds the array itself.

    >>> place_in(MARK + bytes([3, 0, 0, 0, 0, 0, 0, 0])), place_in(b"an array")
    (3, None)
    """
    is_mark = len(content) == len(MARK) + 8 and content.startswith(MARK)
    return int.from_bytes(content[len(MARK) :], "little") if is_mark else None


class _Stripping:
    def __init__(self, most: int) -> None:
        self.out, self.places, self.left = bytearray(), list[tuple[int, int]](), most
        self.fields = MOST_FIELDS

    def copy(self, view: memoryview, start: int, end: int, path: Path, out: bytearray) -> None:
        for found in fields(view, start, end):
            self.fields -= 1
            if self.fields < 0:
                raise ValueError(f"more than {MOST_FIELDS:,} fields")
            below = path.get(found.number) if found.kind == BYTES else None
            length = found.end - found.start
            if length <= SMALL:
                below = None
            if isinstance(below, Mapping):
                inner = bytearray()
                self.copy(view, found.start, found.end, below, inner)
                self._write(out, found.number, inner)
            elif below is True:
                self.places.append((found.start, length))
                self._write(out, found.number, MARK + (len(self.places) - 1).to_bytes(8, "little"))
            else:
                self._spend(found.end - found.begin)
                out += view[found.begin : found.end]

    def _write(self, out: bytearray, number: int, content: bytes | bytearray) -> None:
        self._spend(12)
        out += _varint(number << 3 | BYTES) + _varint(len(content)) + content

    def _spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("more is left beside its arrays than may be read")


def fields(view: memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of a message that stands from `start` to `end`.

    Raises:
        ValueError: a length leads out of the message, or there is no such wire type.
    """
    at = start
    while at < end:
        begin = at
        key, at = _read_varint(view, at, end)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            content, at = at, _read_varint(view, at, end)[1]
        elif kind == BYTES:
            length, content = _read_varint(view, at, end)
            at = content + length
        elif kind in (FIXED64, FIXED32):
            content, at = at, at + (8 if kind == FIXED64 else 4)
        else:
            raise ValueError(f"byte {begin:,}: wire type {kind} is none")
        if not number or at > end:
            raise ValueError(f"byte {begin:,}: a field leads out of its message")
        yield Field(number, kind, begin, content, at)


def _read_varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for count in range(LONGEST_VARINT):
        if at + count >= end:
            break
        byte = view[at + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    raise ValueError(f"byte {at:,}: a number without end")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
