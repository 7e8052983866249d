"""Weights of Keras files: found by name, read when asked for, and what is refused."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from opgraph.errors import FormatError
from opgraph.formats import read

KERNEL = np.arange(12.0, dtype="float32").reshape(4, 3)
BIAS = np.array([1, 2, 3], "float32")


@pytest.fixture
def config(make):
    inside = make.functional(
        make.entry("x", 4),
        make.layer("fc", "Dense", ("x", 0, 0, [4]), units=3, activation="linear"),
        make.layer("gru", "Dense", ("x", 0, 0, [4]), units=3, activation="linear"),
        outputs=(("fc", 0, 0), ("gru", 0, 0)),
    )
    return {"class_name": "Functional", "config": inside}


def hdf5(fill):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def fill(file):
    """As Keras 3 writes it: groups by kind and number, names beside the variables."""
    for group, name, scale in (("dense", "fc", 1), ("dense_1", "gru", 2)):
        own = file.create_group(f"layers/{group}/vars")
        own.attrs["name"] = name
        own["0"], own["1"] = KERNEL * scale, BIAS * scale


def keras_file(path, config, content, how=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr("config.json", json.dumps(config))
        entry = zipfile.ZipInfo("model.weights.h5")
        entry.extra = b"\x99\x99\x04\x00more"  # as archivers write it between name and content
        archive.writestr(entry, content, how)
    return path


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_of_a_keras_file(tmp_path, config, how):
    graph = read(keras_file(tmp_path / "m.keras", config, hdf5(fill), how))
    origin = graph["gru"].origin
    assert (origin.names, origin.dtype, origin.scope) == (("gru",), "float32", None)
    assert list(origin.weights) == ["kernel", "bias"]
    assert origin.weights["kernel"].shape == (4, 3)
    assert origin.weights["kernel"].name == "/layers/dense_1/vars/0"
    np.testing.assert_array_equal(origin.weights["kernel"].read(), KERNEL * 2)
    np.testing.assert_array_equal(graph["fc"].origin.weights["bias"].read(), BIAS)


def test_weights_of_a_legacy_file(tmp_path, config):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [b"x", b"fc"]
        top.create_group("x").attrs["weight_names"] = []
        group = top.create_group("fc")
        group.attrs["weight_names"] = [b"fc/kernel:0", b"fc/bias:0"]
        group["fc/kernel:0"], group["fc/bias:0"] = KERNEL, BIAS
    graph = read(path)
    assert list(graph["fc"].origin.weights) == ["kernel", "bias"]
    np.testing.assert_array_equal(graph["fc"].origin.weights["kernel"].read(), KERNEL)
    assert dict(graph["gru"].origin.weights) == {}


def test_what_the_op_has_no_name_for_keeps_the_name_of_the_file(tmp_path, config):
    def strange(file):
        fill(file)
        file["layers/dense/vars/2"] = BIAS
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = KERNEL

    graph = read(keras_file(tmp_path / "m.keras", config, hdf5(strange)))
    assert list(graph["fc"].origin.weights) == [
        "kernel",
        "/layers/dense/vars/1",
        "/layers/dense/vars/2",
    ]


def asked(path, config, content):
    graph = read(keras_file(path, config, content))  # the structure is read all the same
    with pytest.raises(FormatError) as caught:
        graph["fc"].origin.weights["kernel"].read()
    return str(caught.value).replace(str(path), path.name)


def test_damaged_weights(tmp_path, config):
    message = asked(tmp_path / "m.keras", config, b"none at all")
    assert message.startswith("m.keras: its weights cannot be read: ")
    assert message.count("\n") == 0


def test_a_link_out_of_the_file_is_not_followed(tmp_path, config):
    def linked(file):
        file["layers"] = h5py.ExternalLink("/other.h5", "/layers")

    assert asked(tmp_path / "m.keras", config, hdf5(linked)) == (
        "m.keras: its weights cannot be read: 'layers' points at another file,"
        " which is not followed"
    )


def test_an_array_that_claims_more_than_it_holds(tmp_path, config, monkeypatch):
    def huge(file):
        own = file.create_group("layers/dense/vars")
        own.attrs["name"] = "fc"
        own.create_dataset("0", (4, 3 << 40), "float32", chunks=(1, 8))

    graph = read(keras_file(tmp_path / "m.keras", config, hdf5(huge)))
    (weight,) = graph["fc"].origin.weights.values()
    with pytest.raises(
        FormatError, match=r"'/layers/dense/vars/0' claims 52,776,558,133,248 bytes"
    ):
        weight.read()


def test_a_file_without_weights(tmp_path, config):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    with pytest.raises(FormatError) as caught:
        len(read(path)["fc"].origin.weights)
    assert str(caught.value).endswith("cannot be read: an archive without model.weights.h5")
