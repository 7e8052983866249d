"""Specs, descriptions and recreation; and what this package must not import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import opgraph
from opgraph.errors import DataError
from opgraph.runtime.data import Data, load, peek, recreate

Refusal = Callable[..., str]
Load = Callable[..., Data]
FORMS = (
    "expected digits, a Keras dataset such as mnist, synthetic:<kind>, or the path of an .npz file,"
    " a .csv file or a folder with one folder of pictures for each class"
)
NOTHING = "no data of that name, and no such file or folder\n   "


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digts", f"digts: {NOTHING}did you mean 'digits'? {FORMS}"),
        ("minst", f"minst: {NOTHING}did you mean 'mnist'? {FORMS}"),
        ("qqqqqqqqq", f"qqqqqqqqq: {NOTHING}{FORMS}"),
        ("", f"'': {NOTHING}{FORMS}"),
        ("no/such/folder", f"no/such/folder: {NOTHING}{FORMS}"),
        ("no.csv", "no.csv: there is no such file"),
        ("notes.md", f"notes.md: is not a kind of file that data can be read from\n   {FORMS}"),
    ],
)
@pytest.mark.parametrize("function", ["load", "peek"])
def test_data_that_are_not_there(
    place: Path, refusal: Refusal, load_one: Load, spec: str, message: str, function: str
) -> None:
    (place / "notes.md").write_text("# notes")
    arguments = (load_one, spec, (3,)) if function == "load" else (peek, spec)
    assert refusal(*arguments) == message


def test_networks_without_inputs(refusal: Refusal) -> None:
    assert refusal(load, "digits", []) == "the network has no Input node, so no data can enter it"


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        (None, "float32"),
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float64", "float64"),
        ("float32", "float32"),
    ],
)
def test_types_of_the_numbers(load_one: Load, dtype: str | None, given: str) -> None:
    assert load_one("synthetic:blobs:40", (3,), dtype).train.inputs[0].dtype == given


def test_description_recreates_the_data(place: Path, refusal: Refusal) -> None:
    numbers = np.random.default_rng(0).normal(size=(12, 3))
    np.savez("d.npz", left=numbers, right=numbers > 0, word=np.array(["no", "yes"] * 6))
    inputs = [("left", (3,), "float64"), ("right", (None,), "int32")]
    data = load("d.npz", inputs, num_classes=3, seed=8, outputs=["word"], vocabulary={"right": 2})
    description = json.loads(json.dumps(data.description))
    again = recreate(description)
    assert again.fingerprint == data.fingerprint
    assert again.description == data.description
    assert again.class_names == ("no", "yes", "2")
    np.savez("d.npz", left=numbers + 1e-9, right=numbers > 0, word=np.array(["no", "yes"] * 6))
    changed = load("d.npz", inputs, num_classes=3, seed=8, outputs=["word"]).fingerprint
    assert refusal(recreate, description) == (
        f"d.npz: the data have changed: their fingerprint is {changed}, it was {data.fingerprint}\n"
        "   steps can be replayed only with the data they were trained on"
    )
    Path("d.npz").unlink()
    assert refusal(recreate, description) == "d.npz: there is no such file"


def test_fingerprint_tells_every_array(place: Path, load_one: Load) -> None:
    arrays = {
        "x_train": np.zeros((4, 2)),
        "y_train": np.arange(4) % 2,
        "x_test": np.zeros((4, 2)),
        "y_test": np.arange(4) % 2,
    }
    prints = set()
    for changed in (None, *arrays):
        other = {k: v.copy() for k, v in arrays.items()}
        if changed:
            other[changed].ravel()[0] = 1
        np.savez("d.npz", **other)
        prints.add(load_one("d.npz", (2,)).fingerprint)
    assert len(prints) == 5


def test_fingerprint_tells_shapes_and_types(place: Path, load_one: Load) -> None:
    x, y = np.zeros((4, 6), np.float32), np.arange(4) % 2
    prints = set()
    for shape, dtype in (((6,), None), ((2, 3), None), ((3, 2), None), ((6,), "int32")):
        np.savez(
            "d.npz", x_train=x.reshape(4, *shape), y_train=y, x_test=x.reshape(4, *shape), y_test=y
        )
        prints.add(load_one("d.npz", shape, dtype).fingerprint)
    assert len(prints) == 4


def test_test_labels_are_checked_too(place: Path, refusal: Refusal, load_one: Load) -> None:
    x, y = np.zeros((4, 2)), np.arange(4) % 2
    np.savez("d.npz", x_train=x, y_train=y, x_test=x, y_test=y + 1)
    assert refusal(load_one, "d.npz", (2,), num_classes=2) == (
        "d.npz, 'y_test': 2 of 4 labels are outside 0..1, the 2 classes of the network; the first,"
        " 2, is at [1]\n"
        "   number the classes from 0, or give the last layer one unit a class"
    )


def test_errors_name_the_node(place: Path, load_one: Load) -> None:
    np.savez("d.npz", x=np.zeros((4, 2)), y=np.arange(4) % 2)
    with pytest.raises(DataError) as caught:
        load_one("d.npz", (3,))
    assert caught.value.as_dict()["node"] == "x"


def test_package_needs_no_tensorflow(place: Path) -> None:
    """Its modules load, read and peek while TensorFlow, Keras and scikit-learn are blocked."""
    np.savez("d.npz", x=np.zeros((8, 2)), y=np.arange(8) % 2)
    root = Path(opgraph.__file__).parent
    code = f"""
import sys, types
blocked = ("tensorflow", "keras", "sklearn", "PIL", "pandas")
sys.modules.update(dict.fromkeys(blocked))
import opgraph
runtime = types.ModuleType("opgraph.runtime")
runtime.__path__ = [{str(root / "runtime")!r}]
sys.modules["opgraph.runtime"] = runtime
from opgraph.runtime.data import load, peek
print(peek("d.npz"), peek("digits"), peek("mnist"))
print(load("d.npz", [("x", (2,), None)]).train, load("synthetic:blobs:8", [("x", (2,), None)]).test)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == (
        "DataFacts(shape=(2,), num_classes=2, dtype='float32', kind='classes')"
        " DataFacts(shape=None, num_classes=10, dtype='float32', kind='classes')"
        " DataFacts(shape=(28, 28, 1), num_classes=10, dtype='float32', kind='classes')\n"
        "Split(6 examples of float32(2,)) Split(2 examples of float32(2,))\n"
    )
