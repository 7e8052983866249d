"""What stands at the right of curves: names at the line ends, or a colour bar for many.

Works on axes it is handed; must not know how the lines were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from opgraph.render.curves.points import shortened, spread
from opgraph.render.curves.style import CurveStyle, readable

if TYPE_CHECKING:
    from opgraph.render.curves.chart import Line

PX = 96
SIZE = 10.5 * 72 / PX
GAP = 13.5  # pixels from one name to the next
OFF = 10  # pixels from the end of the axis to the names
LONGEST = 30
BAR_WIDTH, BAR_HEIGHT, BAR_ROOM = 90, 8, 190
FEW = 12  # up to so many lines have their names at their ends


def labels_width(figure: Any, labels: Sequence[str]) -> float:
    """Room for the names at the line ends, in pixels."""
    shown = [shortened(label, LONGEST) for label in labels if label]
    widths = [_width(figure, label) for label in shown]
    return max(widths, default=0.0) + OFF + 14


def _width(figure: Any, text: str) -> float:
    probe = figure.text(0, 0, text, fontsize=SIZE)
    width = float(probe.get_window_extent(figure.canvas.get_renderer()).width)
    probe.remove()
    return width


def draw_labels(axis: Any, lines: Sequence[Line], style: CurveStyle, *, many: bool) -> None:
    """Write each line's name at its end, moved apart where they would overlap."""
    named = [line for line in lines if line.label and line.series.finite.size]
    if many:
        named = _extremes(named)
    ends = [_end(axis, line) for line in named]
    box = axis.get_window_extent()
    places = spread([y for _, y in ends], GAP, box.y0 + 3, box.y1 - 3)
    for line, (x, y), place in zip(named, ends, places, strict=True):
        _label(axis, line, (x, y), place, readable(line.colour, style))


def _extremes(lines: Sequence[Line]) -> list[Line]:
    ordered = sorted(lines, key=lambda line: float(line.series.last or 0))
    return list(dict.fromkeys([*ordered[:2], *ordered[-2:]]))


def _end(axis: Any, line: Line) -> tuple[float, float]:
    """Where a line ends, in pixels."""
    series = line.series
    known = np.flatnonzero(np.isfinite(series.values))
    if axis.get_yscale() == "log":
        known = known[series.values[known] > 0]
    row = int(known[-1]) if known.size else 0
    value = series.values[row] if known.size else axis.get_ylim()[0]
    x, y = axis.transData.transform((series.steps[row], value))
    return float(x), float(y)


def _label(axis: Any, line: Line, end: tuple[float, float], place: float, colour: str) -> None:
    box = axis.get_window_extent()
    start = box.x1 + OFF
    back = axis.transAxes.inverted().transform
    if abs(place - end[1]) > 2 or end[0] < box.x1 - 2:
        bend = [back(point) for point in (end, (box.x1 + 2, end[1]), (start - 2, place))]
        xs, ys = zip(*bend, strict=True)
        axis.plot(xs, ys, color=line.colour, linewidth=0.7, alpha=0.6, clip_on=False,
                  transform=axis.transAxes)  # fmt: skip
    x, y = back((start, place))
    axis.text(x, y, shortened(line.label, LONGEST), transform=axis.transAxes, fontsize=SIZE,
              color=colour, va="center_baseline", ha="left")  # fmt: skip


def draw_heading(axis: Any, lines: Sequence[Line], style: CurveStyle) -> None:
    """The quantity's name above the panel, and in a few words what it is."""
    series = lines[0].series
    name = axis.annotate(
        series.what, (0, 1), (0, 9), xycoords="axes fraction", textcoords="offset points",
        color=style.text, fontsize=12 * 72 / PX, fontweight="bold")  # fmt: skip
    unit = series.quantity.unit
    counted = f"{series.quantity.doc}, in {unit}" if unit not in ("", "1") else series.quantity.doc
    end = name.get_window_extent(axis.figure.canvas.get_renderer()).x1
    room = axis.figure.bbox.width - end - 24 - (BAR_ROOM if len(lines) > FEW else 0)
    axis.annotate(
        _fitting(axis.figure, counted, room), (0, 1), ((end - axis.bbox.x0) * 72 / PX + 8, 9),
        xycoords="axes fraction", textcoords="offset points", color=style.muted, fontsize=SIZE,
    )  # fmt: skip


def _fitting(figure: Any, text: str, room: float) -> str:
    """As many clauses of a text as there is room for."""
    while text and _width(figure, text) > room:
        text = text[: max(text.rfind(mark) for mark in ",;")] if "," in text or ";" in text else ""
    return text


def draw_bar(axis: Any, lines: Sequence[Line], style: CurveStyle) -> None:
    """A bar of the lines' colours from the first node to the last, at the right above the panel."""
    from matplotlib.colors import ListedColormap

    figure = axis.figure
    colours = list(dict.fromkeys(line.colour for line in lines))
    width, height = figure.bbox.width, figure.bbox.height
    last = figure.text((width - 12) / width, (axis.bbox.y1 + 12) / height, "last node",
                       color=style.muted, fontsize=SIZE, ha="right")  # fmt: skip
    right = last.get_window_extent(figure.canvas.get_renderer()).x0 - 6
    left = right - BAR_WIDTH
    figure.text((left - 6) / width, (axis.bbox.y1 + 12) / height, "first",
                color=style.muted, fontsize=SIZE, ha="right")  # fmt: skip
    box = (left / width, (axis.bbox.y1 + 12) / height, BAR_WIDTH / width, BAR_HEIGHT / height)
    bar = figure.add_axes(box)
    bar.imshow([list(range(len(colours)))], aspect="auto", cmap=ListedColormap(colours))
    bar.set_axis_off()
