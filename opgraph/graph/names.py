"""Names of Keras layers for names of nodes, and the way back.

Keras opens each scope twice, so that in an exported graph the layer `conv` becomes `conv_1/...`: a
layer that is itself called `conv_1` could not be told from it. No layer name made here ends in
`_<digits>`; all are legal TensorFlow scopes, and no two differ by case alone. Knows nothing about
Keras.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

MOST_CHARACTERS = 100


@dataclass(frozen=True)
class NodeNames:
    """The two-way table of node names and layer names.

    Attributes:
        layers: layer name of each node; nodes that share a layer have the same one.
        owners: node that owns the layer, by layer name.
    """

    layers: Mapping[str, str]
    owners: Mapping[str, str]

    def layer_name(self, node: str) -> str:
        """The Keras layer that stands for a node."""
        return self.layers[node]

    def node_name(self, layer: str) -> str:
        """The node whose layer this is; of several that share it, the one that owns the weights."""
        return self.owners[layer]

    @cached_property
    def nodes(self) -> Mapping[str, tuple[str, ...]]:
        """All nodes that use a layer, by layer name."""
        found: dict[str, list[str]] = {}
        for node, layer in self.layers.items():
            found.setdefault(layer, []).append(node)
        return {layer: tuple(names) for layer, names in found.items()}


def name_layers(owners: Mapping[str, str]) -> NodeNames:
    """Choose a layer name for each node.

    Args:
        owners: for each node the node that owns its layer, itself unless it shares.

    >>> table = name_layers({"conv2d_1": "conv2d_1", "again": "conv2d_1", "卷积/a": "卷积/a"})
    >>> table.layers
    {'conv2d_1': 'conv2d-1', 'again': 'conv2d-1', '卷积/a': 'u5377u79ef.a'}
    """
    chosen = unique_names(dict.fromkeys(owners.values()))
    layers = {node: chosen[owner] for node, owner in owners.items()}
    return NodeNames(layers, {layer: owner for owner, layer in chosen.items()})


def unique_names(names: Iterable[str]) -> dict[str, str]:
    """A layer name for each name; those that are fit as they are keep theirs.

    >>> unique_names(["conv-1", "conv_1", "Relu", "relu"])
    {'conv-1': 'conv-1', 'conv_1': 'conv-1-2', 'Relu': 'Relu', 'relu': 'relu-2'}
    """
    names = list(names)
    wanted = {name: layer_name(name) for name in names}
    first_served = sorted(names, key=lambda name: wanted[name] != name)
    taken: set[str] = set()
    chosen: dict[str, str] = {}
    for name in first_served:
        chosen[name] = _free(wanted[name], taken)
        taken.add(chosen[name].casefold())
    return {name: chosen[name] for name in names}


def layer_name(name: str) -> str:
    """A legal layer name that still reads like the given one.

    >>> layer_name("batch_norm_1"), layer_name("enc@2"), layer_name("block 1/conv")
    ('batch_norm-1', 'enc.at.2', 'block-1.conv')
    """
    legal = "".join(_legal(char) for char in name)
    if not re.match(r"[A-Za-z0-9]", legal):
        legal = f"n{legal}"
    return re.sub(r"_(\d+)$", r"-\1", legal[:MOST_CHARACTERS])


def _legal(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in "_-."):
        return char
    if char in "/\\:":
        return "."
    if char == "@":
        return ".at."
    return "-" if char.isascii() or char.isspace() else f"u{ord(char):04x}"


def _free(name: str, taken: set[str]) -> str:
    if name.casefold() not in taken:
        return name
    number = 2
    while f"{name}-{number}".casefold() in taken:
        number += 1
    return f"{name}-{number}"
