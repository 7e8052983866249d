"""TFLite models run by LiteRT; the only module of this package that imports it.

All tensors are kept, and operations are computed one by one (no delegate), since a delegate leaves
the tensors between its operations unreadable or stale. Quantised tensors are handed out as the
numbers that their codes stand for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from opgraph.errors import ParityError
from opgraph.parity.model import Tensor
from opgraph.record import Array

KINDS = {n: k for k, n in vars(schema.BuiltinOperator).items() if isinstance(n, int)}


class LiteRunner:
    """A `.tflite` file.

    Raises:
        ParityError: LiteRT refuses it.
    """

    layers = False

    def __init__(self, path: Path) -> None:
        self.title = f"{path.name} (LiteRT, built-in kernels)"
        try:
            self._content = path.read_bytes()
            self._interpreter = _start(self._content)
        except (ValueError, RuntimeError, OSError) as error:
            raise ParityError(f"LiteRT refuses the model: {error}", where=str(path)) from None
        self._details: dict[int, Any] = {
            int(d["index"]): d for d in _list(self._interpreter.get_tensor_details())
        }
        self._index: dict[str, int] = {}
        self.inputs = tuple(
            self._tensor(d["index"], "Input") for d in _list(self._interpreter.get_input_details())
        )
        self.tensors = {tensor.name: tensor for tensor in (*self.inputs, *self._made())}
        names = {index: name for name, index in self._index.items()}
        results = _list(self._interpreter.get_output_details())
        self.outputs = tuple(names[d["index"]] for d in results)

    def _made(self) -> Iterator[Tensor]:
        known = {self._index[tensor.name] for tensor in self.inputs}
        model = _parsed(self._content)
        for op in model.subgraphs[0].operators:
            kind = _kind(model.operatorCodes[op.opcodeIndex])
            reads = [int(i) for i in op.inputs if i >= 0]
            values = tuple(self._details[i]["name"] for i in reads if i in known)
            weights = tuple(self._details[i]["name"] for i in reads if i not in known)
            for index in (int(i) for i in op.outputs):
                if values and np.issubdtype(self._details[index]["dtype"], np.number):
                    known.add(index)
                    yield self._tensor(index, kind, values, weights)

    def _tensor(
        self, index: int, kind: str, reads: tuple[str, ...] = (), weights: tuple[str, ...] = ()
    ) -> Tensor:
        detail = self._details[index]
        self._index[detail["name"]] = index
        signature = detail.get("shape_signature", detail["shape"])
        shape = tuple(None if axis < 0 else int(axis) for axis in signature)
        scale = _scale(detail)
        if scale is None and any(self._is_quantised(name) for name in reads):
            scale = 0.0
        return Tensor(
            detail["name"], kind, reads, shape, np.dtype(detail["dtype"]).name, {}, weights, scale
        )

    def _is_quantised(self, name: str) -> bool:
        return _scale(self._details[self._index[name]]) is not None

    def run(self, feeds: Mapping[str, Array], wanted: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """The wanted tensors of one batch."""
        for detail in _list(self._interpreter.get_input_details()):
            if detail["name"] in feeds:
                array = _coded(feeds[detail["name"]], detail)
                self._interpreter.resize_tensor_input(detail["index"], array.shape)
        self._interpreter.allocate_tensors()
        for detail in _list(self._interpreter.get_input_details()):
            self._interpreter.set_tensor(detail["index"], _coded(feeds[detail["name"]], detail))
        self._interpreter.invoke()
        for name in wanted:
            yield name, _meant(self._interpreter.get_tensor(self._index[name]), self._detail(name))

    def _detail(self, name: str) -> Any:
        return self._details[self._index[name]]

    def isolate(self, given: Mapping[str, Array], wanted: str) -> Array:
        """A tensor computed from others alone: the file with other inputs and outputs."""
        part = _part(self._content, [self._index[n] for n in given], self._index[wanted])
        interpreter = _start(part)
        for detail in _list(interpreter.get_input_details()):
            interpreter.resize_tensor_input(detail["index"], given[detail["name"]].shape)
        interpreter.allocate_tensors()
        for detail in _list(interpreter.get_input_details()):
            interpreter.set_tensor(detail["index"], _coded(given[detail["name"]], detail))
        interpreter.invoke()
        detail = _list(interpreter.get_output_details())[0]
        return _meant(interpreter.get_tensor(detail["index"]), detail)

    def weight(self, name: str) -> Array:
        """A constant by its name."""
        for index, detail in self._details.items():
            if detail["name"] == name:
                return _meant(self._interpreter.get_tensor(index), detail)
        raise ParityError(f"no constant {name}", where=self.title)


def _start(content: bytes) -> Interpreter:
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _parsed(content: bytes) -> Any:
    """The file as objects."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))


def _kind(code: Any) -> str:
    """The name of an operation, such as `CONV_2D`; that of the file where it is not built in."""
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    if number == schema.BuiltinOperator.CUSTOM and code.customCode:
        return code.customCode.decode(errors="replace")
    return KINDS.get(number, str(number))


def _list(details: Any) -> list[Any]:
    """Details as plain data; their types are declared too wide to be used."""
    return list(details)


def _scale(detail: Any) -> float | None:
    """Of an activation with one scale; None where it is not quantised."""
    scales = detail["quantization_parameters"]["scales"]
    return float(scales[0]) if len(scales) == 1 else None


def _coded(array: Array, detail: Any) -> Array:
    """A real array as the codes of a quantised input."""
    dtype = np.dtype(detail["dtype"])
    if _scale(detail) is None or array.dtype == dtype:
        return np.ascontiguousarray(array, dtype)
    parameters = detail["quantization_parameters"]
    codes = np.round(array / parameters["scales"][0]) + parameters["zero_points"][0]
    limits = np.iinfo(dtype)
    return np.clip(codes, limits.min, limits.max).astype(dtype)


def _meant(codes: Array, detail: Any) -> Array:
    """The numbers that the codes of a quantised tensor stand for."""
    parameters = detail["quantization_parameters"]
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if not len(scales) or not np.issubdtype(codes.dtype, np.integer):
        return codes
    if len(scales) > 1:
        shape = [1] * codes.ndim
        shape[int(parameters["quantized_dimension"])] = -1
        scales, zeros = scales.reshape(shape), zeros.reshape(shape)
    return ((codes.astype(np.float64) - zeros) * scales).astype(np.float32)


def _part(content: bytes, given: Sequence[int], wanted: int) -> bytes:
    """The model with other inputs and one output, without the operations that are not needed."""
    model = _parsed(content)
    graph = model.subgraphs[0]
    makers = {int(i): op for op in graph.operators for i in op.outputs}
    used, todo = set[int](), [wanted]
    while todo:
        index = todo.pop()
        op = makers.get(index)
        if index in given or op is None or id(op) in used:
            continue
        used.add(id(op))
        todo += [int(i) for i in op.inputs if i >= 0]
    graph.operators = [op for op in graph.operators if id(op) in used]
    graph.inputs, graph.outputs = list(given), [wanted]
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
