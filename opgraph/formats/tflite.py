"""The graph of a TFLite file: operators, shapes, and where the arrays stand; nothing is run.

The only module of this package that imports `tflite`, which is the schema alone. The file is
untrusted: every offset is checked against the file, all that is looked at is counted, and arrays
stay where they are until they are asked for. Must not know which op an operator is.
See https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.exported import MOST_STEPS, Program, Step, TensorFacts, Unique, to_graph
from opgraph.formats.quantized import dequantized
from opgraph.formats.tflite_ops import COMMON, TABLE, join
from opgraph.graph import OpGraph, WeightSource

IDENTIFIER = b"TFL3"
MOST_ITEMS = 2_000_000
MOST_AXES = 64
FAULTS = (struct.error, ValueError, TypeError, IndexError, OverflowError, AttributeError)
ARRAYS = frozenset({"float32", "float16", "float64", "int32", "int64", "int16", "int8", "uint8",
                    "uint32", "uint64", "uint16", "bool"})  # fmt: skip
QUANTIZED = frozenset({"int8", "uint8", "int16", "int32"})
ENUMS = {
    "FusedActivationFunction": "ActivationFunctionType",
    "Padding": "Padding",
    "InDataType": "TensorType",
    "OutDataType": "TensorType",
}


def read_tflite_file(path: Path, raw: bool = False) -> OpGraph:
    """The graph of a TFLite file; its weights wait to be asked for.

    Args:
        path: of the file.
        raw: operators as they stand in the file, nothing put together.

    Raises:
        FormatError: it is not such a file, or it is damaged.
        ModuleNotFoundError: the package `tflite` is not installed.
    """
    content = _mapped(path)
    try:
        program = _Reading(path, content).program()
    except FAULTS as error:
        outside = isinstance(error, struct.error)
        reason = "an offset leads out of it" if outside else " ".join(str(error).split())
        raise FormatError(f"a damaged TFLite file: {reason}", where=str(path)) from None
    program.check()
    return to_graph(program if raw else join(program), TABLE, raw)


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[4:] != IDENTIFIER:
                raise FormatError("not a TFLite file", where=str(path))
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from None


class _Reading:
    """Reads one model."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        import tflite

        self.path, self.content, self.schema = path, content, tflite
        self.left = MOST_ITEMS
        self.model: Any = tflite.Model.GetRootAs(content, 0)
        self.constants: dict[str, WeightSource] = {}
        self.tensors: dict[str, TensorFacts] = {}
        self.unique, self.unique_step = Unique(), Unique()
        self.seen: set[int] = set()

    def program(self) -> Program:
        if not self._length(self.model.SubgraphsLength()):
            raise ValueError("it holds no graph")
        graph = self.model.Subgraphs(0)
        names = self._tensors(graph, "")
        if graph.OperatorsLength() > MOST_STEPS:
            raise ValueError(f"more than {MOST_STEPS:,} operators")
        steps = [self._step(graph.Operators(i), names) for i in self._each(graph.OperatorsLength())]
        return Program(
            name=self.path.stem,
            path=str(self.path),
            language="tflite",
            steps=tuple(steps),
            inputs=self._named(names, graph, "Inputs"),
            outputs=self._named(names, graph, "Outputs"),
            tensors=self.tensors,
            constants=self.constants,
            called=self._called(names),
            common=COMMON,
        )

    def _called(self, names: Mapping[int, str]) -> dict[str, str]:
        """Names of the inputs in the first signature."""
        if not self._length(self.model.SignatureDefsLength()):
            return {}
        signature = self.model.SignatureDefs(0)
        maps = [signature.Inputs(i) for i in self._each(signature.InputsLength())]
        found = {names.get(item.TensorIndex(), ""): _text(item.Name()) for item in maps}
        return {tensor: name for tensor, name in found.items() if tensor and name}

    # Bounds --------------------------------------------------------------------------------------

    def _length(self, length: int) -> int:
        """A length that can be, counted against all that may be looked at."""
        self.left -= length
        if self.left < 0:
            raise ValueError(f"more than {MOST_ITEMS:,} items in its lists")
        return length

    def _each(self, length: int) -> range:
        return range(self._length(length))

    def _numbers(self, table: Any, name: str, kind: Callable[[Any], Any] = int) -> list[Any]:
        """The numbers in a vector of a table."""
        length = self._length(getattr(table, f"{name}Length")())
        return [kind(x) for x in getattr(table, f"{name}AsNumpy")()] if length else []

    def _named(self, names: Mapping[int, str], table: Any, what: str) -> tuple[str, ...]:
        """The tensors that a vector of a table names."""
        numbers = self._numbers(table, what)
        missing = next((number for number in numbers if number not in names), None)
        if missing is not None:
            raise ValueError(f"there is no tensor {missing}")
        return tuple(names[number] for number in numbers)

    # Tensors -------------------------------------------------------------------------------------

    def _tensors(self, graph: Any, scope: str) -> dict[int, str]:
        """Names of the tensors of a graph, made unique, by their numbers; -1 is none."""
        names = {-1: ""}
        for number in self._each(graph.TensorsLength()):
            tensor = graph.Tensors(number)
            names[number] = self.unique(scope + (_text(tensor.Name()) or f"tensor {number}"))
            self._tensor(tensor, names[number])
        return names

    def _tensor(self, tensor: Any, name: str) -> None:
        shape = tuple(self._numbers(tensor, "Shape"))
        signature = tuple(self._numbers(tensor, "ShapeSignature"))
        said = signature if len(signature) == len(shape) and signature else shape
        dtype = self._enum("TensorType").get(tensor.Type(), "").lower() or None
        full = tuple(dim if dim >= 0 else None for dim in said)
        self.tensors[name] = TensorFacts(full, dtype)
        if 0 < tensor.Buffer() < self.model.BuffersLength():
            source = self._array(self.model.Buffers(tensor.Buffer()), shape, dtype, name)
            if source is not None:
                self.constants[name] = self._meant(source, tensor)

    def _meant(self, source: WeightSource, tensor: Any) -> WeightSource:
        """The numbers that quantised ones stand for."""
        table = tensor.Quantization()
        scales = [] if table is None else self._numbers(table, "Scale", float)
        if table is None or not scales or source.dtype not in QUANTIZED:
            return source
        zeros, axis = self._numbers(table, "ZeroPoint"), table.QuantizedDimension()
        whole = len(scales) == 1 or (
            0 <= axis < len(source.shape) and source.shape[axis] == len(scales)
        )
        if not whole or len(zeros) not in (0, len(scales)):
            raise ValueError(f"array {source.name!r} has {len(scales)} scales")
        return dequantized(source, scales, zeros, axis)

    def _array(
        self, buffer: Any, shape: tuple[int, ...], dtype: str | None, name: str
    ) -> WeightSource | None:
        """Where the numbers of a tensor stand; None if they are computed."""
        start, length = buffer.Offset(), buffer.Size()
        if start <= 1 and not buffer.DataIsNone() and buffer.DataLength():
            start, length = buffer._tab.Vector(buffer._tab.Offset(4)), buffer.DataLength()
        if start <= 1:
            return None
        if start + length > len(self.content) or len(shape) > MOST_AXES or min((*shape, 0)) < 0:
            raise ValueError(f"array {name!r} leads out of the file")
        load = partial(self._load, start, length, dtype, shape, name)
        return WeightSource(name, shape, dtype or "none", load)

    def _load(
        self, start: int, length: int, dtype: str | None, shape: tuple[int, ...], name: str
    ) -> Any:
        """The array as a map of the file, so that only what is looked at is read."""
        import numpy as np

        kind = np.dtype(dtype if dtype in ARRAYS else np.uint8)
        needed = math.prod(shape) * kind.itemsize
        if dtype not in ARRAYS or needed != length:
            problem = f"array {name!r} of {dtype} {shape} has {length:,} bytes, which is no such"
            raise FormatError(f"{problem} array", where=str(self.path))
        if not needed:
            return np.empty(shape, kind)
        try:
            return np.memmap(self.path, kind, "r", start, shape)
        except (OSError, ValueError) as error:
            raise FormatError(
                f"array {name!r} cannot be read: {error}", where=str(self.path)
            ) from None

    # Operators -----------------------------------------------------------------------------------

    def _step(self, operator: Any, names: Mapping[int, str]) -> Step:
        inputs = self._named(names, operator, "Inputs")
        outputs = self._named(names, operator, "Outputs")
        kind, attrs = self._kind(operator), self._attributes(operator)
        inside = [t for n in sorted(attrs) if n.endswith("subgraph_index")
                  for t in self._inside(attrs[n])]  # fmt: skip
        members = [m for m in outputs[0].split(";") if m] if outputs else []
        kernel = next((t for t in inputs[1:2] if t in self.constants and "/" in t), "")
        name = kernel.split(";")[0] or next(iter(members), kind)
        listed = tuple(members) if len(members) > 1 else ()
        return Step(kind, self.unique_step(name), (*inputs, *inside), outputs, attrs, listed)

    def _kind(self, operator: Any) -> str:
        if not 0 <= operator.OpcodeIndex() < self.model.OperatorCodesLength():
            raise ValueError(f"there is no operator code {operator.OpcodeIndex()}")
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = self._enum("BuiltinOperator").get(number, f"operator {number}")
        return f"custom {_text(code.CustomCode())}" if name == "CUSTOM" else name

    def _attributes(self, operator: Any) -> dict[str, Any]:
        """The options of an operator by their names."""
        kind = self._enum("BuiltinOptions").get(operator.BuiltinOptionsType(), "NONE")
        cls, table = getattr(self.schema, kind, None), operator.BuiltinOptions()
        if cls is None or table is None:
            return {}
        options = cls()
        options.Init(table.Bytes, table.Pos)
        return {_snake(n): self._option(options, n) for n in _option_names(cls)}

    def _option(self, options: Any, name: str) -> Any:
        if hasattr(options, f"{name}Length"):
            return self._numbers(options, name)
        value = getattr(options, name)()
        return self._enum(ENUMS[name]).get(value, value) if name in ENUMS else value

    def _inside(self, number: int) -> list[str]:
        """The arrays of a graph that an operator runs, once."""
        scope = f"graph {number}/"
        if not 0 < number < self.model.SubgraphsLength() or number in self.seen:
            return []
        self.seen.add(number)
        names = self._tensors(self.model.Subgraphs(number), scope)
        return [name for name in names.values() if name in self.constants]

    @cache  # noqa: B019 - lives as long as one file is read
    def _enum(self, name: str) -> Mapping[int, str]:
        values = vars(getattr(self.schema, name)).items()
        return {value: key for key, value in values if isinstance(value, int)}


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("utf-8", "replace")


def _option_names(cls: type[Any]) -> Iterator[str]:
    """Options that are numbers, words or vectors of numbers."""
    names = [n for n in vars(cls) if n[0].isupper() and not n.startswith("GetRootAs")]
    helpers = ("AsNumpy", "Length", "IsNone", "BufferHasIdentifier", "Init")
    for name in names:
        is_table = f"{name}Length" in names and f"{name}AsNumpy" not in names
        if not name.endswith(helpers) and not is_table:
            yield name


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
