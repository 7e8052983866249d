"""The weights of a Keras file, found when they are asked for and read one at a time.

Knows the two forms of HDF5 in which Keras keeps weights. The file is untrusted: links out of it are
not followed, and an array that claims more than the file holds is refused. Must not know what a
configuration means.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from opgraph.analysis import NodeFacts, analyze
from opgraph.errors import FormatError
from opgraph.graph import LaterWeights, Node, OpGraph, WeightSource

DEEPEST = 24
MOST_ENTRIES = 200_000
MOST_TIMES_SMALLER = 1000
SMALL = 1 << 20
Opened = Callable[[], AbstractContextManager[Any]]
FAULTS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class _Array:
    """An array of the file: whose it is, under which name inside the layer, and where it stands."""

    owner: str
    inside: str
    path: str
    shape: tuple[int, ...]
    dtype: str


def with_weights(graph: OpGraph, path: Path, opened: Opened) -> OpGraph:
    """The same graph, whose nodes know where their weights stand; nothing is read yet.

    Args:
        graph: what the configuration of the file says.
        path: of the file, for messages.
        opened: opens its HDF5 part.
    """
    arrays = _Arrays(graph, path, opened)
    changed = {
        node.name: replace(node, origin=replace(node.origin, weights=arrays.later(node)))
        for node in graph
        if node.origin is not None
    }
    return graph.with_nodes(changed)


class _Arrays:
    """The arrays of one file by the names of the layers that own them."""

    def __init__(self, graph: OpGraph, path: Path, opened: Opened) -> None:
        self.graph, self.path, self.opened = graph, path, opened

    def later(self, node: Node) -> LaterWeights:
        return LaterWeights(partial(self._of, node))

    def _of(self, node: Node) -> Mapping[str, WeightSource]:
        assert node.origin is not None
        arrays = self.by_layer.get(node.origin.names[-1], [])
        weights = self.facts[node.name].weights or {}
        names = _names(list(weights), [w.shape for w in weights.values()], arrays)
        return {name: self._source(array) for name, array in names.items()}

    @cached_property
    def facts(self) -> Mapping[str, NodeFacts]:
        return analyze(self.graph).facts

    @cached_property
    def by_layer(self) -> Mapping[str, list[_Array]]:
        found: dict[str, list[_Array]] = defaultdict(list)
        layers = {node.origin.names[-1] for node in self.graph if node.origin}
        try:
            with self.opened() as file:
                for array in _arrays(file, layers):
                    found[array.owner].append(array)
        except FAULTS as error:
            raise self._damaged(error) from None
        return found

    def _source(self, array: _Array) -> WeightSource:
        return WeightSource(array.path, array.shape, array.dtype, partial(self._read, array.path))

    def _read(self, name: str) -> Any:
        try:
            with self.opened() as file:
                return _numbers(file[name])
        except FAULTS as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> FormatError:
        reason = " ".join(str(error).split())
        return FormatError(f"its weights cannot be read: {reason}", where=str(self.path))


def _names(names: list[str], shapes: list[Any], arrays: list[_Array]) -> dict[str, _Array]:
    """Arrays by the op's names: by the parts of the layer they stand in, else by their order.

    What no name fits stands behind, under the name of the file.
    """
    found: dict[str, _Array] = {}
    waiting: dict[str, list[_Array]] = defaultdict(list)
    for array in arrays:
        waiting[array.inside].append(array)
    if len(names) == len(arrays) and not all(name.rpartition("/")[0] in waiting for name in names):
        waiting = {name.rpartition("/")[0]: list(arrays) for name in names}
    used: set[str] = set()
    for name, shape in zip(names, shapes, strict=True):
        queue = waiting.get(name.rpartition("/")[0], [])
        array = next((item for item in queue if item.path not in used), None)
        if array is not None and array.shape == tuple(shape):
            found[name] = array
            used.add(array.path)
    return found | {array.path: array for array in arrays if array.path not in used}


def _arrays(file: Any, layers: set[str]) -> Iterator[_Array]:
    inside = dict(_children(file))
    older = inside.get("model_weights", file)
    if "layer_names" in older.attrs:
        yield from _of_legacy(older, layers)
    elif "layers" in inside:
        yield from _of_layers(inside["layers"], (), layers, 0)


def _of_layers(
    group: Any, names: tuple[str, ...], layers: set[str], depth: int
) -> Iterator[_Array]:
    """The form of Keras 3: variables by number, and beside them the name of whose they are."""
    if depth > DEEPEST:
        raise ValueError(f"groups nested more than {DEEPEST} deep")
    children = dict(_children(group))
    own = children.pop("vars", None)
    if own is not None:
        names = (*names, str(own.attrs.get("name", "")))
        owner, inside = _split(names, layers)
        for key, item in sorted(_children(own), key=lambda pair: (len(pair[0]), pair[0])):
            if hasattr(item, "dtype"):
                yield _array(owner, inside, f"{own.name}/{key}", item)
    for item in children.values():
        if hasattr(item, "keys"):
            yield from _of_layers(item, names, layers, depth + 1)


def _split(names: tuple[str, ...], layers: set[str]) -> tuple[str, str]:
    """The layer that a chain of names begins with, and the names of the parts inside it."""
    for end in range(len(names), 0, -1):
        if (owner := "/".join(names[:end])) in layers:
            return owner, "/".join(names[end:])
    return names[0], "/".join(names[1:])


def _of_legacy(top: Any, layers: set[str]) -> Iterator[_Array]:
    """The older form: layers by name, each with a list of the names of its weights."""
    for layer in map(_text, top.attrs["layer_names"]):
        group = dict(_children(top)).get(layer)
        if group is None or not hasattr(group, "keys"):
            continue
        for name in map(_text, group.attrs.get("weight_names", ())):
            item = _inside(group, name)
            parts = name.split("/")
            nested = f"{layer}/{parts[-2]}" if len(parts) > 1 else layer
            owner = nested if nested in layers else layer
            yield _array(owner, "", f"{group.name}/{name}", item)


def _inside(group: Any, name: str) -> Any:
    """What stands at a path below a group, each step looked at."""
    for part in name.split("/"):
        group = dict(_children(group))[part]
    return group


def _array(owner: str, inside: str, path: str, dataset: Any) -> _Array:
    said = _text(dataset.attrs.get("dtype", ""))
    dtype = "bfloat16" if said == "bfloat16" else str(dataset.dtype)
    return _Array(owner, inside, path, tuple(map(int, dataset.shape)), dtype)


def _children(group: Any) -> Iterator[tuple[str, Any]]:
    """What stands in a group; what lies outside the file is refused."""
    import h5py

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


def _numbers(dataset: Any) -> Any:
    import numpy as np

    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(SMALL, MOST_TIMES_SMALLER * stored):
        raise ValueError(f"{dataset.name!r} claims {dataset.nbytes:,} bytes of {stored:,} stored")
    array = np.asarray(dataset[()])
    if _text(dataset.attrs.get("dtype", "")) != "bfloat16" or array.dtype.kind != "V":
        return array
    import ml_dtypes

    return array.view(ml_dtypes.bfloat16)  # HDF5 knows no bfloat16 and holds its bytes


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
