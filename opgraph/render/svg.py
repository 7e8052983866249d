"""A scene written as SVG: one text, the same bytes for the same scene.

The only place that escapes. Styles are scoped to the picture's own id, so that several pictures can
stand in one page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import hypot
from zlib import crc32

from opgraph.render.cleaning import clean
from opgraph.render.hatching import BARS, bar_patterns
from opgraph.render.heat import heat_rules
from opgraph.render.layout import Point
from opgraph.render.marks import mark_patterns, mark_rules
from opgraph.render.scene import ORIGIN, Group, Item, Leaf, Path, Rect, Scene, Text
from opgraph.render.theme import FONT_FAMILY, TYPE, Theme, mix

ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
LEVEL = re.compile(r"\b([hdtv])-(\w+)")
UNSAFE = re.compile("[&<>\"']")


def write_svg(scene: Scene, theme: Theme, more: Callable[[str], str] | None = None) -> str:
    """The scene as a self-contained SVG document.

    Args:
        scene: what to draw.
        theme: its colours.
        more: further style rules, given the id of the picture.
    """
    pieces: list[str] = []
    for item in scene.children:
        _write(item, pieces)
    body = "".join(pieces)
    root = f"opgraph-{crc32((theme.name + body).encode()):08x}"
    used = _levels(scene)
    size = f'width="{number(scene.width)}" height="{number(scene.height)}"'
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{root}" {size}',
            f' viewBox="0 0 {number(scene.width)} {number(scene.height)}" role="img"',
            f' aria-labelledby="{root}-title {root}-desc">\n',
            f'<title id="{root}-title">{escape(scene.title)}</title>\n',
            f'<desc id="{root}-desc">{escape(scene.desc)}</desc>\n',
            f"<style>\n{_styles(theme, root, used)}{more(root) if more else ''}</style>\n",
            _definitions(theme, root, used, body),
            body.replace(PREFIX, root),
            "</svg>\n",
        )
    )


# Stands for the root id until that is known; U+FFFF cannot come from outside (`clean` replaces it).
PREFIX = "\uffff"


def escape(text: str) -> str:
    """The text as XML character data or attribute value.

    >>> escape("a<b & 'c'")
    'a&lt;b &amp; &#39;c&#39;'
    """
    lines = text.split("\n") if "\n" in text else [text]
    cleaned = "\n".join(map(clean, lines))
    return cleaned.translate(ENTITIES) if UNSAFE.search(cleaned) else cleaned


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel.

    >>> number(3.0), number(-0.04), number(2.26)
    ('3', '0', '2.3')
    """
    rounded = round(value, 1)
    whole = int(rounded)
    return str(whole) if whole == rounded else str(rounded)


def _write(item: Item, pieces: list[str]) -> None:
    if not isinstance(item, Group):
        pieces.append(_leaf(item))
        return
    if item.href:
        pieces.append(f'<a href="#{PREFIX}-{escape(item.href)}">')
    pieces.append(f"<g{_attributes(item)}>\n")
    if item.title:
        pieces.append(f"<title>{escape(item.title)}</title>\n")
    for child in item.children:
        _write(child, pieces)
    pieces.append("</g></a>\n" if item.href else "</g>\n")


# Boxes of the same op say the same at the same places; only names and lines differ.
@lru_cache(maxsize=16384)
def _leaf(item: Leaf) -> str:
    if isinstance(item, Text):
        return _text(item)
    if isinstance(item, Rect):
        return _rect(item)
    data = path_data(item) if isinstance(item, Path) else item.data
    return f'<path class="{item.kind}" d="{data}"/>\n'


def _text(text: Text) -> str:
    return (
        f'<text class="{text.kind}" x="{number(text.x)}" y="{number(text.y)}"'
        f' textLength="{number(text.width)}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(text.content)}</text>\n"
    )


def _rect(rect: Rect) -> str:
    fill = f' fill="{escape(rect.fill)}"' if rect.fill else ""
    radius = f' rx="{number(rect.radius)}"' if rect.radius else ""
    return (
        f'<rect class="{rect.kind}" x="{number(rect.x)}" y="{number(rect.y)}"'
        f' width="{number(rect.width)}" height="{number(rect.height)}"{radius}{fill}/>\n'
    )


def _attributes(group: Group) -> str:
    found = f' id="{PREFIX}-{escape(group.ident)}"' if group.ident else ""
    if group.kind:
        found += f' class="{group.kind}"'
    if group.at != ORIGIN:
        found += f' transform="translate({number(group.at.x)} {number(group.at.y)})"'
    for name, value in group.data.items():
        found += f' data-{name}="{escape(value)}"'
    return found


def path_data(path: Path) -> str:
    """SVG path data of a line.

    >>> path_data(Path((Point(0, 0), Point(0, 20), Point(30, 20)), "edge", radius=5))
    'M0 0L0 15Q0 20 5 20L30 20'
    """
    points = path.points
    start = f"M{_pair(points[0])}"
    if path.curved:
        return start + "C" + " ".join(map(_pair, points[1:]))
    corners = zip(points, points[1:], points[2:], strict=False)
    rounded = "".join(_corner(*corner, path.radius) for corner in corners)
    return f"{start}{rounded}L{_pair(points[-1])}"


def _corner(before: Point, corner: Point, after: Point, radius: float) -> str:
    into = hypot(corner.x - before.x, corner.y - before.y)
    out = hypot(after.x - corner.x, after.y - corner.y)
    reach = min(radius, into / 2, out / 2)
    if reach < 0.5:
        return f"L{_pair(corner)}"
    a, b = _towards(corner, before, reach / into), _towards(corner, after, reach / out)
    return f"L{_pair(a)}Q{_pair(corner)} {_pair(b)}"


def _towards(start: Point, goal: Point, share: float) -> Point:
    return Point(start.x + (goal.x - start.x) * share, start.y + (goal.y - start.y) * share)


def _pair(point: Point) -> str:
    return f"{number(point.x)} {number(point.y)}"


def _levels(scene: Scene) -> dict[str, list[str]]:
    """Levels (`h`), marks (`d`), parts of a strip (`t`), volumes (`v`) that are used, sorted."""
    found: dict[str, set[str]] = {"h": set(), "d": set(), "t": set(), "v": set()}
    groups: list[Group | Scene] = [scene]
    while groups:
        for item in groups.pop().children:
            if isinstance(item, Group):
                groups.append(item)
            elif isinstance(item, Rect | Path) and (match := LEVEL.search(item.kind)):
                found[match[1]].add(match[2])
    return {kind: sorted(names) for kind, names in found.items()}


def _styles(theme: Theme, root: str, used: Mapping[str, list[str]]) -> str:
    rules = [*_type_rules(theme), *_shape_rules(theme, root)]
    rules += heat_rules(theme, used["h"]) if used["h"] else []
    rules += mark_rules(theme, root, used["d"])
    rules += _strip_rules(theme) if used["t"] else []
    rules += _volume_rules(theme, used["v"])
    return "".join(f"#{root} {selector}{{{body}}}\n" for selector, body in rules)


def _strip_rules(theme: Theme) -> Iterable[tuple[str, str]]:
    """What shows the time in a film."""
    yield ".t-rule", f"fill:{theme.border}"
    yield ".t-loss", f"fill:none;stroke:{theme.muted};stroke-width:1.25;stroke-linejoin:round"
    yield ".t-cursor", f"fill:{theme.border}"
    yield ".t-dot", f"fill:{theme.text}"


def _volume_rules(theme: Theme, used: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Faces of volumes: the front in the light, the lid lighter, the side in the shade."""
    for category, colour in theme.categories.items():
        if category not in used:
            continue
        line = f"stroke:{mix(theme.text, colour, 0.35)};stroke-width:0.75;stroke-linejoin:round"
        for face, share in (("front", 0.55), ("lid", 0.32), ("side", 0.78)):
            yield f".v-{category}.{face}", f"fill:{mix(colour, theme.surface, share)};{line}"


def _definitions(theme: Theme, root: str, used: Mapping[str, list[str]], body: str) -> str:
    """Patterns that the styles name, if any."""
    patterns = "".join(mark_patterns(theme, root, used["d"]))
    if theme.is_hatched and 'class="b-' in body:
        patterns += "".join(bar_patterns(root, theme.text, theme.background))
    return f"<defs>\n{patterns}</defs>\n" if patterns else ""


def _type_rules(theme: Theme) -> Iterable[tuple[str, str]]:
    yield "text", f"font-family:{FONT_FAMILY};font-variant-numeric:tabular-nums"
    for kind, (size, bold, italic, role) in TYPE.items():
        weight = ";font-weight:bold" if bold else ""
        style = ";font-style:italic" if italic else ""
        yield f".{kind}", f"font-size:{size}px{weight}{style};fill:{theme.role(role)}"


def _shape_rules(theme: Theme, root: str) -> Iterable[tuple[str, str]]:
    yield ".background", f"fill:{theme.background}"
    yield ".box", f"stroke:{theme.border};stroke-width:1"
    yield ".edge", f"fill:none;stroke:{theme.edge};stroke-width:1.25"
    yield ".arrow", f"fill:{theme.edge}"
    for category, colour in theme.categories.items():
        yield f".c-{category}", f"fill:{theme.fill(category)}"
        hatched = theme.is_hatched and category in BARS
        yield f".b-{category}", f"fill:{f'url(#{root}-b-{category})' if hatched else colour}"
    yield ".box.c-opaque", f"stroke:{theme.categories['opaque']};stroke-dasharray:4 3"
    yield ".c-error", f"fill:{theme.error_fill};stroke:{theme.error};stroke-width:1.5"
    yield ".b-error", f"fill:{theme.error}"
    yield ".c-fold", f"fill:{theme.surface};stroke:{theme.edge}"
    yield ".c-ghost", f"fill:{theme.background};stroke-dasharray:3 3"
    yield ".edge.ghost-line", f"stroke:{theme.border}"
    yield ".arrow.ghost-line", f"fill:{theme.border}"
    yield ".tag", f"fill:{theme.background};stroke:{theme.edge};stroke-width:1"
