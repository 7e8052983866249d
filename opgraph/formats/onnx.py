"""The graph of an ONNX file: nodes, shapes, and where the arrays stand; nothing is run.

Only this module and `onnx_arrays` import `onnx`. The file is untrusted: its arrays stay where
they are until they are asked for, what is left is bounded, and arrays in other files must lie
beside it. Must not know which op a node is. See https://onnx.ai/onnx/repo-docs/IR.html
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.exported import MOST_STEPS, Program, Step, TensorFacts, Unique, to_graph
from opgraph.formats.onnx_arrays import Arrays
from opgraph.formats.onnx_constants import fold_constants
from opgraph.formats.onnx_ops import TABLE, join
from opgraph.formats.wire import Stripped, without_arrays
from opgraph.graph import OpGraph, WeightSource

MOST_BYTES = 64 << 20
MOST_ITEMS = 4096
MODEL = {7: {5: {9: True}, 1: {5: {5: {9: True}}}}}  # graph.initializer, graph.node.attribute.t


def read_onnx_file(path: Path, raw: bool = False) -> OpGraph:
    """The graph of an ONNX file; its weights wait to be asked for.

    Args:
        path: of the file.
        raw: one node for each node of the file, in its own layout.

    Raises:
        FormatError: it is not such a file, or it is damaged, absurdly large or unsafe.
        ModuleNotFoundError: the package `onnx` is not installed.
    """
    stripped = _stripped(path)
    model = _parsed(path, stripped)
    program = _Reading(path, model, Arrays(path, stripped.places)).program()
    program.check()
    return to_graph(program if raw else join(fold_constants(program)), TABLE, raw)


def _stripped(path: Path) -> Stripped:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise FormatError("an empty file", where=str(path))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return without_arrays(content, MODEL, MOST_BYTES)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise FormatError(f"not an ONNX file, or damaged: {error}", where=str(path)) from None


def _parsed(path: Path, stripped: Stripped) -> Any:
    """The message, with shapes inferred as far as that can be done."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(stripped.content)
    except DecodeError:
        raise FormatError("not an ONNX file, or damaged", where=str(path)) from None
    if not model.HasField("graph") or not model.ir_version:
        raise FormatError("not an ONNX file: it holds no graph", where=str(path))
    if any(isinstance(text, bytes) for text in _texts(model.graph)):
        raise FormatError("damaged: a name that is not UTF-8 text", where=str(path))
    return model


def _texts(graph: Any) -> Iterator[Any]:
    """Everything in a graph that should be text; what is none comes as bytes."""
    yield graph.name
    for values in (graph.input, graph.output, graph.value_info, graph.initializer):
        yield from (value.name for value in values)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            if attribute.HasField("g"):
                yield from _texts(attribute.g)
            for inner in attribute.graphs:
                yield from _texts(inner)


def _inferred(model: Any) -> Any:
    """Facts of the tensors of the graph: what the file says, and what onnx finds out from it."""
    import onnx

    slim = onnx.ModelProto()
    slim.CopyFrom(model)
    large = [t for t in slim.graph.initializer if len(t.raw_data) > 0 and _elements(t) > MOST_ITEMS]
    known = {value.name for value in slim.graph.input}
    for tensor in large:
        if tensor.name not in known:
            slim.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    left = [t for t in slim.graph.initializer if not (t.raw_data and _elements(t) > MOST_ITEMS)]
    del slim.graph.initializer[:]
    slim.graph.initializer.extend(left)
    try:
        return onnx.shape_inference.infer_shapes(slim, data_prop=True).graph
    except Exception:  # a fault of the file or an operator that onnx does not know
        return model.graph


def _elements(tensor: Any) -> int:
    total = 1
    for dim in tensor.dims:
        total *= dim
    return total


class _Reading:
    """Reads one model."""

    def __init__(self, path: Path, model: Any, arrays: Arrays) -> None:
        self.path, self.model, self.arrays = path, model, arrays
        import numpy as np
        import onnx

        self.onnx, self.float32 = onnx, np.float32
        self.opset = next((o.version for o in model.opset_import if not o.domain), 1)
        self.constants: dict[str, WeightSource] = {}
        self.unique = Unique()

    def program(self) -> Program:
        graph = self.model.graph
        if len(graph.node) > MOST_STEPS:
            raise FormatError(f"more than {MOST_STEPS:,} nodes", where=str(self.path))
        self.constants = dict(self._initializers(graph))
        facts = _inferred(self.model)
        tensors = {
            value.name: self._facts(value)
            for values in (facts.value_info, facts.input, facts.output)
            for value in values
        }
        steps = [step for node in graph.node if (step := self._step(node)) is not None]
        return Program(
            name=self.path.stem,
            path=str(self.path),
            language="onnx",
            steps=tuple(steps),
            inputs=tuple(v.name for v in graph.input if v.name not in self.constants),
            outputs=tuple(value.name for value in graph.output),
            tensors=tensors,
            constants=self.constants,
        )

    def _initializers(self, graph: Any, scope: str = "") -> Iterator[tuple[str, WeightSource]]:
        for tensor in graph.initializer:
            yield tensor.name, self.arrays.source(tensor, f"{scope}{tensor.name}")
        for tensor in graph.sparse_initializer:
            yield tensor.values.name, self.arrays.sparse(tensor, f"{scope}{tensor.values.name}")

    def _facts(self, value: Any) -> TensorFacts:
        if not value.type.HasField("tensor_type"):
            return TensorFacts()
        tensor = value.type.tensor_type
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(
                d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None
                for d in tensor.shape.dim
            )
        return TensorFacts(shape, self.arrays.dtype_name(tensor.elem_type))

    # Nodes ---------------------------------------------------------------------------------------

    def _step(self, node: Any) -> Step | None:
        outputs = tuple(node.output)
        name = self.unique(node.name or next((o for o in outputs if o), node.op_type))
        attrs = {a.name: self._value(node, a, name) for a in node.attribute}
        if node.op_type == "Constant" and not node.domain and len(outputs) == 1 and attrs:
            self._constant(node, outputs[0])
            return None
        further = [
            self._inside(a.g, f"{name}/{a.name}/") for a in node.attribute if a.HasField("g")
        ]
        inputs = (*node.input, *dict.fromkeys(t for tensors in further for t in tensors))
        kind = node.op_type
        if kind in ("Softmax", "LogSoftmax") and self.opset < 13:
            attrs = {"axis": 1, **attrs, "coerced": True}  # what stands behind the axis is a row
        if node.domain not in ("", "ai.onnx"):
            attrs, kind = {"domain": node.domain, **attrs}, f"{node.domain}.{node.op_type}"
        return Step(kind, name, inputs, outputs, attrs)

    def _constant(self, node: Any, name: str) -> None:
        (attribute, *_) = node.attribute
        if attribute.name == "value":
            source = self.arrays.source(attribute.t, name)
        elif attribute.name == "sparse_value":
            source = self.arrays.sparse(attribute.sparse_tensor, name)
        else:
            value = self.onnx.helper.get_attribute_value(attribute)
            source = self.arrays.of_value(value, attribute.name, name)
        self.constants[name] = source

    def _value(self, node: Any, attribute: Any, where: str) -> Any:
        """An attribute as plain data; arrays and graphs in a few words."""
        expected = self._attribute_types(node.domain, node.op_type).get(attribute.name)
        if expected not in (None, attribute.type):
            raise FormatError(
                f"{where!r}: {attribute.name} is of another type than {node.op_type} takes",
                where=str(self.path),
            )
        try:
            value = self.onnx.helper.get_attribute_value(attribute)
        except (ValueError, NotImplementedError) as error:
            raise FormatError(f"{where!r}: {error}", where=str(self.path)) from None
        return self._plain(value)

    @cache  # noqa: B019 - lives as long as one file is read
    def _attribute_types(self, domain: str, kind: str) -> Mapping[str, int]:
        """The types of attributes that an operator takes; empty where onnx does not know it."""
        try:
            schema = self.onnx.defs.get_schema(kind, self.opset, domain)
        except self.onnx.defs.SchemaError:
            return {}
        return {name: int(spec.type) for name, spec in schema.attributes.items()}

    def _plain(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, float):
            return float(str(self.float32(value)))  # 0.001, not 0.0010000000474974513
        if isinstance(value, bool | int | str):
            return value
        if isinstance(value, self.onnx.TensorProto):
            return self.arrays.in_words(value)
        if isinstance(value, self.onnx.GraphProto):
            return {"graph": value.name, "operations": [n.op_type for n in value.node]}
        if isinstance(value, Iterable):
            return [self._plain(item) for item in value]
        return " ".join(str(value).split())

    def _inside(self, graph: Any, scope: str) -> list[str]:
        """Tensors that a graph inside a node reads from around it, and its own arrays."""
        own = dict(self._initializers(graph, scope))
        found = [f"{scope}{name}" for name in own]
        self.constants |= {f"{scope}{name}": source for name, source in own.items()}
        made = {*own, *(value.name for value in graph.input), ""}
        for node in graph.node:
            found += [t for t in node.input if t not in made]
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    inner = self._inside(attribute.g, f"{scope}{node.name}/")
                    found += [t for t in inner if t not in made]
            made |= set(node.output)
        return [*found, *(v.name for v in graph.output if v.name not in made)]
