"""Weights as they stand in files of several kinds: whose they are, what shape, and how to read one.

Reads numbers and names only: no layer of a file is rebuilt, nothing is unpickled, and a file that
points outside itself is refused. Owns the forms; must not know which network wants the weights.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import h5py
import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from opgraph.errors import TraceError
from opgraph.record import Array, open_run

SECTION = "weights"
DEEPEST = 24
MOST_ENTRIES = 200_000
MOST_TIMES_SMALLER = 100
INSIDE = "model.weights.h5"
SUFFIXES = ".keras, .weights.h5, .h5, .safetensors, or a run directory"


@dataclass(frozen=True)
class Stored:
    """One array of a file.

    Attributes:
        owner: name of the layer or node.
        key: what of it: a weight's name, or its path and number inside the layer.
        shape: of the array.
        read: hands over the array; only while the file is open.
        group: where the layer stands in a file that orders layers by kind and number.
    """

    owner: str
    key: str
    shape: tuple[int, ...]
    read: Callable[[], Array] = field(repr=False)
    group: str = ""

    @property
    def called(self) -> str:
        """Whose and what, in words."""
        return f"{self.owner or self.group}/{self.key}"

    @property
    def is_numbered(self) -> bool:
        """Whether the key is a number in Keras's order, not a name."""
        return bool(self.group)


@contextmanager
def open_weights(source: str) -> Generator[list[Stored]]:
    """All arrays of a file or run; they can be read while it is open.

    Args:
        source: a file, or a run directory, with `@step` or `@best` behind it if wanted.

    Raises:
        TraceError: there is no such file, or it is of no known kind, damaged or unsafe.
        RunError: the run, or its keyframe, cannot be read.
    """
    path, step = split_step(source)
    if path.is_dir():
        yield _of_run(path, step)
        return
    if not path.is_file():
        raise TraceError(f"{str(path)!r}: no such file or run", where=SECTION)
    if path.suffix not in READERS:
        raise TraceError(f"{path.name!r}: expected one of {SUFFIXES}", where=SECTION)
    with ExitStack() as stack:
        try:
            stored = READERS[path.suffix](path, stack)
        except (OSError, zipfile.BadZipFile, SafetensorError, KeyError, ValueError) as error:
            raise _damaged(path, error) from None
        try:
            yield stored
        except OSError as error:  # while an array is read
            raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> TraceError:
    return TraceError(f"{path.name!r} is damaged: {' '.join(str(error).split())}", where=SECTION)


def split_step(source: str) -> tuple[Path, int | Literal["best"] | None]:
    """The path, and the step that stands behind an `@`.

    >>> [split_step(f"net{end}")[1] for end in ("@200", "@best", ".keras")]
    [200, 'best', None]
    """
    path, at, step = source.rpartition("@")
    if not at or Path(source).exists():
        return Path(source), None
    if step == "best":
        return Path(path), "best"
    return (Path(path), int(step)) if step.isdecimal() else (Path(source), None)


def _of_run(path: Path, step: int | Literal["best"] | None) -> list[Stored]:
    return _named(open_run(path).keyframe(step).arrays)


def _of_safetensors(path: Path, _open: ExitStack) -> list[Stored]:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    facts: Any = json.loads(metadata.get("opgraph", "{}"))
    foreign = cast("dict[str, str]", facts.get("foreign", {})) if isinstance(facts, dict) else {}
    for name, dtype in foreign.items():
        if dtype == "bfloat16" and name in arrays:
            arrays[name] = arrays[name].view(ml_dtypes.bfloat16)
    return _named(arrays)


def _named(arrays: Any) -> list[Stored]:
    """Arrays called `node/weight`; those of a keyframe begin with `model/`."""
    is_keyframe = any(name.startswith("optimizer/") for name in arrays) or all(
        name.startswith("model/") for name in arrays
    )
    found: list[Stored] = []
    for name, array in arrays.items():
        if is_keyframe and not name.startswith("model/"):
            continue
        owner, _, key = name.removeprefix("model/" if is_keyframe else "").rpartition("/")
        if owner and not owner.startswith("#"):
            found.append(Stored(owner, key, tuple(array.shape), _give(array)))
    return found


def _give(array: Array) -> Callable[[], Array]:
    return lambda: array


def _of_keras(path: Path, opened: ExitStack) -> list[Stored]:
    return _of_h5(opened.enter_context(_unpacked(path)), opened)


def _of_h5(path: Path, opened: ExitStack) -> list[Stored]:
    file: Any = opened.enter_context(h5py.File(path, "r"))
    inside = dict(_children(file))
    older = inside.get("model_weights", file)
    if "layer_names" in older.attrs:
        return list(_of_legacy(older))
    layers = inside.get("layers")
    if not isinstance(layers, h5py.Group):
        raise ValueError("it holds no layers")
    return list(_of_layers(layers))


def _of_layers(layers: Any) -> Iterator[Stored]:
    """The form of Keras 3: layers by kind and number, their names as an attribute."""
    for group, layer in _children(layers):
        if not isinstance(layer, h5py.Group):
            continue
        own = dict(_children(layer)).get("vars")
        name = str(own.attrs.get("name", "")) if own is not None else ""
        for key, dataset in _datasets(layer):
            yield Stored(name, key, tuple(dataset.shape), _reader(dataset), group)


def _of_legacy(top: Any) -> Iterator[Stored]:
    """The older form: layers by name, each with a list of the names of its weights."""
    for raw in top.attrs["layer_names"]:
        layer = _text(raw)
        group = dict(_children(top)).get(layer)
        if not isinstance(group, h5py.Group):
            continue
        known = dict(_datasets(group))
        for name in map(_text, group.attrs.get("weight_names", ())):
            dataset = known.get(name)
            if dataset is not None:
                key = name.removesuffix(":0").removeprefix(f"{layer}/")
                yield Stored(layer, key, tuple(dataset.shape), _reader(dataset))


def _datasets(group: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """All datasets below a group by path."""
    if depth > DEEPEST:
        raise ValueError(f"groups nested more than {DEEPEST} deep")
    for name, item in _children(group):
        if isinstance(item, h5py.Group):
            yield from _datasets(item, f"{prefix}{name}/", depth + 1)
        elif isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item


def _children(group: Any) -> Iterator[tuple[str, Any]]:
    """What stands in a group; what lies outside the file is refused."""
    if len(group) > MOST_ENTRIES:
        raise ValueError(f"a group of more than {MOST_ENTRIES:,} entries")
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(f"{name!r} points at another file, which is not followed")
        item = group[name]
        if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
            raise ValueError(f"the numbers of {name!r} stand in another file, which is not read")
        yield name, item


def _reader(dataset: Any) -> Callable[[], Array]:
    def read() -> Array:
        array = np.asarray(dataset[()])
        if dataset.attrs.get("dtype") != "bfloat16":
            return array
        # HDF5 knows no bfloat16 and holds its bytes.
        return array.view(ml_dtypes.bfloat16) if array.dtype.kind == "V" else array

    return read


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


@contextmanager
def _unpacked(path: Path) -> Generator[Path]:
    """The weights inside a `.keras` archive, as a file of their own for a moment."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        entry = archive.getinfo(INSIDE)
        if entry.file_size > MOST_TIMES_SMALLER * max(entry.compress_size, 1):
            raise ValueError(f"{INSIDE} is packed more than {MOST_TIMES_SMALLER} times smaller")
        target = Path(folder) / INSIDE
        with archive.open(entry) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        yield target


READERS: dict[str, Callable[[Path, ExitStack], list[Stored]]] = {
    ".keras": _of_keras,
    ".h5": _of_h5,
    ".hdf5": _of_h5,
    ".safetensors": _of_safetensors,
}
