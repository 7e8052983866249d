"""Weights to start from: put into a network by the names of its nodes.

Owns what belongs to what, and says what was taken, what was left and what nobody wanted; must not
know the forms of files.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.errors import TraceError, suggest
from opgraph.graph import layer_name
from opgraph.runtime.builder import Built
from opgraph.runtime.weight_files import SECTION, Stored, open_weights

NOT_THERE = "not in the file"


@dataclass(frozen=True)
class Kept:
    """A weight that has its initial value, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Started:
    """What became of the weights of a file.

    Attributes:
        source: the file or run.
        loaded: weights that were taken, as `node/weight`.
        kept: weights of the network that have their initial values.
        unused: arrays of the file that belong to nothing here.
    """

    source: str
    loaded: tuple[str, ...]
    kept: tuple[Kept, ...]
    unused: tuple[str, ...]

    @property
    def summary(self) -> str:
        """All in one line.

        >>> Started("a.keras", ("d/kernel",), (), ("e/bias",)).summary
        'weights from a.keras: 1 loaded, 0 left at their initial values, 1 in the file not used'
        """
        return (
            f"weights from {self.source}: {len(self.loaded)} loaded, {len(self.kept)} left at"
            f" their initial values, {len(self.unused)} in the file not used"
        )

    def rows(self) -> list[tuple[str, str]]:
        """Each weight and what became of it, for a table."""
        kept = [(kept.name, f"initial value: {kept.reason}") for kept in self.kept]
        unused = [(name, "in the file, not used") for name in self.unused]
        return [*((name, "loaded") for name in self.loaded), *kept, *unused]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def load_weights(built: Built, source: str) -> Started:
    """Give a network the weights of a file or run, where names and shapes agree.

    A node is looked for under its own name and under that of its Keras layer. What does not fit
    stays as it is and stands in the answer.

    Args:
        built: the network; changed in place.
        source: `.keras`, `.weights.h5`, `.h5`, `.safetensors`, or a run directory, with `@step`
            behind it if wanted.

    Raises:
        TraceError: the file cannot be read, or nothing in it fits.
        RunError: the run cannot be read.
    """
    with open_weights(source) as stored:
        found = _Matching(built, stored)
        taken = {name: item for name, item in found.pairs.items() if found.fits(name, item)}
        if not taken:
            raise _nothing(built, source, stored)
        for name, item in taken.items():
            built.weight_names[name].assign(item.read())
    for layer in {id(layer): layer for layer in built.layers.values()}.values():
        finish = getattr(layer, "finalize_state", None)
        if finish is not None:  # normalisation keeps copies of its weights
            finish()
    spoken_of = set(map(id, found.pairs.values()))
    return Started(
        source,
        tuple(taken),
        tuple(Kept(name, found.reason(name)) for name in built.weight_names if name not in taken),
        tuple(item.called for item in stored if id(item) not in spoken_of),
    )


class _Matching:
    """Which array of a file belongs to which weight."""

    def __init__(self, built: Built, stored: list[Stored]) -> None:
        self.built = built
        self.nodes = _nodes(built)
        self.owners = _owners(built, set(self.nodes.values()))
        self.groups = {} if all(item.owner for item in stored) else _own_groups(built)
        self.numbers = _own_numbers(built) if any(item.is_numbered for item in stored) else {}
        self.pairs = self._match(stored)

    def _match(self, stored: list[Stored]) -> dict[str, Stored]:
        by_node: dict[str, list[Stored]] = defaultdict(list)
        pairs: dict[str, Stored] = {}
        for item in stored:
            name = f"{item.owner}/{item.key}"
            node = self._node(item)
            if name in self.built.weight_names and not item.is_numbered:
                pairs[name] = item
            elif node is not None:
                by_node[node].append(item)
        for node, items in by_node.items():
            for name, item in self._within(node, items):
                pairs.setdefault(name, item)
        return {name: pairs[name] for name in self.built.weight_names if name in pairs}

    def _node(self, item: Stored) -> str | None:
        if not item.owner:
            return self.groups.get(item.group)
        return self.owners.get(item.owner) or self.owners.get(layer_name(item.owner))

    def _within(self, node: str, items: list[Stored]) -> Iterable[tuple[str, Stored]]:
        """The weights of one node and what stands for them."""
        own = [name for name, owner in self.nodes.items() if owner == node]
        if items[0].is_numbered:
            return [
                (self.numbers[node, item.key], item)
                for item in items
                if (node, item.key) in self.numbers
            ]
        ends: dict[str, list[Stored]] = defaultdict(list)
        for item in items:
            ends[item.key.rpartition("/")[2]].append(item)
        by_end = [(name, ends[name.rpartition("/")[2]]) for name in own]
        if all(len(found) <= 1 for _, found in by_end) and any(found for _, found in by_end):
            return [(name, found[0]) for name, found in by_end if found]
        # Names that differ from ours, as those inside attention do: Keras's order.
        return list(zip(own, items, strict=True)) if len(own) == len(items) else []

    def fits(self, name: str, item: Stored) -> bool:
        """Whether an array has the shape of a weight."""
        return item.shape == tuple(self.built.weight_names[name].shape)

    def reason(self, name: str) -> str:
        """Why a weight was left as it is."""
        if name not in self.pairs:
            return NOT_THERE
        wanted = tuple(self.built.weight_names[name].shape)
        return f"shape {self.pairs[name].shape} in the file, {wanted} here"


def _nodes(built: Built) -> dict[str, str]:
    """The node that owns each weight."""
    owners = {
        id(variable): node
        for node, layer in built.layers.items()
        if built.graph.owner(node) == node
        for variable in getattr(layer, "weights", ())
    }
    return {name: owners[id(variable)] for name, variable in built.weight_names.items()}


def _owners(built: Built, nodes: set[str]) -> dict[str, str]:
    """Node that owns weights, by its own name and by that of its layer."""
    layers = {built.layer_name(node): node for node in nodes}
    return {**layers, **{node: node for node in nodes}}


def _own_groups(built: Built) -> dict[str, str]:
    """Node of each group, were this network written to a file of Keras."""
    return {item.group: built.node_name(item.owner) for item in _written(built)}


def _own_numbers(built: Built) -> dict[tuple[str, str], str]:
    """The weight that Keras writes under a node and a numbered key.

    Keras numbers the variables inside a layer, and in what order is its own affair. So the network
    is written with every weight filled with its number, and the numbers are read back.
    """
    weights = built.weight_names
    before = {name: variable.numpy() for name, variable in weights.items()}
    layers = {name: built.layer_name(node) for name, node in _nodes(built).items()}
    counts: dict[str, int] = defaultdict(int)
    marks: dict[tuple[str, int], str] = {}
    try:
        for name, variable in weights.items():
            layer = layers[name]
            counts[layer] += 1
            marks[layer, counts[layer]] = name
            variable.assign(np.full(before[name].shape, counts[layer]))
        return {
            (built.node_name(item.owner), item.key): marks[item.owner, mark]
            for item in _written(built)
            if (mark := item.mark) is not None and (item.owner, mark) in marks
        }
    finally:
        for name, variable in weights.items():
            variable.assign(before[name])


@dataclass(frozen=True)
class _Written:
    """One array of this network, as Keras writes it."""

    owner: str
    group: str
    key: str
    mark: int | None


def _written(built: Built) -> list[_Written]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.weights.h5"
        built.model.save_weights(path)
        with open_weights(str(path)) as stored:
            return [_Written(x.owner, x.group, x.key, _mark(x)) for x in stored]


def _mark(item: Stored) -> int | None:
    values = np.asarray(item.read()).reshape(-1)
    return int(values[0]) if values.size else None


def _nothing(built: Built, source: str, stored: list[Stored]) -> TraceError:
    """The error for a file of which nothing fits."""
    names = list(dict.fromkeys(item.owner for item in stored if item.owner))
    nodes = dict.fromkeys(_nodes(built).values())
    listed = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    near = next((hint for hint in (suggest(node, names) for node in nodes) if hint), None)
    return TraceError(
        f"nothing in {Path(source).name!r} fits this network, by name and shape; the file has"
        f" {listed or 'no weights'}",
        where=SECTION,
        hint=near,
    )
