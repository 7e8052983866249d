"""Where the values of names come from: the full tensors of a step, or the rows of a record.

Owns both, and zeros that stand for tensors whose shapes alone matter; knows nothing about
expressions. A statistic that was measured is the very number of the
record; any other is made from the tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from opgraph.record.expression.functions import statistic_of
from opgraph.record.expression.names import Column, Names, names_of
from opgraph.record.quantities import Array, quantities
from opgraph.record.tables import STEPS
from opgraph.record.tensors import StepTensors, TensorName


class Scope(Protocol):
    """What an expression is evaluated in."""

    @property
    def names(self) -> Names:
        """What may be named."""
        ...

    @property
    def node(self) -> str | None:
        """The node that `output` and the like are of, where no node is named."""
        ...

    def figure(self, name: str) -> float:
        """A number of the whole step."""
        ...

    def statistic(self, name: TensorName, statistic: str) -> float:
        """A statistic of a tensor."""
        ...

    def tensor(self, name: TensorName) -> Array | None:
        """A whole tensor; None where there are only statistics."""
        ...


class StepScope:
    """All tensors of one step.

    Attributes:
        tensors: the step.
        node: the node that is meant where none is named.
        names: what may be named.
        figures: the numbers of the whole step.
    """

    def __init__(self, tensors: StepTensors, node: str | None = None) -> None:
        self.tensors = tensors
        self.node = node
        self.names: Names = names_of_step(tensors)
        self.figures: Mapping[str, float] = figures_of(tensors)

    def at(self, node: str | None) -> StepScope:
        """The same step, with another node meant."""
        other = copy(self)
        other.node = node
        return other

    def figure(self, name: str) -> float:
        """A number of the whole step."""
        return self.figures[name]

    def statistic(self, name: TensorName, statistic: str) -> float:
        """A statistic of a tensor: as it was measured in this step, else made from the tensor."""
        column = self.names.columns.get((name, statistic))
        if column is not None and _is_packed(self.tensors, column):
            return _unpacked(self.tensors, column)
        array = self.tensors[name]
        assert array is not None  # a gradient that does not exist has no name
        return statistic_of(statistic, array)

    def tensor(self, name: TensorName) -> Array | None:
        """A whole tensor."""
        return self.tensors[name]


@dataclass(frozen=True, eq=False)
class RowScope:
    """What a record says about one step.

    Attributes:
        names: what may be named.
        figures: numbers of the whole step.
        statistics: those that an expression needs.
        node: the node that is meant where none is named.
    """

    names: Names
    figures: Mapping[str, float]
    statistics: Mapping[tuple[TensorName, str], float]
    node: str | None = None

    def at(self, node: str | None) -> RowScope:
        """The same step, with another node meant."""
        return replace(self, node=node)

    def figure(self, name: str) -> float:
        """A number of the whole step."""
        return self.figures[name]

    def statistic(self, name: TensorName, statistic: str) -> float:
        """A recorded statistic."""
        return self.statistics[name, statistic]

    def tensor(self, name: TensorName) -> Array | None:
        """A record holds no whole tensors."""
        return None


def names_of_step(tensors: StepTensors) -> Names:
    """What may be named of a step whose tensors are there."""
    found = names_of(tensors.layout.sites, figures_of(tensors), tensors.arrays)
    missing = frozenset(name for name, array in tensors.arrays.items() if array is None)
    columns = {key: x for key, x in found.columns.items() if _is_packed(tensors, x)}
    there: dict[str, list[str]] = {}
    for name in tensors.arrays:
        there.setdefault(name.node, []).append(name.what)
    return Names(there, found.figures, columns, missing)


def figures_of(tensors: StepTensors) -> dict[str, float]:
    """The numbers of the whole step that its packed vector tells."""
    starts = {
        name: start + number
        for site, block, start in tensors.layout.blocks
        if site == STEPS
        for number, name in enumerate(block.names)
    }
    known = {name: tensors.packed[[start]] for name, start in starts.items()}
    metrics = [name.removesuffix(":total") for name in known if name.endswith(":total")]
    heads = [name.removeprefix("loss:") for name in known if name.startswith("loss:")]
    figures = {"step": float(tensors.step), **tensors.figures}
    for quantity in quantities("steps", metrics=metrics, heads=heads):
        if all(name in known for name in quantity.moments):
            figures[quantity.name] = float(quantity.finish(known)[0])
    return figures


def _is_packed(tensors: StepTensors, column: Column) -> bool:
    return all(tensors.layout.has(column.site, name) for name in column.quantity.moments)


def _unpacked(tensors: StepTensors, column: Column) -> float:
    packed = tensors.packed[None]
    moments = {
        name: tensors.layout.scalars([column.site], name, packed)
        for name in column.quantity.moments
    }
    return float(column.quantity.finish(moments)[0, 0])


@dataclass(frozen=True, eq=False)
class ShapeScope:
    """Zeros of known shapes: what shape an expression will have, before there is a step.

    Attributes:
        names: what may be named.
        shapes: of the tensors that an expression needs.
        node: the node that is meant where none is named.
    """

    names: Names
    shapes: Mapping[TensorName, tuple[int, ...]]
    node: str | None = None

    def figure(self, name: str) -> float:
        """Any number."""
        return 0.0

    def statistic(self, name: TensorName, statistic: str) -> float:
        """Any number."""
        return 0.0

    def tensor(self, name: TensorName) -> Array | None:
        """Zeros, which take no memory."""
        return np.broadcast_to(np.float32(0), self.shapes[name])
