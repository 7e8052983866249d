"""Tensors as files: the same bits read back."""

from __future__ import annotations

import csv
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from opgraph.errors import FormatError
from opgraph.formats import write_tensors

ARRAY = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


def test_npy_and_npz(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.npy", {"a": ARRAY})
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), ARRAY)
    brain = ARRAY.astype(ml_dtypes.bfloat16)
    write_tensors(tmp_path / "x.npz", {"a.kernel": ARRAY, "b": brain})
    found = np.load(tmp_path / "x.npz")
    np.testing.assert_array_equal(found["a.kernel"], ARRAY)
    assert found["b"].dtype == np.float32
    np.testing.assert_array_equal(found["b"].astype(ml_dtypes.bfloat16), brain)


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int32"])
def test_csv(tmp_path: Path, kind: str) -> None:
    array = (ARRAY * 100).astype(kind)
    write_tensors(tmp_path / "x.csv", {"a": array})
    with (tmp_path / "x.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["axis_0", "axis_1", "value"]
    found = np.zeros_like(array)
    for *index, value in rows:
        found[tuple(map(int, index))] = np.dtype(kind).type(value)
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("x.npy", 2, "x.npy: .npy holds one tensor\n   choose one, or write a .npz"),
        ("x.csv", 0, "x.csv: .csv holds one tensor\n   choose one, or write a .npz"),
        (
            "x.pkl",
            1,
            "x.pkl: tensors are written as .npy, .npz, .csv, and one as a picture (.png, .svg);"
            " received the suffix '.pkl'",
        ),
    ],
)
def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, count: int,
                  message: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError) as caught:
        write_tensors(Path(name), {str(i): ARRAY for i in range(count)})
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())
