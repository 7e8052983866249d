"""Layers that are written as several operations in one scope: layer normalisation, exact GELU.

They are told by the operations that stand in the scope, all of them, and by reading one array.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from opgraph.formats.graphdef.draft import Workshop, readers
from opgraph.formats.graphdef.flat import Operation, Value
from opgraph.formats.graphdef.functions import as_activation, scope
from opgraph.formats.graphdef.statics import array_shape, leaves, number, numbers, source, weight

MOST = 16
LAYER_NORM = Counter(
    {"Mean": 2, "SquaredDifference": 1, "AddV2": 3, "Rsqrt": 1, "Mul": 3, "Neg": 1}
)
GELU = Counter({"Mul": 3, "Neg": 1, "Erfc": 1})


@dataclass(frozen=True)
class Region:
    """Operations of one scope that lead to the last of them, and what they read from outside."""

    members: list[Operation]
    outside: list[Value]

    @property
    def counts(self) -> Counter[str]:
        """How often each type of operation is there."""
        return Counter(member.op for member in self.members)

    def one(self, op: str) -> Operation:
        """The only operation of a type."""
        return next(member for member in self.members if member.op == op)

    def is_closed(self, shop: Workshop) -> bool:
        """Whether nothing but the last operation is read from outside."""
        own = set(self.members)
        inner = self.members[:-1]
        return not shop.outputs & set(inner) and all(
            reader in own for member in inner for reader in readers(member)
        )


def written_out(shop: Workshop, operation: Operation) -> bool:
    """A layer normalisation or a GELU that ends in this operation."""
    region = _region(shop, operation)
    if region is None or len(region.outside) != 1 or not region.is_closed(shop):
        return False
    if region.counts == GELU:
        members = region.members[:-1]
        return as_activation(shop, operation, "GELU", "gelu", region.outside[0], members)
    return region.counts == LAYER_NORM and _layer_norm(shop, region)


def _region(shop: Workshop, operation: Operation) -> Region | None:
    """The operations before this one that stand in its scope; None if there are many."""
    inside = scope(operation.name)
    members: dict[Operation, None] = {}
    outside: dict[Value, None] = {}
    waiting = [operation]
    while waiting:
        member = waiting.pop()
        if member in members:
            continue
        members[member] = None
        if len(members) > MOST:
            return None
        for value in map(source, member.inputs):
            if shop.is_static(value):
                continue
            if value.of.name.startswith(f"{inside}/"):
                waiting.append(value.of)
            else:
                outside[value] = None
    rank = {each: index for index, each in enumerate(reversed(members))}
    return Region(sorted(members, key=rank.__getitem__), list(outside))


def _layer_norm(shop: Workshop, region: Region) -> bool:
    mean = next(member for member in region.members if member.op == "Mean")
    axes, epsilon = numbers(mean.inputs[1]), _epsilon(shop, region)
    weights = _weights(shop, region)
    if axes is None or epsilon is None or weights is None or not mean.attr["keep_dims"].b:
        return False
    given: dict[str, Any] = {"axis": tuple(axes) if len(axes) > 1 else axes[0], "epsilon": epsilon}
    shop.add("LayerNormalization", given, region.outside, *region.members, weights=weights)
    return True


def _epsilon(shop: Workshop, region: Region) -> float | None:
    added = source(region.one("Rsqrt").inputs[0]).of
    found = [number(value) for value in added.inputs if shop.is_static(value)]
    return found[0] if len(found) == 1 else None


def _weights(shop: Workshop, region: Region) -> dict[str, Operation] | None:
    """The factor and the offset: the arrays that are multiplied and added."""
    found: dict[str, Operation] = {}
    for member in region.members:
        name = {"Mul": "gamma", "AddV2": "beta"}.get(member.op)
        for value in member.inputs if name else ():
            leaf = _array(value) if shop.is_static(value) else None
            if name is None or leaf is None:
                continue
            if name in found:
                return None
            found[name] = leaf
    return {key: found[key] for key in ("gamma", "beta")} if len(found) == 2 else None


def _array(value: Value) -> Operation | None:
    if (leaf := weight(value)) is not None:
        return leaf if array_shape(leaf) and number(value) is None else None
    arrays = [leaf for leaf in leaves(value) if array_shape(leaf) and not numbers(Value(leaf))]
    return arrays[0] if len(arrays) == 1 else None
