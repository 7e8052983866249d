"""Exported files cut off and with bits turned: one clear error or a graph, and nothing else."""

from __future__ import annotations

import random

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import OpgraphError
from opgraph.formats import read

MUTATIONS = 200


def mutated(content, number):
    """The content with a few bits turned, or every fourth time without its end."""
    random_source = random.Random(number)
    changed = bytearray(content)
    if number % 4 == 0:
        return bytes(changed[: random_source.randrange(len(changed))])
    for _ in range(random_source.choice((1, 1, 2, 8, 40))):
        changed[random_source.randrange(len(changed))] ^= 1 << random_source.randrange(8)
    return bytes(changed)


def endure(path, content, numbers):
    """Read each mutation with its weights; counts those that were read all the same."""
    survived, refused = 0, []
    for number in numbers:
        path.write_bytes(mutated(content, number))
        try:
            graph = read(path)
            analyze(graph)
            for node in graph:
                for weight in (node.origin.weights if node.origin else {}).values():
                    weight.read()
        except OpgraphError as error:
            refused.append(error)
        else:
            survived += 1
    assert all(str(path) in error.headline for error in refused)
    assert not any("\n" in error.headline for error in refused)
    return survived


def onnx_file(path):
    """A model with a convolution, an LSTM, a table and a graph inside a node."""
    helper = pytest.importorskip("onnx").helper
    from tests.formats.onnx_models import numbers, saved

    out = helper.make_tensor_value_info("z", 1, None)
    inside = helper.make_graph([helper.make_node("Tanh", ["r"], ["z"])], "inside", [], [out])
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}),
        ("Conv", ["t", "w", "b"], ["c"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("Relu", ["c"], ["r"], {}),
        ("If", ["which"], ["i"], {"then_branch": inside, "else_branch": inside}),
        ("Reshape", ["r", "shape"], ["s"], {}),
        ("Transpose", ["s"], ["q"], {"perm": [1, 0, 2]}),
        ("LSTM", ["q", "lw", "lr"], ["l", "", ""], {"hidden_size": 3}),
        ("Squeeze", ["l", "one"], ["k"], {}),
        ("Gemm", ["k", "lw"], ["y"], {"transB": 1}),
    ]
    arrays = {"w": numbers(40, 3, 5, 7), "b": numbers(40), "lw": numbers(1, 12, 40)}
    arrays |= {"lr": numbers(1, 12, 3), "one": np.array([1]), "which": np.array(True)}
    arrays["shape"] = np.array([0, 16, 40])
    return saved(path, nodes, (None, 8, 8, 3), outputs=("y", "i"), **arrays)


def test_onnx(tmp_path):
    path = onnx_file(tmp_path / "m.onnx")
    survived = endure(path, path.read_bytes(), range(MUTATIONS))
    assert 0 < survived < MUTATIONS


def tflite_file(path):
    """A model with a convolution, a function, a batch normalisation and a dense layer."""
    pytest.importorskip("tflite")
    from tests.formats.test_tflite import CONV, Writer, numbers

    writer = Writer()
    x = writer.tensor("x", (None, 8, 9, 3))
    w, b = (writer.tensor(f"net/conv/{n}", a.shape, a) for n, a in
            (("w", numbers(20, 3, 3, 3)), ("b", numbers(20))))  # fmt: skip
    c = writer.tensor("net/relu/Relu;net/conv/Conv", (None, 4, 9, 20))
    options = {key: value for key, value in CONV.items() if key != "options"}
    writer.operator("CONV_2D", [x, w, b], [c], "Conv2DOptions", **options,
                    FusedActivationFunction=1)  # fmt: skip
    axes = writer.tensor("axes", (2,), np.array([1, 2], "int32"), "int32")
    m = writer.tensor("net/mean", (None, 20))
    writer.operator("MEAN", [c, axes], [m])
    k = writer.tensor("net/fc/w", (7, 20), numbers(7, 20))
    y = writer.tensor("net/fc/out", (None, 7))
    writer.operator("FULLY_CONNECTED", [m, k], [y])
    path.write_bytes(writer.content([x], [y]))
    return path


def test_tflite(tmp_path):
    path = tflite_file(tmp_path / "m.tflite")
    assert len(read(path)) == 5
    survived = endure(path, path.read_bytes(), range(MUTATIONS))
    assert 0 < survived < MUTATIONS
