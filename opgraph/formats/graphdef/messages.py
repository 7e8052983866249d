"""GraphDefs in files: SavedModel folders, frozen `.pb`, `.pbtxt`; which tensors go in and out.

The messages are those of `tensorboard`, which carries TensorFlow's protocol buffers without
TensorFlow; the only module that imports them. Nothing is executed. What is read is untrusted: sizes
are bounded, protobuf bounds the depth, links that lead out of a SavedModel are refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError, MissingDependencyError

MOST_BYTES = (2 << 30) - 1
MOST_TEXT = 256 << 20
NAMES = ("saved_model.pb", "saved_model.pbtxt")
MODULES = ("graph", "meta_graph", "tensor_shape", "attr_value", "trackable_object_graph")
PREFERRED = ("serving_default", "serve")


@dataclass(frozen=True)
class Program:
    """A graph and what goes in and out of it.

    Attributes:
        graph: a `GraphDef`.
        inputs: name by which the outside calls an input, by the node in the graph.
        outputs: tensors that come out, as `node:0`, by the names that the outside has for them.
        folder: of the SavedModel, where the graph comes out of one.
    """

    graph: Any
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    folder: Path | None = None


def is_saved_model(path: Path) -> bool:
    """Whether a path is a folder with a SavedModel in it."""
    return path.is_dir() and any((path / name).exists() for name in NAMES)


def read_saved_model(folder: Path) -> Program:
    """The graph behind the serving signature of a SavedModel.

    Raises:
        FormatError: the folder is none, is damaged, has no signature, or points outside itself.
        MissingDependencyError: `tensorboard` is not there.
    """
    path = next((folder / name for name in NAMES if (folder / name).exists()), None)
    if path is None:
        raise FormatError("no saved_model.pb in this folder", where=str(folder))
    saved = _parse(_messages().SavedModel(), inside(folder, path))
    metas = [meta for meta in saved.meta_graphs if "serve" in meta.meta_info_def.tags]
    meta = next(iter([*metas, *saved.meta_graphs]), None)
    if meta is None:
        raise FormatError("a SavedModel without a graph", where=str(path))
    signature = _signature(meta, path)
    order = {node.name: index for index, node in enumerate(meta.graph_def.node)}
    inputs = {_node(info.name): key for key, info in signature.inputs.items()}
    ordered = sorted(inputs, key=lambda name: order.get(name, len(order)))
    outputs = {key: signature.outputs[key].name for key in sorted(signature.outputs)}
    named = {name: inputs[name] for name in ordered}
    return Program(meta.graph_def, named, outputs, folder)


def inside(folder: Path, path: Path) -> Path:
    """A path of a SavedModel, if it does not lead out of its folder.

    Raises:
        FormatError: it does, by a symbolic link.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        problem = "a link that leads out of the SavedModel, which is not followed"
        raise FormatError(problem, where=str(path))
    return path


def _signature(meta: Any, path: Path) -> Any:
    known = {key: value for key, value in meta.signature_def.items() if value.outputs}
    names = [*PREFERRED, *sorted(key for key in known if not key.startswith("__"))]
    chosen = next((name for name in names if name in known), None)
    if chosen is None:
        raise FormatError(
            "a SavedModel without a signature: nothing says what goes in and out",
            where=str(path),
            hint="export it with one: model.export(folder)",
        )
    return known[chosen]


def read_graph_def(path: Path) -> Program:
    """The graph of a `.pb` or `.pbtxt`: inputs are its placeholders, outputs what nobody reads.

    Raises:
        FormatError: the file is none, or is damaged.
        MissingDependencyError: `tensorboard` is not there.
    """
    graph = _parse(_messages().GraphDef(), path)
    if not graph.node:
        raise FormatError("a GraphDef without nodes", where=str(path))
    read = {_node(text) for node in graph.node for text in node.input}
    inputs = {n.name: n.name for n in graph.node if n.op.startswith("Placeholder")}
    idle = ("Const", "NoOp", "VarHandleOp", "Placeholder")
    outputs = {n.name: f"{n.name}:0" for n in graph.node if n.name not in read and n.op not in idle}
    return Program(graph, inputs, outputs)


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").split(":", 1)[0]


def _parse(message: Any, path: Path) -> Any:
    is_text = path.suffix.lower() == ".pbtxt"
    content = _content(path, MOST_TEXT if is_text else MOST_BYTES)
    try:
        if is_text:
            from google.protobuf import text_format

            return text_format.Parse(content.decode("utf-8"), message)
        message.ParseFromString(content)
        return message
    except (ValueError, RecursionError, *_messages().errors) as error:
        said = " ".join(str(error).split())[:200]
        what = "protocol buffer text" if is_text else "protocol buffer"
        problem = f"not a TensorFlow graph, which is a {what}: {said}"
        raise FormatError(problem, where=str(path)) from None


def _content(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if len(content) > most:
        raise FormatError(f"larger than {most >> 20} MiB", where=str(path))
    return content


@cache
def empty_attribute() -> Any:
    """An `AttrValue` that says nothing; it is shared, only to be read."""
    return _messages().AttrValue()


def new_entry() -> Any:
    """An empty `BundleEntryProto`; its first field is the number of files in a header."""
    return _messages().Entry()


def parse_errors() -> tuple[type[Exception], ...]:
    """What protocol buffers raise at damaged content."""
    return _messages().errors


def new_object_graph() -> Any:
    """An empty `TrackableObjectGraph`."""
    return _messages().ObjectGraph()


@dataclass(frozen=True)
class _Messages:
    GraphDef: Any
    SavedModel: Any
    Entry: Any
    ObjectGraph: Any
    AttrValue: Any
    errors: tuple[type[Exception], ...]


@cache
def _messages() -> _Messages:
    try:
        from google.protobuf import message, text_format

        graph, meta_graph, shapes, attributes, objects = (
            importlib.import_module(f"tensorboard.compat.proto.{name}_pb2") for name in MODULES
        )
    except ImportError:
        raise MissingDependencyError(
            "reading graphs of TensorFlow needs the package tensorboard, which has their format",
            hint="pip install 'opgraph[graphdef]'",
        ) from None
    meta, shape = meta_graph.MetaGraphDef.DESCRIPTOR, shapes.TensorShapeProto.DESCRIPTOR
    saved = {"saved_model_schema_version": (1, "INT64"), "meta_graphs": (2, meta)}
    entry = {
        "dtype": (1, "INT32"),
        "shape": (2, shape),
        "shard_id": (3, "INT32"),
        "offset": (4, "INT64"),
        "size": (5, "INT64"),
        "slices": (7, "BYTES"),
    }
    return _Messages(
        graph.GraphDef,
        _message("SavedModel", saved),
        _message("BundleEntry", entry),
        objects.TrackableObjectGraph,
        attributes.AttrValue,
        (message.DecodeError, text_format.ParseError),
    )


def _message(name: str, fields: Mapping[str, tuple[int, Any]]) -> Any:
    """A message that `tensorboard` leaves out: numbers and types of its fields by name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    inner = {kind.full_name: kind for _, kind in fields.values() if not isinstance(kind, str)}
    file = descriptor_pb2.FileDescriptorProto(
        name=f"opgraph/{name}.proto",
        package="opgraph",
        syntax="proto3",
        dependency=[kind.file.name for kind in inner.values()],
    )
    added = file.message_type.add(name=name)
    kinds = descriptor_pb2.FieldDescriptorProto
    for key, (number, kind) in fields.items():
        field = added.field.add(name=key, number=number, label=kinds.LABEL_OPTIONAL)
        if isinstance(kind, str):
            field.type = getattr(kinds, f"TYPE_{kind}")
        else:
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".{kind.full_name}"
        if key in ("meta_graphs", "slices"):
            field.label = kinds.LABEL_REPEATED
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"opgraph.{name}"))
