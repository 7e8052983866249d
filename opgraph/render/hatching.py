"""Hatching: small tiles that fill bars and boxes where colour is not to be relied on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opgraph.ops import Category


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece that repeats.

    Attributes:
        width: of the tile.
        height: of the tile.
        data: what is drawn in it, as SVG path data.
        stroke: width of its lines.
    """

    width: float
    height: float
    data: str
    stroke: float

    def definition(self, ident: str, ink: str, ground: str) -> str:
        """The tile as an SVG pattern."""
        size = f'width="{self.width:g}" height="{self.height:g}"'
        area = f"M0 0H{self.width:g}V{self.height:g}H0Z"
        return (
            f'<pattern id="{ident}" {size} patternUnits="userSpaceOnUse">'
            f'<path d="{area}" fill="{ground}"/><path d="{self.data}" stroke="{ink}"'
            f' stroke-width="{self.stroke:g}" fill="none"/></pattern>\n'
        )


# The bars of boxes in print; they are 4 wide. What is not here is plain.
BARS: Mapping[Category, Tile] = {
    "dense": Tile(4, 4, "M-1 1L1 -1M-1 5L5 -1M3 5L5 3", 1.4),
    "normalization": Tile(4, 3, "M0 1.5H4", 1.1),
    "activation": Tile(4, 4, "M1 2H3", 2.0),
    "pooling": Tile(4, 6, "M0 2H4", 4.0),
    "shape": Tile(4, 6, "M0 2H4", 4.0),
    "merge": Tile(4, 4, "M0 1H2M2 3H4", 2.0),
    "recurrent": Tile(4, 4, "M0.5 0V4M3.5 0V4", 1.0),
    "attention": Tile(4, 4, "M0.5 0V4M3.5 0V4", 1.0),
}


def bar_patterns(root: str, ink: str, ground: str) -> Iterator[str]:
    """Definitions of the tiles of all bars."""
    for category, tile in BARS.items():
        yield tile.definition(f"{root}-b-{category}", ink, ground)
