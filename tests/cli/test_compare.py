"""`opgraph compare`: exit codes, the answer, JSON, the picture, one line for each bad input."""

import json

import keras
import numpy as np
import pytest

from opgraph.cli.main import main

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, slope in (("good", 0.1), ("bad", 0.4)):
        keras.utils.set_random_seed(1)
        x = keras.Input((6,), name="x")
        y = keras.layers.Dense(4, name="first")(x)
        y = keras.layers.LeakyReLU(negative_slope=slope, name="bend")(y)
        keras.Model(x, keras.layers.Dense(3, name="last")(y)).save(folder / f"{name}.keras")
    good = keras.models.load_model(folder / "good.keras")
    good.export(str(folder / "saved"), verbose=False)
    x = keras.Input((6,), name="x")
    keras.Model(x, keras.layers.Dense(7, name="other")(x)).save(folder / "other.keras")
    np.savez(folder / "data.npz", x=np.random.default_rng(0).normal(size=(20, 6)))
    np.savez(folder / "short.npz", x=np.ones((20, 5)))
    (folder / "none.onnx").write_bytes(b"no model")
    (folder / "none.tflite").write_bytes(b"no model")
    return folder


def test_equal_models(files, capsys):
    assert main(["compare", str(files / "good.keras"), str(files / "saved")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("equal within tolerance: good.keras (Keras) and saved (TensorFlow)")
    assert "4 of 4 nodes compared on 8 examples in 1 batch" in said.out


def test_the_first_difference_in_words_and_as_data(files, tmp_path, capsys):
    words = ["compare", str(files / "good.keras"), str(files / "bad.keras")]
    words += ["--data", str(files / "data.npz"), "--batch-size", "5"]
    assert main([*words, "--isolate", "-o", str(tmp_path / "d.svg")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("first diverging node: bend (LeakyReLU)")
    assert "fed the exact inputs of the first it differs" in said
    assert "negative_slope is 0.1" in said
    assert "differs from bad.keras" in (tmp_path / "d.svg").read_text("utf-8")
    assert main([*words, "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["first"], found["examples"], found["batches"]) == ("bend", 20, 4)
    by_name = {row["node"]: row for row in found["nodes"]}
    assert by_name["first"]["verdict"] == "equal"
    assert by_name["last"]["verdict"] == "differs"


@pytest.mark.parametrize(
    ("left", "right", "options", "words"),
    [
        ("good.keras", "gone.onnx", [], "there is no such file"),
        ("good.keras", "none.onnx", [], "cannot be read as ONNX"),
        ("good.keras", "none.tflite", [], "LiteRT refuses the model"),
        ("good.keras", "other.keras", [], "has no counterpart in other.keras"),
        ("data.npz", "good.keras", [], "no runtime for .npz"),
        ("good.keras", "bad.keras", ["--data", "short.npz"], "wants ?x6, received 8x5"),
        ("good.keras", "bad.keras", ["--data", "good.keras"], "cannot be read as .npy or .npz"),
        ("good.keras", "bad.keras", ["--data", "data.npz", "--batch-size", "99"], "fewer than"),
    ],
)
def test_what_cannot_be_compared(files, monkeypatch, capsys, left, right, options, words):
    monkeypatch.chdir(files)
    assert main(["compare", left, right, *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
