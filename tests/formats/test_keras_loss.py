"""The loss that Keras itself writes into a `.keras` file, and what lint makes of it."""

from __future__ import annotations

import json

import pytest

from opgraph.cli import main
from opgraph.errors import FormatError
from opgraph.formats import CompiledLoss, read_loss

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

losses = keras.losses


@keras.saving.register_keras_serializable("tests")
def own_loss(y_true, y_pred):
    return y_pred - y_true


def save(path, loss, heads=1):
    """A model that ends in scores, compiled as told; None for not at all."""
    x = keras.Input((4,), name="x")
    ends = [keras.layers.Dense(3, name=f"scores_{at}")(x) for at in range(heads)]
    model = keras.Model(x, ends[0] if heads == 1 else ends)
    if loss is not None:
        model.compile("sgd", loss)
    model.save(path)
    return path


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (None, None),
        ("mse", ("mse", False)),
        ("sparse_categorical_crossentropy", ("sparse_categorical_crossentropy", False)),
        ("BinaryCrossentropy", ("binary_crossentropy", False)),
        (
            losses.SparseCategoricalCrossentropy(from_logits=True),
            ("sparse_categorical_crossentropy", True),
        ),
        (losses.SparseCategoricalCrossentropy(), ("sparse_categorical_crossentropy", False)),
        (
            losses.CategoricalFocalCrossentropy(from_logits=True),
            ("categorical_focal_crossentropy", True),
        ),
        (losses.Huber(delta=2.0), ("huber", False)),
        (own_loss, None),
    ],
    ids=["none", "mse", "name", "class name", "scores", "default", "focal", "huber", "own"],
)
def test_a_model_with_one_output(tmp_path, loss, expected):
    found = read_loss(save(tmp_path / "m.keras", loss))
    assert found == (None if expected is None else CompiledLoss(*expected))


@pytest.mark.parametrize("loss", [["mse", "mae"], {"scores_0": "mse", "scores_1": "mae"}])
def test_several_losses_are_none(tmp_path, loss):
    assert read_loss(save(tmp_path / "m.keras", loss, heads=2)) is None


def test_other_files_say_no_loss(tmp_path):
    assert read_loss(tmp_path / "net.txt") is None
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    with pytest.raises(FormatError, match=r"not a \.keras file, which is a zip archive"):
        read_loss(tmp_path / "bad.keras")


def test_lint_takes_the_loss_of_the_file(tmp_path, capsys):
    default = save(tmp_path / "p.keras", losses.SparseCategoricalCrossentropy())
    scores = save(tmp_path / "s.keras", losses.SparseCategoricalCrossentropy(from_logits=True))
    assert main(["check", str(default), "--lint", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["node"]) == ("OG203", "scores_0")
    assert finding["problem"] == (
        "hands over scores, but sparse_categorical_crossentropy wants the softmax of them"
    )
    assert main(["check", str(scores), "--lint"]) == 0
    assert main(["check", str(scores), "--lint", "--loss", "sparse_categorical_crossentropy"]) == 1
