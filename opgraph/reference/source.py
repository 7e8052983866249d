"""Where numbers enter a network."""

from __future__ import annotations

from opgraph.reference.computed import Computed, Given, Pulled, single
from opgraph.reference.registry import reference


@reference("Input", "Identity")
def unchanged(given: Given) -> Computed:
    """What comes in."""
    return single(given.x, lambda g: Pulled((g,)))
