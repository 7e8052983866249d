"""The comparison of two graphs in words, and as one picture of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from opgraph.analysis import Analysis, Change, GraphDiff, NodeDiff, unite
from opgraph.analysis import fold as fold_regions
from opgraph.render.captions import sum_text
from opgraph.render.card import Show
from opgraph.render.cleaning import clean
from opgraph.render.layout import arrange
from opgraph.render.marks import SIGNS, Mark, Marks, Way
from opgraph.render.options import Options
from opgraph.render.picture import Picture
from opgraph.render.scene import Scene
from opgraph.render.svg import write_svg
from opgraph.render.theme import THEMES, ThemeName
from opgraph.render.wording import count_text, shape_text, value_text
from opgraph.version import __version__

NOTHING = "–"
LABELS = {"op": "op", "input": "reads", "weights": "weights of", "label": "label",
          "shape": "shape", "params": "params", "error": "error"}  # fmt: skip


class Told(NamedTuple):
    """A change in words: what, and its value in both graphs."""

    what: str
    left: str
    right: str


def told(change: Change) -> Told:
    """A change in words."""
    what = change.name.replace("_", " ") if change.kind == "attribute" else LABELS[change.kind]
    if change.kind in ("input", "shape") and change.name:
        what = f"{what} {change.name}"
    return Told(what, *(_value(change.kind, side) for side in (change.left, change.right)))


def _value(kind: str, value: object) -> str:
    if kind == "attribute":
        return value_text(value)
    if kind == "shape" and (value is None or isinstance(value, tuple)):
        return shape_text(value)
    if kind == "params" and (value is None or isinstance(value, int)):
        return count_text(value)
    return NOTHING if value is None else clean(str(value))


def summary(diff: GraphDiff) -> str:
    """How many nodes differ, in one line.

    >>> from opgraph.analysis import analyze, diff_graphs
    >>> from opgraph.text import parse
    >>> graph = analyze(parse("a: Input(shape=(4,)) -> b: Dense(units=2)"))
    >>> summary(diff_graphs(graph, graph))
    '2 the same'
    """
    counts, renamed = diff.counts, diff.renamed
    parts = [f"{counts[status]:,} {status}" for status in SIGNS if counts[status]]
    if renamed:
        at = next(i for i, part in enumerate(parts) if part.endswith("changed"))
        parts[at] += f" ({renamed:,} renamed)"
    if counts["follows"]:
        parts.append(f"{counts['follows']:,} with other shapes or parameters in consequence")
    return ", ".join([*parts, f"{counts['same']:,} the same"])


def params_of(analysis: Analysis) -> str:
    """Total parameters, marked where some are not known."""
    total = analysis.totals.params
    return sum_text(total, f"{total.value:,}")


def draw_diff_scene(
    diff: GraphDiff, *, title: str | None = None, fold: str | int = "auto"
) -> Scene:
    """The picture of both graphs in one as a tree of boxes, texts and lines."""
    union = unite(diff)
    marks = Marks(
        {name: _mark(node) for name, node in union.nodes.items()},
        {end: Way(way.port, way.status) for end, way in union.ways.items()},
        dict(_legend(diff)),
        tuple(_remarks(union.undrawn, bool(union.ways))),
        _foot(diff),
    )
    seen = [name for name, mark in marks.nodes.items() if mark.status != "same"]
    folded = fold_regions(union.analysis, fold, (), seen)
    heading = title if title is not None else _title(diff)
    options = Options(Show(), "none", heading, marks=marks)
    return Picture(folded, options, arrange).scene()


def draw_diff_svg(
    diff: GraphDiff,
    *,
    theme: ThemeName = "light",
    title: str | None = None,
    fold: str | int = "auto",
) -> str:
    """The picture of both graphs in one as a self-contained SVG; the same bytes every time.

    New nodes and lines carry a plus and a thick border, removed ones a minus, hatching and dashes,
    changed ones a tilde and dots, with what changed in a row each.

    Args:
        diff: the comparison.
        theme: `light`, `dark` or `print`, which is black and white.
        title: above the picture; the names of both graphs when None, no title when empty.
        fold: as for `draw_svg`; nodes that differ are never folded.
    """
    return write_svg(draw_diff_scene(diff, title=title, fold=fold), THEMES[theme])


def _title(diff: GraphDiff) -> str:
    names = [side.graph.name for side in (diff.left, diff.right)]
    return names[0] if names[0] == names[1] else " → ".join(names)


def _mark(node: NodeDiff) -> Mark:
    rows = [("was", clean(node.left))] if node.is_renamed and node.left is not None else []
    for change in (*node.changes, *node.effects):
        what, left, right = told(change)
        rows.append((what, f"{left} → {right}"))
    return Mark(node.status, tuple(rows))


def _legend(diff: GraphDiff) -> Iterator[tuple[str, str]]:
    counts = diff.counts
    for status, sign in SIGNS.items():
        if counts[status]:
            yield status, f"{sign} {status} ({counts[status]:,})"
    if counts["follows"]:
        yield "follows", f"other shape or parameters in consequence ({counts['follows']:,})"
    if counts["same"]:
        yield "same", f"the same ({counts['same']:,})"


def _remarks(undrawn: int, has_ways: bool) -> Iterator[str]:
    if has_ways:
        yield "thick line: new connection, dashed: removed"
    if undrawn:
        what = "connection is" if undrawn == 1 else "connections are"
        yield f"{undrawn:,} removed {what} not drawn, since that would close a circle"


def _foot(diff: GraphDiff) -> str:
    params = " → ".join(dict.fromkeys(params_of(side) for side in (diff.left, diff.right)))
    return f"{summary(diff)} · {params} params · opgraph {__version__}"
