"""Colours, dashes and sizes of curves: one table for each theme.

The colours are those of Okabe and Ito, which stay apart for the colour-blind; those too pale for
the ground are left out or, on a dark ground, lightened (a test computes the contrast).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opgraph.render.theme import THEMES, mix

CurveTheme = Literal["light", "dark", "print"]
Dash = tuple[float, ...]
SOLID: Dash = ()
DASHES: tuple[Dash, ...] = (SOLID, (4.5, 2.0), (1.2, 1.6), (6.0, 1.8, 1.2, 1.8))


@dataclass(frozen=True)
class CurveStyle:
    """The look of one theme.

    Attributes:
        background: behind everything.
        text: what matters.
        muted: what matters less.
        grid: lines behind the curves.
        frame: the line of the step axis.
        error: marks of NaN and Inf, and nothing else.
        colours: of the lines, in order.
        dashes: of the lines, in order; the next is taken when the colours are used up.
        alternate: whether dashes change from line to line, because colour alone does not tell.
        ramp: name of the colour map for position in the network.
        span: the part of that map that stands out from the ground.
    """

    background: str
    text: str
    muted: str
    grid: str
    frame: str
    error: str
    colours: tuple[str, ...]
    dashes: tuple[Dash, ...] = DASHES
    alternate: bool = False
    ramp: str = "viridis"
    span: tuple[float, float] = (0.0, 0.85)

    def line(self, number: int) -> tuple[str, Dash]:
        """Colour and dash of the line of a number.

        >>> STYLES["light"].line(0)
        ('#0072B2', ())
        """
        colour = self.colours[number % len(self.colours)]
        turn = number if self.alternate else number // len(self.colours)
        return colour, self.dashes[turn % len(self.dashes)]


_LIGHT, _DARK = THEMES["light"], THEMES["dark"]


def readable(colour: str, style: CurveStyle) -> str:
    """A colour as that of a text: moved towards the text's own until it can be read.

    >>> readable("#FDE725", STYLES["light"]) == "#FDE725", readable("#000000", STYLES["print"])
    (False, '#000000')
    """
    shares = (share / 10 for share in range(11))
    tried = (mix(style.text, colour, share) for share in shares)
    return next((one for one in tried if contrast(one, style.background) >= 4.5), style.text)


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, from 1 to 21, as the WCAG define it.

    >>> round(contrast("#000000", "#FFFFFF"))
    21
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


STYLES: Mapping[CurveTheme, CurveStyle] = {
    "light": CurveStyle(
        background=_LIGHT.background,
        text=_LIGHT.text,
        muted=_LIGHT.muted,
        grid="#E8ECF1",
        frame="#94A3B8",
        error=_LIGHT.error,
        colours=("#0072B2", "#D55E00", "#009E73", "#B4558F", "#C98500", "#3D9BD6", "#475569"),
    ),
    "dark": CurveStyle(
        background=_DARK.background,
        text=_DARK.text,
        muted=_DARK.muted,
        grid="#1F2A3D",
        frame="#475569",
        error=_DARK.error,
        colours=("#56B4E9", "#F2813A", "#2FC79A", "#DE94BE", "#F0C54A", "#8FA2FF", "#CBD5E1"),
        span=(0.35, 1.0),
    ),
    "print": CurveStyle(
        background="#FFFFFF",
        text="#000000",
        muted="#404040",
        grid="#E3E3E3",
        frame="#000000",
        error="#000000",
        colours=("#000000", "#808080", "#4D4D4D"),
        alternate=True,
        ramp="gray",
        span=(0.0, 0.62),
    ),
}
