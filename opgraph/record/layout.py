"""Where each moment of each site stands in the packed vector of a step.

A compiled step hands over one vector. Whoever packs it says in a `Layout` where the numbers of each
site stand; the record unpacks by it. Owns sites and that map; no TensorFlow, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from opgraph.record.quantities import TENSOR_MOMENTS, Array, SiteKind


@dataclass(frozen=True)
class Site:
    """A place in the network where something is measured.

    Every call of a shared layer is a node of its own, so node and port (or weight) say it all.

    Attributes:
        kind: what is measured there.
        node: name of the node.
        port: number of the output, for outputs and their gradients.
        weight: name of the weight, for weights and the optimizer's slots.
        slot: name of the optimizer's slot, for slots.
        shape: without the batch for outputs, whole for weights; None for an unknown dimension.
        dtype: type of its numbers.
        connected: False where the loss does not depend on it, so that it has no gradient; and for
            a batch normalisation that takes its moving statistics as they are.
        momentum: of a batch normalisation.
        calls: how often a step updates the moving statistics of a batch normalisation.
    """

    kind: SiteKind
    node: str
    port: int = 0
    weight: str = ""
    slot: str = ""
    shape: tuple[int | None, ...] = ()
    dtype: str = "float32"
    connected: bool = True
    momentum: float | None = None
    calls: int = 1


@dataclass(frozen=True)
class Block:
    """Moments that stand side by side, each `width` numbers wide.

    Attributes:
        names: of the moments, in order.
        width: numbers that a moment has: 1, or channels, or bins.
    """

    names: tuple[str, ...]
    width: int = 1

    @property
    def size(self) -> int:
        """Length of the block."""
        return len(self.names) * self.width


TENSOR = Block(TENSOR_MOMENTS)
NORM = Block(("sumsq",))
DROPOUT = Block(("kept", "drawn"))


def prefixed(names: Iterable[str], moments: Iterable[str] = TENSOR_MOMENTS) -> Block:
    """The moments of several tensors, each called after the tensor.

    >>> prefixed(["value", "update"], ["sumsq"]).names
    ('value_sumsq', 'update_sumsq')
    """
    known = tuple(moments)
    return Block(tuple(f"{name}_{moment}" for name in names for moment in known))


@dataclass(frozen=True)
class Layout:
    """Where the blocks of all sites begin in the packed vector.

    Several sites may share numbers: a reshaped output is the same numbers as its source.

    Attributes:
        blocks: site, block, and where it starts.
        size: length of the packed vector.

    >>> layout = Layout(((Site("output", "x"), TENSOR, 0), (Site("output", "y"), TENSOR, 0)), 8)
    >>> layout.start(layout.sites[1], "max")
    7
    """

    blocks: tuple[tuple[Site, Block, int], ...]
    size: int

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """All sites, each once."""
        return tuple(dict.fromkeys(site for site, _, _ in self.blocks))

    def of(self, kind: SiteKind) -> tuple[Site, ...]:
        """The sites of one kind."""
        return tuple(site for site in self.sites if site.kind == kind)

    def start(self, site: Site, moment: str) -> int | None:
        """Where a moment stands; None if it was not packed."""
        found = self._places.get((site, moment))
        return None if found is None else found[0]

    def starts_of(self, ending: str) -> list[int]:
        """Where the moments stand whose names end so, each place once."""
        places = [s for (_, name), (s, _) in self._places.items() if name.endswith(ending)]
        return sorted(set(places))

    def has(self, site: Site, moment: str) -> bool:
        """Whether a moment of a site was packed."""
        return (site, moment) in self._places

    def scalars(self, sites: Iterable[Site], name: str, packed: Array) -> Array:
        """One moment of some sites: an array (steps, sites) from packed rows (steps, size).

        It is NaN where it was not packed.
        """
        starts = [self._places.get((site, name), (-1, 1))[0] for site in sites]
        if not starts:
            return np.zeros((len(packed), 0))
        values = packed[:, starts].astype(np.float64)
        values[:, [start < 0 for start in starts]] = np.nan
        return values

    def vector(self, site: Site, name: str, packed: Array) -> Array | None:
        """One moment of one site that has several numbers: (steps, width); None if not packed."""
        found = self._places.get((site, name))
        if found is None:
            return None
        start, width = found
        return packed[:, start : start + width]

    @cached_property
    def _places(self) -> Mapping[tuple[Site, str], tuple[int, int]]:
        return {
            (site, name): (start + number * block.width, block.width)
            for site, block, start in self.blocks
            for number, name in enumerate(block.names)
        }

    def joined(self, other: Layout) -> Layout:
        """The layout of two packed vectors, one behind the other."""
        moved = tuple((site, block, start + self.size) for site, block, start in other.blocks)
        return Layout((*self.blocks, *moved), self.size + other.size)

    def combine(self, rows: Array) -> Array:
        """The vector of a step from those of its micro-batches (parts, size).

        Counts and sums add up, extremes are those of all parts, a moving statistic is the first one
        before and the last one after the step; the batch statistics are averaged.
        """
        result = rows.sum(axis=0)
        for (_, name), (start, width) in self._places.items():
            if name in _RULES:
                place = slice(start, start + width)
                result[place] = _RULES[name](rows[:, place])
        return result


_RULES: Mapping[str, Callable[[Array], Array]] = {
    "min": lambda rows: np.fmin.reduce(rows, axis=0),
    "max": lambda rows: np.fmax.reduce(rows, axis=0),
    "batch_mean": lambda rows: rows.mean(axis=0),
    "batch_variance": lambda rows: rows.mean(axis=0),
    "moving_mean_before": lambda rows: rows[0],
    "moving_variance_before": lambda rows: rows[0],
    "moving_mean": lambda rows: rows[-1],
    "moving_variance": lambda rows: rows[-1],
}
