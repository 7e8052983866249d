"""Colours and type of pictures: one table for each theme.

Category colours are those of Okabe and Ito where they have one; text keeps a contrast of at least
4.5 to everything it stands on (a test computes it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opgraph.ops import Category

ThemeName = Literal["light", "dark", "print"]
FONT_FAMILY = (
    "'Liberation Sans',Arial,Helvetica,'Noto Sans CJK SC','Noto Sans SC','PingFang SC',"
    "'Microsoft YaHei','WenQuanYi Zen Hei','Hiragino Sans',sans-serif"
)
FONTS = tuple(name.strip("'") for name in FONT_FAMILY.split(","))
WIDE_FONT = "Noto Sans CJK SC"

# kind -> (size in px, bold, italic, colour role)
TYPE: Mapping[str, tuple[float, bool, bool, str]] = {
    "title": (15, True, False, "text"),
    "name": (12, True, False, "text"),
    "quiet": (12, False, False, "text"),
    "op": (11, False, False, "muted"),
    "label": (10.5, False, False, "muted"),
    "given": (11, False, False, "text"),
    "inferred": (11, False, True, "text"),
    "default": (11, False, True, "muted"),
    "params": (10.5, False, False, "text"),
    "parts": (10.5, False, False, "muted"),
    "shape": (10, False, False, "muted"),
    "why": (10.5, False, False, "error_text"),
    "wrong": (12, True, False, "error_text"),
    "ghost": (11, False, False, "muted"),
    "foot": (10.5, False, False, "muted"),
}


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one theme.

    Attributes:
        name: what it is called.
        background: behind everything.
        surface: fill of boxes, before their category tints it.
        border: hairlines.
        text: what matters.
        muted: what matters less.
        edge: lines between boxes.
        error: border and bar of a box that is wrong, and nothing else.
        error_text: text in such a box.
        tint: share of the category's colour in a box.
        categories: colour of the bar of each category.
        is_hatched: whether bars are told apart by hatching instead.
    """

    name: ThemeName
    background: str
    surface: str
    border: str
    text: str
    muted: str
    edge: str
    error: str
    error_text: str
    tint: float
    categories: Mapping[Category, str]
    is_hatched: bool = False

    def role(self, name: str) -> str:
        """The colour of a role named in `TYPE`."""
        return {"text": self.text, "muted": self.muted, "error_text": self.error_text}[name]

    def fill(self, category: Category) -> str:
        """The fill of a box of a category."""
        return mix(self.categories[category], self.surface, self.tint)

    @property
    def error_fill(self) -> str:
        """The fill of a box that is wrong."""
        return mix(self.error, self.surface, self.tint)


def mix(colour: str, ground: str, share: float) -> str:
    """A share of one colour on another.

    >>> mix("#000000", "#FFFFFF", 0.5)
    '#808080'
    """
    channels = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    mixed = (int(share * a + (1 - share) * b + 0.5) for a, b in channels)
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


CATEGORIES: Mapping[Category, str] = {
    "input": "#475569",
    "convolution": "#0072B2",
    "dense": "#D55E00",
    "normalization": "#E69F00",
    "activation": "#009E73",
    "pooling": "#7A5195",
    "shape": "#7A5195",
    "merge": "#56B4E9",
    "recurrent": "#CC79A7",
    "attention": "#CC79A7",
    "regularization": "#8A8F98",
    "opaque": "#8A8F98",
}

# What learns is darkest; the name of the op in each box tells the rest apart.
GREYS: Mapping[Category, str] = {
    "input": "#8C8C8C",
    "convolution": "#1A1A1A",
    "dense": "#262626",
    "normalization": "#5C5C5C",
    "activation": "#A6A6A6",
    "pooling": "#808080",
    "shape": "#808080",
    "merge": "#999999",
    "recurrent": "#404040",
    "attention": "#404040",
    "regularization": "#B0B0B0",
    "opaque": "#707070",
}

THEMES: Mapping[ThemeName, Theme] = {
    "light": Theme(
        name="light",
        background="#FFFFFF",
        surface="#FFFFFF",
        border="#CBD5E1",
        text="#0F172A",
        muted="#526077",
        edge="#64748B",
        error="#B91C1C",
        error_text="#B91C1C",
        tint=0.07,
        categories=CATEGORIES,
    ),
    "dark": Theme(
        name="dark",
        background="#0F172A",
        surface="#1E293B",
        border="#334155",
        text="#E2E8F0",
        muted="#94A3B8",
        edge="#7C8BA1",
        error="#EF4444",
        error_text="#FCA5A5",
        tint=0.08,
        categories={**CATEGORIES, "input": "#94A3B8", "pooling": "#A27CC0", "shape": "#A27CC0"},
    ),
    "print": Theme(
        name="print",
        background="#FFFFFF",
        surface="#FFFFFF",
        border="#555555",
        text="#0A0A0A",
        muted="#4A4A4A",
        edge="#333333",
        error="#000000",
        error_text="#010101",
        tint=0.07,
        categories=GREYS,
        is_hatched=True,
    ),
}
