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
from opgraph.formats.dot import from_dot, to_dot
from opgraph.formats.graphdef import is_saved_model, read_pb_file, read_saved_model_folder
from opgraph.formats.json import FORMAT, from_json, to_json
from opgraph.formats.keras_config import read_config
from opgraph.formats.keras_source import to_source
from opgraph.formats.legacy_h5 import read_h5_file
from opgraph.formats.mermaid import to_mermaid
from opgraph.formats.mermaid_reader import from_mermaid
from opgraph.formats.networks import (
    from_graphml,
    from_node_link,
    is_node_link,
    to_graphml,
    to_node_link,
)
from opgraph.formats.onnx import read_onnx_file
from opgraph.formats.tflite import IDENTIFIER, read_tflite_file
from opgraph.graph import OpGraph
from opgraph.text import parse, to_text


@dataclass(frozen=True)
class Format:
    """A kind of file: its suffixes, and how a graph is read from it or written to it.

    Attributes:
        name: what users call it.
        suffixes: with their dots, in small letters.
        read: makes the graph of a file; None if it cannot be read.
        to_text: makes the text of a file; None if it cannot be written.
        has_raw: whether `read` takes `raw`, to leave operations as they stand in the file.
        is_built: whether a file is written by `runtime.save_keras`, for it is more than a graph.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., OpGraph] | None = None
    to_text: Callable[[OpGraph], str] | None = None
    has_raw: bool = False
    is_built: bool = False


def read(path: Path, raw: bool = False) -> OpGraph:
    """Read a graph from a file, in the format that its suffix or its first bytes name.

    Args:
        path: of the file.
        raw: one node for each operation of an exported graph, nothing put together.

    Raises:
        FormatError: the file cannot be read, or no format is recognised.
        OpgraphError: what is wrong with its content.
    """
    if is_saved_model(path):
        return read_saved_model_folder(path, raw=raw)
    found = _format_of(path)
    if found is None:
        return _read_sniffed(path)
    if found.read is None:
        raise FormatError(
            f"{found.name} can be written, not read", where=str(path), hint=_known("read")
        )
    return found.read(path, raw=raw) if found.has_raw else found.read(path)


def write(graph: OpGraph, path: Path) -> None:
    """Write a graph to a file in the format of its suffix; an existing file is replaced at once.

    Raises:
        FormatError: no format that can be written has this suffix, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    found = _format_of(path)
    if found is not None and found.is_built:
        raise FormatError(
            f"a {found.name} is built, not only written", where=str(path), hint="use Graph.save"
        )
    if found is None or found.to_text is None:
        suffixes = [s for f in FORMATS if f.to_text for s in f.suffixes]
        near = suggest(suffix, suffixes)
        raise FormatError(
            f"no format to write has the suffix {suffix!r}",
            where=str(path),
            hint=f"{near} {_known('write')}" if near else _known("write"),
        )
    write_text(path, found.to_text(graph))


def _format_of(path: Path) -> Format | None:
    """The format with the longest suffix that the name of a file ends in."""
    name = path.name.lower()
    fitting = [(s, f) for f in FORMATS for s in f.suffixes if name.endswith(s) and name != s]
    return max(fitting, key=lambda pair: len(pair[0]))[1] if fitting else None


def _known(verb: str) -> str:
    listed = [f for f in FORMATS if (f.read if verb == "read" else f.to_text or f.is_built)]
    return f"formats to {verb}: " + ", ".join(
        f"{'/'.join(f.suffixes) or 'a folder'} ({f.name})" for f in listed
    )


def _read_sniffed(path: Path) -> OpGraph:
    """Read a file whose suffix says nothing: an archive, JSON, or text."""
    head = _bytes(path, 4096)
    if head.startswith(b"PK\x03\x04"):
        return read_keras_file(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return read_h5_file(path)
    if head[4:8] == IDENTIFIER:
        return read_tflite_file(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _read_json(path)
    if b"\0" in head:
        raise FormatError("neither text nor a known format", where=str(path), hint=_known("read"))
    return _read_text(path)


def _read_text(path: Path) -> OpGraph:
    return parse(Source(str(path), _decoded(path)), path.stem)


def _read_dot(path: Path) -> OpGraph:
    return from_dot(Source(str(path), _decoded(path)), path.stem)


def _read_mermaid(path: Path) -> OpGraph:
    return from_mermaid(Source(str(path), _decoded(path)), path.stem)


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
        return _graph_of_json(data)
    except FormatError as error:
        error.where = f"{path}: {error.where}" if error.where else str(path)
        raise


def _graph_of_json(data: Any) -> OpGraph:
    if _is_own(data):
        return from_json(data)
    return from_node_link(data) if is_node_link(data) else read_config(data)


def _read_graphml(path: Path) -> OpGraph:
    try:
        return from_graphml(_decoded(path))
    except FormatError as error:
        if error.where != str(path):
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
    Format("networkx node-link", (".nx.json",), _read_json, to_node_link),
    Format("GraphML", (".graphml",), _read_graphml, to_graphml),
    Format("DOT", (".dot", ".gv"), _read_dot, to_dot),
    Format("Mermaid", (".mmd", ".mermaid"), _read_mermaid, to_mermaid),
    Format("JSON", (".json",), _read_json, _json_text),
    Format("Keras model", (".keras",), read_keras_file, is_built=True),
    Format("legacy Keras model", (".h5", ".hdf5"), read_h5_file),
    Format("ONNX", (".onnx",), read_onnx_file, has_raw=True),
    Format("TFLite", (".tflite",), read_tflite_file, has_raw=True),
    Format("SavedModel", (), read_saved_model_folder, has_raw=True),
    Format("TensorFlow graph", (".pb", ".pbtxt"), read_pb_file, has_raw=True),
    Format("Keras source", (".py",), None, to_source),
)
