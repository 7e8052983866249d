"""Event files of TensorBoard: scalars at steps, and a graph.

Owns the bytes: records framed with masked CRC-32C, each a protocol buffer `Event`. Written without
TensorFlow and without tensorboard, so that a run can be exported where neither is installed. Must
not know how a run is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opgraph.files import write_atomic
from opgraph.record import bin_edges

PREFIX = "events.out.tfevents"
POLYNOMIAL = 0x82F63B78
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LARGEST = 2.0**25  # where the bin of all that is larger is drawn to end
ZERO = 66  # the bin of zero among those of finite numbers
PRODUCER = 27  # version of GraphDef that TensorBoard's own exporters write


@dataclass(frozen=True)
class EventRow:
    """What is said of a step.

    Attributes:
        step: its number.
        time: in seconds since 1970.
        scalars: numbers by tag.
        histograms: counts in the record's bins, by tag.
    """

    step: int
    time: float
    scalars: Mapping[str, float]
    histograms: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])


def write_events(
    path: Path, rows: Iterable[EventRow], graph: Mapping[str, Any], start: float
) -> int:
    """Write an event file, whole or not at all.

    Args:
        path: the file; its name must start with `events.out.tfevents` for TensorBoard to see it.
        rows: the steps, in order.
        graph: the graph as the JSON data of a run.
        start: time of the file's head, in seconds since 1970.

    Returns:
        How many numbers and histograms were written. TensorBoard keeps numbers as float32.
    """
    counted = 0

    def write(temporary: Path) -> None:
        nonlocal counted
        with temporary.open("wb") as file:
            file.write(_record(_double(1, start) + _text(3, "brain.Event:2")))
            file.write(_record(_double(1, start) + _field(4, graph_def(graph))))
            for row in rows:
                file.write(_record(_event(row)))
                counted += len(row.scalars) + len(row.histograms)

    write_atomic(path, write)
    return counted


def _event(row: EventRow) -> bytes:
    scalars = [
        _text(1, tag) + _key(2, FIXED32) + struct.pack("<f", _float32(value))
        for tag, value in row.scalars.items()
    ]
    histograms = [
        _text(1, tag) + _field(5, _histogram(counts)) for tag, counts in row.histograms.items()
    ]
    values = b"".join(_field(1, value) for value in (*scalars, *histograms))
    return _double(1, row.time) + _key(2, VARINT) + _varint(row.step) + _field(5, values)


def _histogram(counts: Sequence[int]) -> bytes:
    """A `HistogramProto` of the bins of finite numbers; NaN and Inf have no place in it."""
    edges = [max(min(edge, LARGEST), -LARGEST) for edge in bin_edges().tolist()]
    finite = counts[1 : len(edges)]
    filled = [number for number, count in enumerate(finite) if count]
    first, last = (filled[0], filled[-1]) if filled else (ZERO, ZERO)
    limits, kept = edges[first + 1 : last + 2], finite[first : last + 1]
    whole = b"".join(
        _double(number, value)
        for number, value in ((1, edges[first]), (2, edges[last + 1]), (3, float(sum(finite))))
    )
    return whole + _doubles(6, limits) + _doubles(7, kept)


def _float32(value: float) -> float:
    """What is too large for float32 becomes infinite, as in any conversion."""
    try:
        struct.pack("<f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value


def graph_def(graph: Mapping[str, Any]) -> bytes:
    """A graph as a serialised `GraphDef`, which TensorBoard draws.

    >>> len(graph_def({"nodes": [{"name": "x", "op": "Input"}], "edges": []})) > 10
    True
    """
    inputs: dict[str, list[tuple[int, str]]] = {}
    for edge in graph["edges"]:
        port = f":{edge['port']}" if edge.get("port") else ""
        entry = (int(edge.get("slot", 0)), f"{edge['source']}{port}")
        inputs.setdefault(edge["target"], []).append(entry)
    nodes = b"".join(
        _field(1, _node(node, inputs.get(node["name"], []))) for node in graph["nodes"]
    )
    versions = _field(4, _key(1, VARINT) + _varint(PRODUCER))
    return nodes + versions


def _node(node: Mapping[str, Any], inputs: Sequence[tuple[int, str]]) -> bytes:
    given = dict(node.get("given", {}))
    inferred = {name: item["value"] for name, item in node.get("inferred", {}).items()}
    sources = b"".join(_text(3, source) for _, source in sorted(inputs))
    attrs = b"".join(
        _field(5, _text(1, name) + _field(2, _text(2, str(value))))
        for name, value in {**given, **inferred}.items()
    )
    return _text(1, node["name"]) + _text(2, node["op"]) + sources + attrs


# The wire form of protocol buffers ---------------------------------------------------------------


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _key(number: int, kind: int) -> bytes:
    return bytes([number << 3 | kind])


def _field(number: int, content: bytes) -> bytes:
    return _key(number, BYTES) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode("utf-8", "replace"))


def _doubles(number: int, values: Sequence[float]) -> bytes:
    return _field(number, struct.pack(f"<{len(values)}d", *values))


def _double(number: int, value: float) -> bytes:
    return _key(number, FIXED64) + struct.pack("<d", value)


# The frame of a record ------------------------------------------------------------


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _checksum(content: bytes) -> bytes:
    crc = crc32c(content)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)


def crc32c(content: bytes) -> int:
    """The checksum of Castagnoli.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _make_table() -> Iterator[int]:
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        yield crc


_TABLE = tuple(_make_table())
