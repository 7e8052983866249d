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
    survived = 0
    for number in numbers:
        path.write_bytes(mutated(content, number))
        try:
            graph = read(path)
            analyze(graph)
            for node in graph:
                for weight in (node.origin.weights if node.origin else {}).values():
                    weight.read()
        except OpgraphError as error:
            assert str(path) in str(error) or error.where, str(error)
            assert "\n" not in error.problem
        else:
            survived += 1
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
