"""Which suffix is which format, reading a graph from any file and writing one to any.

Owns the table of formats and the limits on what is read; must not know what is in a format.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError, Source, suggest
from opgraph.files import write_text
from opgraph.formats.archive import MOST_BYTES, read_keras_file
from opgraph.formats.json import FORMAT, from_json, to_json
from opgraph.formats.keras_config import read_config
from opgraph.formats.keras_source import to_source
from opgraph.graph import OpGraph
from opgraph.text import parse, to_text


@dataclass(frozen=True)
class Format:
    """A kind of file: its suffixes, and how a graph is read from it or written to it."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], OpGraph] | None = None
    to_text: Callable[[OpGraph], str] | None = None


def read(path: Path) -> OpGraph:
    """Read a graph from a file, in the format that its suffix or its first bytes name.

    Raises:
        FormatError: the file cannot be read, or no format is recognised.
        OpgraphError: what is wrong with its content.
    """
    suffix = path.suffix.lower()
    found = next((f for f in FORMATS if suffix in f.suffixes), None)
    if found is None:
        return _read_sniffed(path)
    if found.read is None:
        raise FormatError(
            f"{found.name} can be written, not read", where=str(path), hint=_known("read")
        )
    return found.read(path)


def write(graph: OpGraph, path: Path) -> None:
    """Write a graph to a file in the format of its suffix; an existing file is replaced at once.

    Raises:
        FormatError: no format that can be written has this suffix, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    found = next((f for f in FORMATS if suffix in f.suffixes and f.to_text), None)
    if found is None or found.to_text is None:
        suffixes = [s for f in FORMATS if f.to_text for s in f.suffixes]
        near = suggest(suffix, suffixes)
        raise FormatError(
            f"no format to write has the suffix {suffix!r}",
            where=str(path),
            hint=f"{near} {_known('write')}" if near else _known("write"),
        )
    write_text(path, found.to_text(graph))


def _known(verb: str) -> str:
    listed = [f for f in FORMATS if (f.read if verb == "read" else f.to_text)]
    return f"formats to {verb}: " + ", ".join(f"{'/'.join(f.suffixes)} ({f.name})" for f in listed)


def _read_sniffed(path: Path) -> OpGraph:
    """Read a file whose suffix says nothing: an archive, JSON, or text."""
    head = _bytes(path, 4096)
    if head.startswith(b"PK\x03\x04"):
        return read_keras_file(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _read_json(path)
    if b"\0" in head:
        raise FormatError("neither text nor a known format", where=str(path), hint=_known("read"))
    return _read_text(path)


def _read_text(path: Path) -> OpGraph:
    return parse(Source(str(path), _decoded(path)), path.stem)


def _read_json(path: Path) -> OpGraph:
    """A graph from opgraph's own JSON, or the configuration that `model.to_json()` writes."""
    text = _decoded(path)
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise FormatError(f"not JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise FormatError("JSON nested too deep", where=str(path)) from None
    try:
        return from_json(data) if _is_own(data) else read_config(data)
    except FormatError as error:
        error.where = f"{path}: {error.where}" if error.where else str(path)
        raise


def _is_own(data: Any) -> bool:
    return isinstance(data, dict) and data.get("format") == FORMAT  # pyright: ignore


def _decoded(path: Path) -> str:
    content = _bytes(path, MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise FormatError(f"larger than {MOST_BYTES >> 20} MiB", where=str(path))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text: byte {content[error.start]:#04x} at offset {error.start}"
        raise FormatError(problem, where=str(path), hint=_known("read")) from None


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise FormatError(f"cannot be read: {reason}", where=str(path)) from None


def _json_text(graph: OpGraph) -> str:
    return json.dumps(to_json(graph), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _edge_list(graph: OpGraph) -> str:
    return to_text(graph)


FORMATS = (
    Format("edge list", (".txt", ".edges"), _read_text, _edge_list),
    Format("table of edges", (".csv", ".tsv"), _read_text),
    Format("JSON", (".json",), _read_json, _json_text),
    Format("Keras model, structure only", (".keras",), read_keras_file),
    Format("Keras source", (".py",), None, to_source),
)
