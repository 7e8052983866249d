"""ONNX models run by ONNX Runtime; the only module that imports either in this package.

Every output of every node is read by making it a result of the graph, in pieces as it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from opgraph.errors import ParityError
from opgraph.parity.model import Shape, Tensor
from opgraph.record import Array

FLOATS = {TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BFLOAT16}
QUIET = 3


class OnnxRunner:
    """An `.onnx` file.

    Raises:
        ParityError: it cannot be read, or ONNX Runtime refuses it.
    """

    layers = False

    def __init__(self, path: Path) -> None:
        self.title = f"{path.name} (ONNX Runtime)"
        try:
            self._model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
        except Exception as error:
            raise ParityError(f"cannot be read as ONNX: {error}", where=str(path)) from None
        graph = self._model.graph
        self._weights = {item.name: item for item in graph.initializer}
        self._infos = {i.name: i for i in [*graph.value_info, *graph.output, *graph.input]}
        self.inputs = tuple(
            _tensor(i.name, "Input", self._infos)
            for i in graph.input
            if i.name not in self._weights
        )
        self.outputs = tuple(item.name for item in graph.output)
        self.tensors = {tensor.name: tensor for tensor in (*self.inputs, *self._made())}

    def _made(self) -> Iterator[Tensor]:
        """Outputs of the nodes, which ONNX keeps in topological order."""
        floating = {t.name for t in self.inputs}
        for node in self._model.graph.node:
            reads = tuple(name for name in node.input if name and name not in self._weights)
            if node.op_type == "Constant" or not any(name in floating for name in reads):
                continue
            weights = tuple(name for name in node.input if name in self._weights)
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            for name in node.output:
                if name and self._is_float(name):
                    floating.add(name)
                    yield _tensor(name, node.op_type, self._infos, reads, weights, attributes)

    def _is_float(self, name: str) -> bool:
        info = self._infos.get(name)
        return info is None or info.type.tensor_type.elem_type in FLOATS

    def run(self, feeds: Mapping[str, Array], wanted: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """The wanted tensors of one batch."""
        made = [name for name in wanted if name not in feeds]
        values: dict[str, Any] = (
            dict(zip(made, self._session(made).run(made, dict(feeds)), strict=True)) if made else {}
        )
        for name in wanted:
            yield name, feeds[name] if name in feeds else values[name]

    def isolate(self, given: Mapping[str, Array], wanted: str) -> Array:
        """A tensor computed from others alone, by the part of the graph between them."""
        part = self._between(set(given), wanted)
        inputs = [
            helper.make_tensor_value_info(name, _element(array), list(array.shape))
            for name, array in given.items()
        ]
        session = self._start([*part], inputs, [wanted])
        used = {item.name for item in session.get_inputs()}
        values: Any = session.run([wanted], {n: a for n, a in given.items() if n in used})
        return values[0]

    def weight(self, name: str) -> Array:
        """A weight by its name."""
        return numpy_helper.to_array(self._weights[name])

    def _between(self, given: set[str], wanted: str) -> list[Any]:
        makers = {name: node for node in self._model.graph.node for name in node.output}
        todo, used = [wanted], set[int]()
        while todo:
            name = todo.pop()
            if not name or name in given or name in self._weights:
                continue
            if name not in makers:
                raise ParityError(f"{wanted} also depends on {name}")
            if id(makers[name]) not in used:
                used.add(id(makers[name]))
                todo += list(makers[name].input)
        return [node for node in self._model.graph.node if id(node) in used]

    def _session(self, names: Sequence[str]) -> onnxruntime.InferenceSession:
        graph = self._model.graph
        return self._start(list(graph.node), list(graph.input), names)

    def _start(
        self, nodes: list[Any], inputs: list[Any], names: Sequence[str]
    ) -> onnxruntime.InferenceSession:
        outputs = [self._infos.get(n) or helper.make_empty_tensor_value_info(n) for n in names]
        graph = helper.make_graph(
            nodes, "part", inputs, outputs, initializer=list(self._weights.values())
        )
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        model.graph.CopyFrom(graph)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        # Fused operations would hide the tensors between them.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            return onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ParityError(
                f"ONNX Runtime refuses the model: {error}", where=self.title
            ) from None


def _element(array: Array) -> int:
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def _tensor(
    name: str,
    kind: str,
    infos: Mapping[str, Any],
    reads: tuple[str, ...] = (),
    weights: tuple[str, ...] = (),
    attributes: Mapping[str, Any] | None = None,
) -> Tensor:
    shape, dtype = _facts(infos.get(name))
    return Tensor(name, kind, reads, shape, dtype, attributes or {}, weights)


def _facts(info: Any) -> tuple[Shape | None, str]:
    if info is None:
        return None, "float32"
    tensor = info.type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type or TensorProto.FLOAT)).name
    if not tensor.HasField("shape"):
        return None, dtype
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim), dtype
