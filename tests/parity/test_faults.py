"""A fault is planted in a real export or a rebuilt model; the comparison names that node first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from parity_networks import images, network

from opgraph.parity import Comparison, compare, open_runner, pair

pytestmark = pytest.mark.tf


def compared(left: Any, right: Any, **options: Any) -> Comparison:
    feeds = [pair(left, right, [images(6, seed)]) for seed in (10, 11)]
    return compare(left, right, feeds, **options)


@pytest.fixture(scope="module")
def keras_runner(model: Any) -> Any:
    from opgraph.parity.keras import KerasRunner

    return KerasRunner(model)


def rebuilt(change: Callable[[Any], None] = lambda _: None, **options: Any) -> Any:
    from opgraph.parity.keras import KerasRunner

    made = network(**options)
    change(made)
    return KerasRunner(made)


@pytest.mark.parametrize("kind", ["onnx", "tflite", "int8", "keras"])
def test_a_good_export_is_equal(keras_runner: Any, exported: dict[str, Path], kind: str) -> None:
    found = compared(keras_runner, open_runner(exported[kind]), isolate=True)
    assert found.equal
    assert found.first is None
    assert {row.verdict for row in found.rows} <= {"equal", "fused"}
    assert found.outputs[0].measures is not None
    assert found.outputs[0].measures.argmax >= (0.8 if kind == "int8" else 1.0)  # type: ignore[operator]


def test_two_exports_without_their_source(exported: dict[str, Path]) -> None:
    found = compared(open_runner(exported["onnx"]), open_runner(exported["tflite"]), isolate=True)
    assert found.equal
    assert sum(row.verdict == "equal" for row in found.rows) >= 10


# Faults in an ONNX file: what is done to it, the node that is named, and a word of the cause.


def _node(graph: Any, kind: str, part: str = "") -> Any:
    return next(n for n in graph.node if n.op_type == kind and part in n.output[0])


def _change_weight(graph: Any, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    item = next(w for w in graph.initializer if w.name == name)
    array = np.ascontiguousarray(change(numpy_helper.to_array(item)))
    item.CopyFrom(numpy_helper.from_array(array, name))


def no_relu(graph: Any) -> None:
    node = _node(graph, "Relu", "/relu_1/")
    node.op_type = "Identity"


def other_padding(graph: Any) -> None:
    for attribute in _node(graph, "Conv").attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [1, 1, 0, 0]


def transposed(graph: Any) -> None:
    _change_weight(graph, _node(graph, "MatMul", "square").input[1], np.transpose)


def no_bias(graph: Any) -> None:
    node = _node(graph, "Add", "logits")
    name = next(n for n in node.input if any(w.name == n for w in graph.initializer))
    _change_weight(graph, name, np.zeros_like)


def wrong_pool(graph: Any) -> None:
    node = _node(graph, "MaxPool")
    node.op_type = "AveragePool"
    kept = [a for a in node.attribute if a.name in ("kernel_shape", "strides", "pads", "auto_pad")]
    del node.attribute[:]
    node.attribute.extend(kept)


def turned_concat(graph: Any) -> None:
    node = _node(graph, "Concat")
    names = list(node.input)
    del node.input[:]
    node.input.extend(names[::-1])


def turned_channels(graph: Any) -> None:
    _change_weight(graph, _node(graph, "Conv").input[1], lambda w: w[:, ::-1])


def scaled_input(graph: Any) -> None:
    name = graph.input[0].name
    for node in graph.node:
        for i, read in enumerate(node.input):
            if read == name:
                node.input[i] = "scaled"
    graph.initializer.append(numpy_helper.from_array(np.float32([1 / 255]), "by"))
    graph.node.insert(0, helper.make_node("Mul", [name, "by"], ["scaled"]))


def other_stride(graph: Any) -> None:
    """A stride of one thrown away by a pool: the shapes stay, the values do not."""
    name = _node(graph, "MaxPool")
    for attribute in name.attribute:
        if attribute.name == "kernel_shape":
            attribute.ints[:] = [1, 1]


IN_ONNX = {
    "dropped relu": (no_relu, "relu", "lacks relu"),
    "wrong padding": (other_padding, "conv", "adds 1 at the top"),
    "transposed kernel": (transposed, "square", "transposed"),
    "missing bias": (no_bias, "logits", "lacks the bias"),
    "wrong pool": (wrong_pool, "pool", "mean of each window"),
    "reordered concat": (turned_concat, "join", "order [1, 0]"),
    "channel order": (turned_channels, "conv", "channels reversed"),
    "preprocessing": (scaled_input, "conv", "multiplied by 255"),
    "smaller window": (other_stride, "pool", ""),
}


@pytest.mark.parametrize("name", IN_ONNX)
def test_a_fault_in_onnx(
    keras_runner: Any, exported: dict[str, Path], tmp_path: Path, name: str
) -> None:
    plant, node, words = IN_ONNX[name]
    loaded = onnx.load(str(exported["onnx"]))
    plant(loaded.graph)
    path = tmp_path / "bad.onnx"
    onnx.save(loaded, str(path))
    for isolate in (False, True):
        found = compared(keras_runner, open_runner(path), isolate=isolate)
        assert not found.equal
        assert found.first is not None
        assert found.first.node.name == node
        assert words in " / ".join(cause.evidence for cause in found.causes)


def _set(model: Any, weight: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    variable = next(w for w in model.weights if w.path == weight)
    variable.assign(change(np.asarray(variable)))


def swapped(model: Any) -> None:
    bn = model.get_layer("bn")
    gamma, beta = np.asarray(bn.gamma), np.asarray(bn.beta)
    bn.gamma.assign(beta)
    bn.beta.assign(gamma)


def stale(model: Any) -> None:
    _set(model, "bn/moving_mean", np.zeros_like)
    _set(model, "bn/moving_variance", np.ones_like)


def _always_training() -> Any:
    import keras

    class AlwaysTraining(keras.layers.BatchNormalization):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(inputs, training=True)

    return AlwaysTraining


REBUILT: dict[str, tuple[Callable[[], Any], str, str]] = {
    "swapped gamma and beta": (lambda: rebuilt(swapped), "bn", "gamma and beta are swapped"),
    "stale statistics": (lambda: rebuilt(stale), "bn", "stale"),
    "epsilon": (lambda: rebuilt(epsilon=1e-5), "bn", "epsilon 1e-05, the first 0.001"),
    "training mode": (lambda: rebuilt(norm=_always_training()), "bn", "training mode"),
}


@pytest.mark.parametrize("name", REBUILT)
def test_a_fault_in_a_rebuilt_model(keras_runner: Any, name: str) -> None:
    make, node, words = REBUILT[name]
    found = compared(keras_runner, make())
    assert found.first is not None
    assert found.first.node.name == node
    assert words in " / ".join(cause.evidence for cause in found.causes)


def test_a_range_that_is_too_narrow(keras_runner: Any, exported: dict[str, Path]) -> None:
    found = compared(keras_runner, open_runner(exported["clipped"]), isolate=True)
    assert found.first is not None
    assert found.first.node.name in ("image", "relu")
    assert "too narrow" in " / ".join(cause.evidence for cause in found.causes)


def test_results_without_a_name_are_laid_side_by_side(
    keras_runner: Any, exported: dict[str, Path], tmp_path: Path
) -> None:
    """The converter calls the result `Identity`: nothing but its place says what it is."""
    loaded = onnx.load(str(exported["onnx"]))
    _node(loaded.graph, "Softmax").op_type = "Sigmoid"
    del _node(loaded.graph, "Sigmoid").attribute[:]
    onnx.save(loaded, str(tmp_path / "bad.onnx"))
    found = compared(keras_runner, open_runner(tmp_path / "bad.onnx"))
    assert found.first is not None
    assert found.first.node.name == "softmax"
    assert found.outputs[0].found == "result"


def test_isolation_tells_the_wrong_node_from_those_behind_it(
    keras_runner: Any, exported: dict[str, Path], tmp_path: Path
) -> None:
    loaded = onnx.load(str(exported["onnx"]))
    wrong_pool(loaded.graph)
    transposed(loaded.graph)
    onnx.save(loaded, str(tmp_path / "two.onnx"))
    found = compared(keras_runner, open_runner(tmp_path / "two.onnx"), isolate=True)
    alone = [row.node.name for row in found.rows if row.alone_verdict == "differs"]
    assert alone == ["pool", "square"]
    behind = [row.node.name for row in found.rows if row.verdict == "differs"]
    assert {"join", "flat", "first", "logits"} <= set(behind)
