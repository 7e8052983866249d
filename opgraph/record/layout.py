"""Where each moment of each site stands in the packed vector of a step.

A compiled step hands over one vector. `Layout` is made once, from the sites; the step packs by it
and the record unpacks by it. Owns that map and nothing else: no TensorFlow, no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from opgraph.record.quantities import MOMENTS, Array, SiteKind

COUNTS = frozenset(
    ["count", "nonfinite", "zeros", "correct", "predictions"]
    + [f"{what}_nonfinite" for what in ("value", "grad", "update")]
)


@dataclass(frozen=True)
class Site:
    """A place in the network where something is measured at every step.

    Every call of a shared layer is a node of its own, so node and port (or weight) say it all.

    Attributes:
        kind: what is measured there.
        node: name of the node.
        port: number of the output, for outputs and their gradients.
        weight: name of the weight, for weights.
        shape: without the batch for outputs, whole for weights; None for an unknown dimension.
        dtype: type of its numbers.
        connected: False where the loss does not depend on it, so that it has no gradient.
    """

    kind: SiteKind
    node: str
    port: int = 0
    weight: str = ""
    shape: tuple[int | None, ...] = ()
    dtype: str = "float32"
    connected: bool = True

    @property
    def moments(self) -> tuple[str, ...]:
        """What is measured here; nothing about a gradient that does not exist."""
        names = MOMENTS[self.kind]
        if self.connected:
            return names
        return tuple(name for name in names if self.kind == "weight" and "grad" not in name)


class Entry(NamedTuple):
    """One moment of one site, and where it stands: `size` numbers from `start` on."""

    site: Site
    moment: str
    start: int
    size: int


@dataclass(frozen=True)
class Layout:
    """The order of all moments of all sites in the packed vector.

    Floating-point moments come first, then counts, then the vectors of batch normalisation, so that
    equal types lie side by side and are packed together.

    >>> layout = Layout((Site("output_grad", "x", connected=False), Site("steps", "")))
    >>> [(entry.moment, entry.start) for entry in layout.entries][:2], layout.size
    ([('loss', 0), ('regularization', 1)], 5)
    """

    sites: tuple[Site, ...]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All moments in packed order."""
        wanted = [(site, name) for site in self.sites for name in site.moments]
        wanted.sort(key=lambda item: (item[0].kind == "bn", item[1] in COUNTS))
        start, found = 0, list[Entry]()
        for site, name in wanted:
            size = _width(site)
            found.append(Entry(site, name, start, size))
            start += size
        return tuple(found)

    @property
    def size(self) -> int:
        """Length of the packed vector."""
        return self.entries[-1].start + self.entries[-1].size if self.entries else 0

    def of(self, kind: SiteKind) -> tuple[Site, ...]:
        """The sites of one kind."""
        return tuple(site for site in self.sites if site.kind == kind)

    @cached_property
    def _starts(self) -> Mapping[tuple[Site, str], int]:
        return {(entry.site, entry.moment): entry.start for entry in self.entries}

    def scalars(self, kind: SiteKind, packed: Array) -> dict[str, Array]:
        """Moments of all sites of a kind: arrays (steps, sites) from packed rows (steps, size).

        A moment that a site does not have is NaN.
        """
        sites = self.of(kind)
        found: dict[str, Array] = {}
        for name in MOMENTS[kind]:
            starts = [self._starts.get((site, name), -1) for site in sites]
            values = packed[:, starts].astype(np.float64)
            values[:, [start < 0 for start in starts]] = np.nan
            found[name] = values
        return found

    def vectors(self, site: Site, packed: Array) -> dict[str, Array]:
        """Vector moments of one site: arrays (steps, channels)."""
        width = _width(site)
        starts = {name: self._starts[site, name] for name in site.moments}
        return {name: packed[:, start : start + width] for name, start in starts.items()}


def _width(site: Site) -> int:
    return int(site.shape[0] or 0) if site.kind == "bn" else 1
