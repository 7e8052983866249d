"""The colours of scales, for each theme, and the ink that can be read on them.

Magnitudes go through cividis (Nunez, Anderton, Renslow 2018), which is even in lightness and the
same for the colour-blind; what has two sides goes from blue over white to orange. Print has greys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from opgraph.render.scale import LEVELS, NONE, NONFINITE, ZERO
from opgraph.render.theme import Theme, ThemeName, mix

CIVIDIS = (
    *("#00224E", "#00285B", "#002E6A", "#053371", "#1A386F", "#273E6E", "#32436D"),
    *("#3B496C", "#434E6C", "#4B546C", "#535A6D", "#5A5F6E", "#61656F", "#686A71"),
    *("#6F7073", "#767676", "#7D7C78", "#848279", "#8C8878", "#938E78", "#9B9476"),
    *("#A39A74", "#ABA072", "#B4A76F", "#BCAE6C", "#C4B468", "#CDBB63", "#D5C25E"),
    *("#DEC958", "#E7D150", "#F0D846", "#F9E03A", "#FEE838"),
)
SIDES = ("#0072B2", "#FFFFFF", "#D55E00")
GREYS = ("#F2F2F2", "#404040")
RAMPS: Mapping[ThemeName, Mapping[str, Sequence[str]]] = {
    "light": {"m": CIVIDIS, "s": SIDES},
    "dark": {"m": CIVIDIS, "s": SIDES},
    "print": {"m": GREYS, "s": ("#FFFFFF", "#404040")},
}
BAD: Mapping[ThemeName, str] = {"light": "#A21CAF", "dark": "#C026D3", "print": "#000000"}
DARK_INK, LIGHT_INK = "#000000", "#FFFFFF"


def heat_colour(theme: Theme, level: str) -> str:
    """The colour of a level of `scale.Scale`."""
    if level == NONFINITE:
        return BAD[theme.name]
    if level == ZERO:
        return theme.surface
    if level == NONE:
        return theme.background
    stops = RAMPS[theme.name][level[0]]
    place = int(level[1:]) / (LEVELS - 1) * (len(stops) - 1)
    index = min(int(place), len(stops) - 2)
    return mix(stops[index + 1], stops[index], place - index)


def heat_ink(theme: Theme, level: str) -> str:
    """Black or white, whichever can be read better on a level."""
    if level in (ZERO, NONE):
        return theme.text
    bright = luminance(heat_colour(theme, level))
    return DARK_INK if (bright + 0.05) / 0.05 >= 1.05 / (bright + 0.05) else LIGHT_INK


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1).

    >>> luminance("#000000"), luminance("#FFFFFF")
    (0.0, 1.0)
    """
    linear: list[float] = []
    for start in (1, 3, 5):
        c = int(colour[start : start + 2], 16) / 255
        linear.append(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return round(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], 12)


def heat_rules(theme: Theme, levels: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Style rules of the levels that a picture uses."""
    for level in levels:
        yield f".h-{level}", f"fill:{heat_colour(theme, level)}"
        yield f".h-{level}~text", f"fill:{heat_ink(theme, level)}"
    yield f".box.h-{NONE}", f"stroke:{theme.edge};stroke-dasharray:4 3"
    yield f".box.h-{ZERO}", f"stroke:{theme.edge}"
    yield ".tick", f"fill:{theme.muted}"
