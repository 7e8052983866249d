"""Tensors as files: `.npy`, `.npz` and `.csv`.

Owns how numbers are written there so that they read back to the same bits; must not know where they
come from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opgraph.errors import FormatError, RunError
from opgraph.files import write_bytes, write_text

TENSOR_SUFFIXES = (".npy", ".npz", ".csv")
Arrays = Mapping[str, NDArray[Any]]


def write_tensors(path: Path, arrays: Arrays) -> None:
    """Write tensors; bfloat16, which NumPy has no name for, as float32, which changes no number.

    Args:
        path: `.npz` takes any number of tensors; `.npy` and `.csv` take one.
        arrays: tensors by name.

    Raises:
        FormatError: the suffix is another one, or takes a single tensor.
    """
    check_tensor_file(path, several=len(arrays) != 1)
    suffix = path.suffix.lower()
    plain = {name: _plain(array) for name, array in arrays.items()}
    if suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **plain)  # pyright: ignore[reportArgumentType]
        write_bytes(path, buffer.getvalue(), RunError)
        return
    (array,) = plain.values()
    if suffix == ".csv":
        write_text(path, _csv(array), RunError)
        return
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue(), RunError)


def check_tensor_file(path: Path, *, several: bool) -> None:
    """Refuse a file that tensors cannot be written to.

    Raises:
        FormatError: its suffix is another one, or takes a single tensor.
    """
    suffix = path.suffix.lower()
    if suffix not in TENSOR_SUFFIXES:
        raise FormatError(
            f"tensors are written as {', '.join(TENSOR_SUFFIXES)}, and one as a picture (.png,"
            f" .svg); received the suffix {suffix!r}",
            where=str(path),
        )
    if several and suffix != ".npz":
        raise FormatError(
            f"{suffix} holds one tensor", where=str(path), hint="choose one, or write a .npz"
        )


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype.kind in "biuf" else array.astype(np.float32)


def _csv(array: NDArray[Any]) -> str:
    """One row an element: its index, axis by axis, and its value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(f"axis_{axis}" for axis in range(array.ndim)), "value"])
    writer.writerows([*index, str(value)] for index, value in np.ndenumerate(array))
    return text.getvalue()
