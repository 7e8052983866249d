"""Graphs of any format saved as `.keras`, with the weights of the file that they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

import opgraph  # noqa: E402
from opgraph.cli.main import main  # noqa: E402
from opgraph.errors import BuildError, FormatError  # noqa: E402

ROOT = Path(__file__).parents[2] / "sample_graphs"
NETWORK = "x: Input(shape=(8, 8, 3)) -> conv_1[filters=4] -> bn_1 -> 全局平均池化 -> fc[units=2]"


@pytest.fixture
def model():
    made = opgraph.build(NETWORK, seed=1)
    chance = np.random.default_rng(3)
    for variable in made.variables:
        variable.assign(chance.uniform(0.5, 1.5, variable.shape))
    return made


def same(first, second):
    batch = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(first(batch, training=False), second(batch, training=False))


@pytest.mark.parametrize("suffix", [".txt", ".json", ".nx.json", ".graphml", ".dot", ".mmd"])
def test_every_format_becomes_a_keras_model(tmp_path, suffix):
    graph = opgraph.read(NETWORK)
    graph.save(tmp_path / f"g{suffix}")
    opgraph.read(tmp_path / f"g{suffix}").save(tmp_path / "g.keras")
    again = opgraph.read(tmp_path / "g.keras")
    assert again.nodes == ["x", "conv_1", "bn_1", "u5168u5c40u5e73u5747u6c60u5316", "fc"]
    assert [n.kind for n in again.inner] == [n.kind for n in graph.inner]
    again.save(tmp_path / f"h{suffix}")
    assert opgraph.read(tmp_path / f"h{suffix}") == again
    keras.models.load_model(tmp_path / "g.keras")


def test_weights_go_with_the_graph(tmp_path, model):
    model.save(tmp_path / "a.keras")
    graph = opgraph.read(tmp_path / "a.keras")
    graph.save(tmp_path / "b.keras", weights=True)
    same(keras.models.load_model(tmp_path / "b.keras"), model)
    graph.save(tmp_path / "c.keras", weights=tmp_path / "a.keras")
    same(keras.models.load_model(tmp_path / "c.keras"), model)
    same(opgraph.build(tmp_path / "a.keras", weights=True), model)


def test_convert_takes_the_weights_along(tmp_path, model, capsys):
    model.export(tmp_path / "exported", verbose=False)
    code = main(["convert", str(tmp_path / "exported"), str(tmp_path / "b.keras")])
    assert (code, capsys.readouterr().err.splitlines()[-2:]) == (
        0,
        [
            f"wrote {tmp_path / 'b.keras'} (5 nodes)",
            "weights from exported: 8 loaded, 0 left at their initial values, 0 in the file not"
            " used",
        ],
    )
    same(keras.models.load_model(tmp_path / "b.keras"), model)


def test_samples_become_keras_models(tmp_path):
    graph = opgraph.read(ROOT / "transformer_encoder.txt")
    graph.save(tmp_path / "g.keras")
    kinds = [node.kind.kind for node in graph.inner]
    assert [node.kind.kind for node in opgraph.read(tmp_path / "g.keras").inner] == kinds


def test_a_graph_of_no_file_has_no_weights(tmp_path):
    with pytest.raises(BuildError) as caught:
        opgraph.read(NETWORK).save(tmp_path / "g.keras", weights=True)
    assert str(caught.value) == (
        "graph: the graph comes from no file with weights that fit\n"
        "   name a file to take them from: weights='model.keras'"
    )
    assert list(tmp_path.iterdir()) == []


def test_only_models_have_a_place_for_weights(tmp_path):
    with pytest.raises(FormatError) as caught:
        opgraph.read(NETWORK).save(tmp_path / "g.txt", weights=True)
    assert str(caught.value).replace(str(tmp_path), "") == (
        "/g.txt: only a .keras file has a place for weights\n   leave them out"
    )
