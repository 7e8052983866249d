"""Every sample graph: built, written as source and run, and read back from Keras."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.formats import from_json, read, read_config, to_json, to_source

keras = pytest.importorskip("keras")

from opgraph.runtime import build  # noqa: E402

pytestmark = pytest.mark.tf

ROOT = Path(__file__).parents[2] / "sample_graphs"
FILES = sorted(path for path in ROOT.glob("*.*") if path.suffix in (".txt", ".csv", ".json"))


@pytest.fixture(scope="module")
def samples():
    """Analysis and model of each file, made once."""
    made = {}

    def get(path):
        if path not in made:
            analysis = analyze(read(path)).require()
            made[path] = analysis, build(analysis.graph, seed=1)
        return made[path]

    return get


def batch(model):
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 5, (2, *tensor.shape[1:])).astype(tensor.dtype)
        if "int" in tensor.dtype
        else rng.normal(size=(2, *tensor.shape[1:])).astype(tensor.dtype)
        for tensor in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shapes_and_counts_are_those_of_the_analysis(path, samples):
    analysis, built = samples(path)
    totals = analysis.totals
    trainable = sum(weight.numpy().size for weight in built.model.trainable_weights)
    assert trainable == totals.trainable.value
    assert built.model.count_params() == totals.params.value
    for end, tensor in built.outputs.items():
        assert tuple(tensor.shape[1:]) == analysis[end.node].outputs[end.port], end
    sizes = {name: weight.numpy().size for name, weight in built.weight_names.items()}
    for name, facts in analysis.facts.items():
        for weight, said in facts.weights.items():
            owner = analysis.graph.owner(name)
            assert sizes[f"{owner}/{weight}"] == said.size


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_source_builds_the_same_model(path, samples):
    analysis, built = samples(path)
    space: dict[str, object] = {"__name__": "written"}
    exec(compile(to_source(analysis.graph), "model.py", "exec"), space)
    model = space["build_model"]()
    assert [layer.name for layer in model.layers] == [layer.name for layer in built.model.layers]
    assert [w.shape for w in model.weights] == [w.shape for w in built.model.weights]
    model.set_weights(built.model.get_weights())
    data = batch(model)
    ours, theirs = keras.tree.flatten(model(data)), keras.tree.flatten(built.model(data))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_model_is_read_back(path, samples):
    analysis, built = samples(path)
    again = read_config(json.loads(built.model.to_json()))
    assert not [node.name for node in again if node.kind.category == "opaque"]
    assert len(again) == len(analysis.graph)
    assert analyze(again).require().totals.params == analysis.totals.params
    model = build(again).model
    assert [w.shape for w in model.weights] == [w.shape for w in built.model.weights]
    model.set_weights(built.model.get_weights())
    data = batch(model)
    ours, theirs = keras.tree.flatten(model(data)), keras.tree.flatten(built.model(data))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_goes_through_json(path, samples):
    graph = samples(path)[0].graph
    assert from_json(json.loads(json.dumps(to_json(graph), allow_nan=False))) == graph


def test_the_sample_has_its_known_figures(samples):
    model = samples(ROOT / "cnn.txt")[1].model
    assert model.count_params() == 111_946
    assert sum(weight.numpy().size for weight in model.trainable_weights) == 111_498
