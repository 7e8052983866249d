"""What became of nodes and lines, as marks on a picture: sign, pattern and colour.

Frozen data and its colours for each theme. Red is left to errors, and nothing is told by colour
alone: a removed box is hatched and dashed, a changed one dotted, a new one has a thick border.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opgraph.analysis import Status
from opgraph.graph import Endpoint
from opgraph.render.hatching import Tile
from opgraph.render.theme import Theme, ThemeName, mix

SIGNS: Mapping[Status, str] = {"added": "+", "removed": "−", "changed": "~"}
COLOURS: Mapping[ThemeName, Mapping[str, str]] = {
    "light": {"added": "#0072B2", "removed": "#9A6700", "changed": "#7A5195"},
    "dark": {"added": "#56B4E9", "removed": "#E69F00", "changed": "#C39BD8"},
    "print": {"added": "#000000", "removed": "#6B6B6B", "changed": "#333333"},
}
TINT, PATTERN_TINT = 0.10, 0.28
PATTERNS: Mapping[str, Tile] = {
    "removed": Tile(7, 7, "M-1 1L1 -1M0 7L7 0M6 8L8 6", 1.2),
    "changed": Tile(6, 6, "M0.9 1.5h1.2M3.9 4.5h1.2", 1.2),
}


class Mark(NamedTuple):
    """What became of a node.

    Attributes:
        status: `added`, `removed`, `changed`, `follows` or `same`.
        rows: label and value of what changed.
    """

    status: Status
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def sign(self) -> str:
        """What stands before its name."""
        return SIGNS.get(self.status, "")


class Way(NamedTuple):
    """What became of a line: where it really leaves its source, and its status."""

    port: int
    status: str


@dataclass(frozen=True)
class Marks:
    """All marks of a picture; none in a usual one.

    Attributes:
        nodes: by name.
        lines: by the port that they leave by in the picture.
        legend: words for each status.
        remarks: further words.
        summary: the small print below, in place of the totals.
    """

    nodes: Mapping[str, Mark] = field(default_factory=dict[str, Mark])
    lines: Mapping[Endpoint, Way] = field(default_factory=dict[Endpoint, Way])
    legend: Mapping[str, str] = field(default_factory=dict[str, str])
    remarks: tuple[str, ...] = ()
    summary: str = ""

    def of(self, nodes: Sequence[str]) -> Mark | None:
        """The mark of a box; one that stands for several nodes says no more than that they are."""
        if not self.nodes:
            return None
        return self.nodes[nodes[0]] if len(nodes) == 1 else Mark("same")


def mark_rules(theme: Theme, root: str, used: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Style rules of the marks that a picture uses."""
    for status in used:
        colour = COLOURS[theme.name].get(status)
        if colour is None:
            look = "" if status == "same" else ";stroke-dasharray:1 2.5;stroke-linecap:round"
            stroke = theme.border if status == "same" else theme.edge
            yield f".box.d-{status}", f"fill:{theme.surface};stroke:{stroke}{look}"
            continue
        ground = mix(colour, theme.surface, TINT)
        fill = f"url(#{root}-{status})" if status in PATTERNS else ground
        dashes = ";stroke-dasharray:6 3" if status == "removed" else ""
        yield f".box.d-{status}", f"fill:{fill};stroke:{colour};stroke-width:2{dashes}"
        yield f".edge.d-{status}", f"stroke:{colour};stroke-width:2{dashes}"
        yield f".arrow.d-{status}", f"fill:{colour}"


def mark_patterns(theme: Theme, root: str, used: Iterable[str]) -> Iterator[str]:
    """Definitions of the patterns that those rules name."""
    for status in used:
        if status not in PATTERNS:
            continue
        colour = COLOURS[theme.name][status]
        ground, ink = (mix(colour, theme.surface, share) for share in (TINT, PATTERN_TINT))
        yield PATTERNS[status].definition(f"{root}-{status}", ink, ground)
