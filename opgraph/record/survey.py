"""What a run measures: its sites, and which quantities of them at which steps.

Owns the answer to "which columns and rows does a table have"; no TensorFlow, no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from opgraph.record.layout import Site
from opgraph.record.measure import Measure
from opgraph.record.quantities import Quantity, SiteKind, quantities

# The columns that say which site a row is about.
SITE_COLUMNS: Mapping[SiteKind, tuple[str, ...]] = {
    "output": ("node", "port"),
    "output_grad": ("node", "port", "connected"),
    "weight": ("node", "weight", "connected"),
    "slot": ("node", "weight", "slot"),
    "bn": ("node",),
    "dropout": ("node",),
    "steps": (),
}


@dataclass(frozen=True)
class Survey:
    """What is measured where and when.

    Attributes:
        sites: everything that is measured.
        measure: which quantities, at which steps.
        metrics: names of the metrics of the training.
        heads: names of the outputs that have a loss of their own, if there are several.
        validated: names of the figures of validation, without the `val_` of their columns.
    """

    sites: tuple[Site, ...]
    measure: Measure
    metrics: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()

    @cached_property
    def _by_kind(self) -> Mapping[str, tuple[Site, ...]]:
        found: dict[str, list[Site]] = {}
        for site in self.sites:
            found.setdefault(site.kind, []).append(site)
        return {kind: tuple(sites) for kind, sites in found.items()}

    def of(self, kind: SiteKind) -> tuple[Site, ...]:
        """The sites of one kind."""
        return self._by_kind.get(kind, ())

    def quantities(self, kind: SiteKind) -> tuple[Quantity, ...]:
        """What is measured at one kind of site, in column order."""
        if kind == "steps":
            return quantities(
                "steps", metrics=self.metrics, heads=self.heads, validated=self.validated
            )
        return self.measure.quantities(kind)
