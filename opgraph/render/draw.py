"""The one call that turns facts into an SVG."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from opgraph.analysis import Analysis
from opgraph.analysis import fold as fold_regions
from opgraph.collector import collector_paused
from opgraph.errors import MissingDependencyError
from opgraph.render.card import Show
from opgraph.render.dot import arrange_by_dot
from opgraph.render.layout import Layout, Sketch, arrange
from opgraph.render.notes.model import Notes
from opgraph.render.options import Options
from opgraph.render.picture import Picture
from opgraph.render.scene import Scene
from opgraph.render.svg import write_svg
from opgraph.render.theme import THEMES, ThemeName
from opgraph.render.volume import volume_scene

if TYPE_CHECKING:
    import graphviz

EngineName = Literal["builtin", "dot"]
Direction = Literal["TB", "LR"]
EdgeShapes = Literal["changes", "all", "none"]


def draw_scene(
    analysis: Analysis,
    *,
    direction: Direction = "TB",
    engine: EngineName = "builtin",
    show_shapes: bool = True,
    show_params: bool = True,
    show_attrs: bool = True,
    edge_shapes: EdgeShapes = "changes",
    title: str | None = None,
    legend: bool = True,
    foot: bool = True,
    wrap: bool = True,
    mark: str | None = None,
    fold: str | int = "auto",
    opened: Iterable[str] = (),
    notes: Notes | None = None,
) -> Scene:
    """The picture of a graph as a tree of boxes, texts and lines; see `draw_svg`."""

    def place(sketch: Sketch) -> Layout:
        if engine == "dot":
            return arrange_by_dot(sketch, direction)
        return arrange(sketch, direction, wrap)

    notes = notes or Notes()
    show = notes.show or Show(show_shapes, show_params, show_attrs)
    shapes = edge_shapes if show_shapes else "none"
    options = Options(show, shapes, title, legend, foot, mark, notes)
    folded = fold_regions(analysis, fold, opened, () if mark is None else (mark,))
    return Picture(folded, options, place, direction == "LR").scene()


def draw_svg(
    analysis: Analysis,
    *,
    theme: ThemeName = "light",
    direction: Direction = "TB",
    engine: EngineName = "builtin",
    show_shapes: bool = True,
    show_params: bool = True,
    show_attrs: bool = True,
    edge_shapes: EdgeShapes = "changes",
    title: str | None = None,
    legend: bool = True,
    foot: bool = True,
    wrap: bool = True,
    mark: str | None = None,
    fold: str | int = "auto",
    opened: Iterable[str] = (),
    notes: Notes | None = None,
) -> str:
    """The picture of a graph as a self-contained SVG; the same bytes every time.

    What does not fit is drawn too: the node in red with the reason, what follows it faint.

    Args:
        analysis: the graph and its facts.
        theme: `light`, `dark` or `print`, which is black and white.
        direction: top to bottom (`TB`) or left to right (`LR`).
        engine: `builtin`, or `dot` for the layout of Graphviz.
        show_shapes: whether shapes are shown in the boxes and at the lines.
        show_params: whether parameter counts are shown.
        show_attrs: whether attributes are shown.
        edge_shapes: shapes at lines where they say something new, at all lines, or at none.
        title: above the picture; the graph's name when None, no title when empty.
        legend: whether colours and type are explained.
        foot: whether the totals stand below.
        wrap: whether a long chain is cut into columns.
        mark: name of a node to draw a frame around.
        fold: `auto` folds regions of a large graph until it fits on a page, `none` draws all nodes,
            a number says about how many boxes there may be, a glob folds the regions called so.
        opened: globs over folds and nodes that are to be open.
        notes: numbers in the boxes and colours by number; see `make_notes`.

    Raises:
        MissingDependencyError: `engine="dot"` and no Graphviz at hand.
        GraphError: no region, fold or node is called as `fold` and `opened` say.
    """
    with collector_paused():
        scene = draw_scene(
            analysis,
            direction=direction,
            engine=engine,
            show_shapes=show_shapes,
            show_params=show_params,
            show_attrs=show_attrs,
            edge_shapes=edge_shapes,
            title=title,
            legend=legend,
            foot=foot,
            wrap=wrap,
            mark=mark,
            fold=fold,
            opened=opened,
            notes=notes,
        )
        return write_svg(scene, THEMES[theme])


def draw_volume_svg(
    analysis: Analysis, *, theme: ThemeName = "light", title: str | None = None, legend: bool = True
) -> str:
    """The network as stacked volumes from left to right; the same bytes every time.

    Height and depth are the sides of an image, width its channels, all logarithmic. What changes no
    shape is a slab on the volume before it; connections that skip volumes go over the top.

    Args:
        analysis: the graph and its facts.
        theme: `light`, `dark` or `print`, which is black and white.
        title: above the picture; the graph's name when None, no title when empty.
        legend: whether colours, sides and totals are told below.

    Raises:
        GraphError: there are too many volumes for a figure.
        OpgraphError: shapes do not fit.
    """
    return write_svg(volume_scene(analysis, title=title, legend=legend), THEMES[theme])


def to_graphviz(analysis: Analysis) -> graphviz.Digraph:
    """The graph as a `graphviz.Digraph`, to go on with in Graphviz.

    Raises:
        MissingDependencyError: the package `graphviz` is not installed.
    """
    try:
        from opgraph.render.digraph import build_digraph
    except ModuleNotFoundError as error:
        if error.name != "graphviz":
            raise
        raise MissingDependencyError(
            "a Digraph needs the package graphviz, which is not installed",
            hint="pip install 'opgraph[dot]'",
        ) from None
    return build_digraph(analysis)
