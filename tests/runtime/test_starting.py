"""Weights to start from, out of files of every kind; and nodes that are frozen."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from opgraph.analysis import analyze
from opgraph.errors import Source, TraceError
from opgraph.graph import OpGraph
from opgraph.record import Keyframe
from opgraph.record.keyframes import write_keyframe
from opgraph.runtime import build
from opgraph.runtime.freezing import freeze
from opgraph.runtime.starting import load_weights
from opgraph.runtime.state import state_arrays
from opgraph.text import parse

pytestmark = pytest.mark.tf

# every way in which Keras nests weights inside a layer, and names that Keras cannot take
NESTED = """
x: Input(shape=(6, 8))
x, x -> mha
mha -> lstm_1 -> "bn/a" -> rep -> bi -> conv1d_1 -> norm -> flat -> d -> d2
twin = d2
d -> twin
mha: MultiHeadAttention(num_heads=2, key_dim=4)
lstm_1: LSTM(units=3, dropout=0.2)
"bn/a": BatchNormalization
rep: RepeatVector(n=3)
bi: Bidirectional(layer=GRU(units=2, return_sequences=true))
conv1d_1: Conv1D(filters=4, kernel_size=2)
norm: LayerNormalization
flat: Flatten
d: Dense(units=3)
d2: Dense(units=3)
"""
SMALL = "x: Input(shape=(4,)) -> d[units=5] -> e[units=3]\nd: Dense\ne: Dense"
FORMS = ("net.keras", "net.weights.h5", "net.h5", "net.safetensors", "run")


def graph_of(text: str) -> OpGraph:
    return analyze(parse(Source("net", text), "net")).require().graph


def values(built: Any) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in built.weight_names.items()}


def filled(text: str, seed: int = 0) -> Any:
    """A network with weights that no other has."""
    built = build(graph_of(text), seed=1)
    random = np.random.default_rng(seed)
    for variable in built.weight_names.values():
        variable.assign(random.normal(size=variable.shape))
    return built


def save(built: Any, path: Path) -> str:
    """Write weights in the form that the name says."""
    if path.name == "net.safetensors":
        save_file(values(built), path)
    elif path.name == "run":
        write_keyframe(path, Keyframe(7, state_arrays(built), {"epoch": 0, "index": 0}))
        return str(path / "keyframes" / "step-000007.safetensors")
    elif path.name == "net.weights.h5":
        built.model.save_weights(path)
    else:
        built.model.save(path)
    return str(path)


@pytest.mark.parametrize("form", FORMS)
def test_all_weights_come_back_bit_for_bit(form: str, tmp_path: Path) -> None:
    before = filled(NESTED)
    source = save(before, tmp_path / form)
    after = build(graph_of(NESTED), seed=2)
    started = load_weights(after, source)
    assert started.loaded == tuple(after.weight_names)
    assert (started.kept, started.unused) == ((), ())
    wanted = values(before)
    for name, found in values(after).items():
        assert found.tobytes() == wanted[name].tobytes(), name


@pytest.mark.parametrize("form", FORMS)
def test_what_does_not_fit_is_left_and_told(form: str, tmp_path: Path) -> None:
    before = filled(SMALL)
    source = save(before, tmp_path / form)
    after = build(graph_of("x: Input(shape=(4,)) -> d[units=5] -> e[units=7] -> f[units=2]\n"
                           "d: Dense\ne: Dense\nf: Dense"), seed=2)  # fmt: skip
    kept = values(after)
    started = load_weights(after, source)
    assert started.loaded == ("d/kernel", "d/bias")
    assert [(x.name, x.reason) for x in started.kept] == [
        ("e/kernel", "shape (5, 3) in the file, (5, 7) here"),
        ("e/bias", "shape (3,) in the file, (7,) here"),
        ("f/kernel", "not in the file"),
        ("f/bias", "not in the file"),
    ]
    assert started.unused == ()
    assert started.summary == (
        f"weights from {source}: 2 loaded, 4 left at their initial values, 0 in the file not used"
    )
    assert np.array_equal(values(after)["d/kernel"], values(before)["d/kernel"])
    assert all(np.array_equal(values(after)[x.name], kept[x.name]) for x in started.kept)


@pytest.mark.parametrize("form", ["net.keras", "net.h5", "net.safetensors"])
def test_what_nobody_took_is_told(form: str, tmp_path: Path) -> None:
    source = save(filled(SMALL), tmp_path / form)
    after = build(graph_of("x: Input(shape=(4,)) -> d[units=5]\nd: Dense"), seed=2)
    started = load_weights(after, source)
    assert started.loaded == ("d/kernel", "d/bias")
    assert len(started.unused) == 2
    assert all(name.startswith("e/") for name in started.unused)
    assert started.rows()[-1] == (started.unused[-1], "in the file, not used")
    assert started.as_dict()["loaded"] == ("d/kernel", "d/bias")


@pytest.mark.slow
def test_a_run_gives_the_step_that_is_asked_for(tmp_path: Path) -> None:
    import opgraph

    random = np.random.default_rng(0)
    data = random.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
    run = opgraph.trace(SMALL, data, output=tmp_path / "run", steps=3, keyframe_every=1)
    assert run.record.keyframe_steps == [0, 1, 2, 3]
    for source, step in ((f"{tmp_path / 'run'}@1", 1), (str(tmp_path / "run"), 3)):
        after = build(graph_of(SMALL), seed=2)
        assert load_weights(after, source).kept == ()
        for name, found in values(after).items():
            assert np.array_equal(found, run.record.keyframe(step).arrays[f"model/{name}"])


def test_a_model_of_keras_is_matched_by_its_layer_names(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="d"),
                              keras.layers.Dense(3, name="other")])  # fmt: skip
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    model.save(tmp_path / "net.keras")  # the state of the optimizer is in it as well
    after = build(graph_of(SMALL), seed=2)
    started = load_weights(after, str(tmp_path / "net.keras"))
    assert started.loaded == ("d/kernel", "d/bias")
    assert started.unused == ("other/vars/0", "other/vars/1")
    assert np.array_equal(values(after)["d/kernel"], model.layers[0].kernel.numpy())


def test_a_file_without_names_is_matched_by_kind_and_number(tmp_path: Path) -> None:
    before, path = filled(SMALL), tmp_path / "old.weights.h5"
    before.model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)
    after = build(graph_of(SMALL), seed=2)
    assert load_weights(after, str(path)).loaded == tuple(after.weight_names)
    assert all(np.array_equal(values(after)[name], x) for name, x in values(before).items())


def test_bfloat16_weights_keep_their_bits(tmp_path: Path) -> None:
    text = SMALL.replace("d: Dense", "d: Dense(dtype=bfloat16)")
    before = filled(text)
    for form in ("net.keras", "run"):
        source = save(before, tmp_path / form)
        after = build(graph_of(text), seed=2)
        load_weights(after, source)
        found = values(after)["d/kernel"]
        assert found.dtype == ml_dtypes.bfloat16
        assert found.tobytes() == values(before)["d/kernel"].tobytes()


def test_nothing_of_the_network_changes_while_it_is_compared(tmp_path: Path) -> None:
    after = build(graph_of(SMALL), seed=2)
    kept = values(after)
    save(filled(SMALL.replace("d", "q").replace("e[", "w[").replace("e:", "w:")
                .replace("qensq", "dense")), tmp_path / "net.keras")  # fmt: skip
    with pytest.raises(TraceError):
        load_weights(after, str(tmp_path / "net.keras"))
    assert all(np.array_equal(values(after)[name], x) for name, x in kept.items())


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    source = save(filled("x: Input(shape=(4,)) -> dd[units=5]\ndd: Dense"), tmp_path / "net.h5")
    with pytest.raises(TraceError) as caught:
        load_weights(build(graph_of(SMALL)), source)
    assert str(caught.value) == (
        "weights: nothing in 'net.h5' fits this network, by name and shape; the file has 'dd'\n"
        "   did you mean 'dd'?"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.keras", None, "weights: '{path}': no such file or run"),
        (
            "net.txt",
            b"",
            "weights: 'net.txt': expected one of .keras, .weights.h5, .h5, .safetensors, or a run"
            " directory",
        ),
        (
            "net.h5",
            b"abc",
            "weights: 'net.h5' is damaged: Unable to synchronously open file (file signature not"
            " found)",
        ),
        ("net.keras", b"abc", "weights: 'net.keras' is damaged: File is not a zip file"),
        (
            "net.safetensors",
            b"abc",
            "weights: 'net.safetensors' is damaged: Error while deserializing header: header too"
            " small",
        ),
    ],
)
def test_what_cannot_be_read(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TraceError) as caught:
        load_weights(build(graph_of(SMALL)), str(tmp_path / name))
    assert str(caught.value) == message.format(path=tmp_path / name)


def refused(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        load_weights(build(graph_of(SMALL)), str(path))
    return str(caught.value)


def test_a_file_that_points_at_another_is_refused(tmp_path: Path) -> None:
    save(filled(SMALL), tmp_path / "net.weights.h5")
    with h5py.File(tmp_path / "evil.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "net.weights.h5"), "/layers")
    assert refused(tmp_path / "evil.weights.h5") == (
        "weights: 'evil.weights.h5' is damaged: 'layers' points at another file, which is not"
        " followed"
    )
    with h5py.File(tmp_path / "link.weights.h5", "w") as file:
        file.create_group("layers")["dense"] = h5py.ExternalLink(
            str(tmp_path / "net.weights.h5"), "/layers/dense"
        )
    assert refused(tmp_path / "link.weights.h5") == (
        "weights: 'link.weights.h5' is damaged: 'dense' points at another file, which is not"
        " followed"
    )


@pytest.mark.skipif(os.name == "nt", reason="a file of the system")
def test_numbers_that_stand_in_another_file_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "evil.weights.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = "d"
        secret = tmp_path / "secret"
        secret.write_bytes(bytes(80))
        group.create_dataset("0", (4, 5), "f4", external=[(str(secret), 0, 80)])
    assert refused(tmp_path / "evil.weights.h5") == (
        "weights: 'evil.weights.h5' is damaged: the numbers of '0' stand in another file, which is"
        " not read"
    )


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(10_000_000))
    assert refused(tmp_path / "bomb.keras") == (
        "weights: 'bomb.keras' is damaged: model.weights.h5 is packed more than 100 times smaller"
    )


def test_groups_in_a_circle_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "round.weights.h5", "w") as file:
        layer = file.create_group("layers/dense")
        layer["self"] = layer
    assert refused(tmp_path / "round.weights.h5") == (
        "weights: 'round.weights.h5' is damaged: groups nested more than 24 deep"
    )


def test_no_layer_of_a_file_is_rebuilt(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="d"),
                              keras.layers.Lambda(lambda x: x + 1)])  # fmt: skip
    model.save(tmp_path / "code.keras")
    after = build(graph_of(SMALL), seed=2)
    assert load_weights(after, str(tmp_path / "code.keras")).loaded == ("d/kernel", "d/bias")


# ---------------------------------------------------------------------------------------- freezing


def test_frozen_weights_do_not_train() -> None:
    frozen = freeze(graph_of(NESTED), "lstm*, bn/a, [df]*2")
    assert frozen.nodes == ("lstm_1", "bn/a", "d2")
    built = build(frozen.graph)
    free = {name.rpartition("/")[0] for name, v in built.weight_names.items() if v.trainable}
    assert not free & {"lstm_1/lstm_cell", "bn/a", "d2"}
    assert "d" in free


def test_the_count_of_frozen_numbers_is_keras_own() -> None:
    frozen = freeze(graph_of(NESTED), "lstm*,d,mha")
    built = build(frozen.graph)
    layers = {name: built.layers[name] for name in frozen.nodes}
    assert frozen.nodes == ("lstm_1", "d", "mha")
    assert frozen.params == sum(layer.count_params() for layer in layers.values())


def test_a_node_that_shares_weights_freezes_their_owner() -> None:
    assert freeze(graph_of(NESTED), "twin").nodes == ("d2",)


def test_the_graph_that_was_given_stays_as_it_was(networks: Callable[[str], OpGraph]) -> None:
    graph = networks("tiny")
    assert not freeze(graph, "d").graph["d"].op.trainable
    assert graph["d"].op.trainable


@pytest.mark.parametrize(
    ("globs", "message"),
    [
        ("denze", "freeze: no node is called 'denze'"),
        ("logitz*", "freeze: no node is called 'logitz*'\n   did you mean 'logits'?"),
        ("r", "freeze: 'r' matches 'r', which has no weights\n   'd' has some"),
        (
            "d, x*",
            "freeze: 'x*' matches 'x', which has no weights\n   'd' has some",
        ),
    ],
)
def test_what_cannot_be_frozen(
    globs: str, message: str, networks: Callable[[str], OpGraph]
) -> None:
    with pytest.raises(TraceError) as caught:
        freeze(networks("tiny"), globs)
    assert str(caught.value) == message


# ------------------------------------------------------------------------------------ initialisers

SPREAD = {
    "he_normal": np.sqrt(2 / 64),
    "HeNormal(seed=1)": np.sqrt(2 / 64),
    "RandomNormal(stddev=0.02)": 0.02,
    "random_normal(mean=1, stddev=0.1)": 0.1,
    "VarianceScaling(scale=2, mode=fan_out, distribution=uniform)": np.sqrt(2 / 500),
    "Constant(value=0.5)": 0.0,
    "zeros": 0.0,
}


@pytest.mark.parametrize("spec", SPREAD)
def test_initialisers_of_nodes_may_have_arguments(spec: str) -> None:
    import opgraph

    graph = opgraph.read("x: Input(shape=(64,)) -> fc1[units=500] -> fc2[units=500]")
    built = build(graph.set(f"fc1.kernel_initializer={spec}").analyze().require().graph, seed=3)
    assert values(built)["fc1/kernel"].std() == pytest.approx(SPREAD[spec], rel=0.02, abs=1e-7)
