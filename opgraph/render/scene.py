"""What a picture consists of, before it is written as SVG or anything else.

Frozen trees of boxes, texts, lines and groups, in pixels. Owns no colours (see `theme`): everything
has a `kind` that a theme knows. Text carries the width it was measured at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opgraph.render.layout import Point

ORIGIN = Point(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; `fill` overrides what the theme says of its kind."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    radius: float = 0.0
    fill: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `x` is its left end, `y` its base line, `width` what it measures."""

    x: float
    y: float
    content: str
    kind: str
    width: float


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points: at right angles with rounded corners, or as Bezier curves."""

    points: tuple[Point, ...]
    kind: str
    radius: float = 0.0
    curved: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled ornament, as SVG path data."""

    data: str
    kind: str


@dataclass(frozen=True, slots=True)
class Group:
    """Things that belong together.

    Attributes:
        children: drawn in this order, the last on top.
        at: where the children's origin is.
        ident: unique in the picture.
        kind: for styles and scripts.
        title: shown by the viewer when the pointer rests on it.
        data: attributes for scripts, without the `data-`.
        href: `ident` of the group that a click leads to.
    """

    children: tuple[Item, ...]
    at: Point = ORIGIN
    ident: str | None = None
    kind: str | None = None
    title: str | None = None
    data: Mapping[str, str] = field(default_factory=dict[str, str])
    href: str | None = None


Leaf = Rect | Text | Path | Shape
Item = Leaf | Group


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture.

    Attributes:
        width: in pixels.
        height: in pixels.
        title: what it is, for screen readers and tabs.
        desc: what it shows, for screen readers.
        children: drawn in this order.
    """

    width: float
    height: float
    title: str
    desc: str
    children: tuple[Item, ...]
