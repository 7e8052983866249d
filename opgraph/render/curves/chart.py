"""Curves: quantities over the steps of a training, one panel each.

Owns the picture. Needs matplotlib, which is imported when something is drawn; must not know how a
run is read, nor what is done on a terminal.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.errors import FormatError, MissingDependencyError
from opgraph.files import write_atomic
from opgraph.record import Array
from opgraph.render.curves.ends import FEW, draw_bar, draw_heading, draw_labels, labels_width
from opgraph.render.curves.points import LogChoice, condensed, smoothed, tick_text, wants_log
from opgraph.render.curves.series import Series
from opgraph.render.curves.style import SOLID, STYLES, CurveStyle, CurveTheme, Dash
from opgraph.render.theme import FONTS

SUFFIXES = ("svg", "png", "pdf")
PX = 96  # pixels of CSS in an inch
WIDTH, PANEL, LOWEST = 760, 218, 40
LEFT, TOP, BOTTOM, BETWEEN, TITLE, NOTE = 62, 38, 46, 50, 28, 15
MOST_MARKS = 400
POINTS = 4  # from so many points a pixel column on, its range is drawn instead


@dataclass(frozen=True)
class CurveOptions:
    """What can be chosen about a picture of curves.

    Attributes:
        theme: light, dark, or print in black and white.
        log: whether the value axis is logarithmic; auto decides by the range.
        smooth: over how many steps a mean is drawn; the raw values stay, faint.
        title: a heading.
        size: width and height in CSS pixels; by the number of panels when left out.
        positions: place of each node in the network, from 0 to 1, for the colours of many lines.
    """

    theme: CurveTheme = "light"
    log: LogChoice = "auto"
    smooth: int = 1
    title: str | None = None
    size: tuple[int, int] | None = None
    positions: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def style(self) -> CurveStyle:
        """The look of the theme."""
        return STYLES[self.theme]


@dataclass(frozen=True, eq=False)
class Line:
    """A series, and how it is drawn."""

    series: Series
    label: str
    colour: str
    dash: Dash


def check_suffix(path: Path) -> None:
    """Refuse a file name whose suffix is no picture.

    Raises:
        FormatError: it is none of svg, png, pdf.
    """
    if path.suffix.lower().removeprefix(".") not in SUFFIXES:
        received = f"the suffix {path.suffix!r}" if path.suffix else "a name without suffix"
        raise FormatError(
            f"curves are drawn as .svg, .png or .pdf, received {received}", where=str(path)
        )


def render_curves(panels: Sequence[Sequence[Series]], path: Path, options: CurveOptions) -> None:
    """Draw series over the steps, a panel for each quantity, and write the picture.

    The same numbers make the same bytes.

    Args:
        panels: the series of each panel; all of a panel are of one quantity.
        path: the file; its suffix says the format. A PNG has two pixels to each of the size.
        options: what can be chosen.

    Raises:
        FormatError: the suffix is none of svg, png, pdf, or the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    check_suffix(path)
    suffix = path.suffix.lower().removeprefix(".")
    with _settings():
        figure = _figure(panels, options)
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
        write_atomic(
            path,
            lambda temporary: figure.savefig(
                temporary, format=suffix, dpi=2 * PX, metadata=metadata
            ),
        )


@contextmanager
def _settings() -> Generator[None]:
    """Settings of matplotlib for one picture; those of the process are left alone."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "drawing curves needs matplotlib, which is not installed: pip install 'opgraph[plot]'"
        ) from None

    chosen: Any = {
        "font.family": [*FONTS, "DejaVu Sans"],
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 11 * 72 / PX,
        "svg.fonttype": "none",
        "svg.hashsalt": "opgraph",
        "pdf.fonttype": 42,
        "path.simplify": False,
        "text.parse_math": False,
    }
    finder = logging.getLogger("matplotlib.font_manager")
    level = finder.level
    finder.setLevel(logging.ERROR)  # not every system has every font of the stack
    try:
        with matplotlib.rc_context(), warnings.catch_warnings():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(chosen)
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            yield
    finally:
        finder.setLevel(level)


def _figure(panels: Sequence[Sequence[Series]], options: CurveOptions) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = _styled(panels, options)
    figure: Any = Figure(dpi=PX, facecolor=options.style.background)
    FigureCanvasAgg(figure)  # measures texts; no window is opened
    right = max(labels_width(figure, [line.label for line in some]) for some in lines)
    wide = options.size[0] if options.size else WIDTH
    columns = max(50, int(wide - LEFT - right))
    notes = _notes(panels, options, columns)
    head, foot = TOP + (TITLE if options.title else 0), BOTTOM + NOTE * len(notes)
    width, height, panel = _sizes(len(panels), head + foot, options)
    figure.set_size_inches(width / PX, height / PX)
    limits = _limits(panels)
    for number, some in enumerate(lines):
        bottom = height - head - panel - number * (panel + BETWEEN)
        axis = figure.add_axes((LEFT / width, bottom / height, columns / width, panel / height))
        _panel(axis, some, limits, columns, options)
        last = number == len(lines) - 1
        axis.tick_params(axis="x", labelbottom=last)
        if last:
            axis.set_xlabel("step", loc="right", color=options.style.muted, labelpad=2)
    _texts(figure, options, notes)
    return figure


def _sizes(count: int, rest: int, options: CurveOptions) -> tuple[float, float, float]:
    """Width, height, and height of a panel, in pixels."""
    gaps = BETWEEN * (count - 1)
    tall = rest + PANEL * count + gaps
    width, height = options.size or (WIDTH, tall)
    panel = (height - rest - gaps) / count
    if panel < LOWEST:
        needed = math.ceil(rest + LOWEST * count + gaps)
        problem = f"{width}x{height} is too small for {count} panel{'s' if count > 1 else ''}"
        raise FormatError(problem, hint=f"a height of {needed} will do, {tall} is usual")
    return width, height, panel


def _texts(figure: Any, options: CurveOptions, notes: Sequence[str]) -> None:
    """The heading, and the notes at the foot."""
    width, height = figure.get_size_inches() * PX
    style = options.style
    if options.title:
        figure.text(14 / width, 1 - 12 / height, options.title, va="top", color=style.text,
                    fontsize=14 * 72 / PX, fontweight="bold")  # fmt: skip
    for number, note in enumerate(reversed(notes)):
        figure.text(14 / width, (10 + number * NOTE) / height, note, va="bottom",
                    color=style.muted, fontsize=10 * 72 / PX)  # fmt: skip


def _styled(panels: Sequence[Sequence[Series]], options: CurveOptions) -> list[list[Line]]:
    """The same name has the same look in all panels; several runs are told apart as well."""
    runs = list(dict.fromkeys(series.run for panel in panels for series in panel))
    names = list(dict.fromkeys(series.name for panel in panels for series in panel if series.name))
    style, found = options.style, list[list[Line]]()
    for panel in panels:
        single = len({series.name for series in panel}) == 1
        lines: list[Line] = []
        for series in panel:
            number = runs.index(series.run) if single and len(runs) > 1 else _index(series, names)
            colour, dash = style.line(number)
            if len(runs) > 1 and not single:
                dash = style.dashes[runs.index(series.run) % len(style.dashes)]
            lines.append(Line(series, _label(series, len(runs) > 1, single), colour, dash))
        found.append(_by_position(lines, options) if len(lines) > FEW else lines)
    return found


def _index(series: Series, names: Sequence[str]) -> int:
    return names.index(series.name) if series.name else 0


def _label(series: Series, several: bool, single: bool) -> str:
    """What a line is called: the node, the run, or both."""
    if not several:
        return series.name
    return series.run if single else f"{series.name} ({series.run})"


def _by_position(lines: Sequence[Line], options: CurveOptions) -> list[Line]:
    """Many lines are coloured by where in the network they are."""
    import matplotlib
    from matplotlib.colors import to_hex

    ramp, (low, high) = matplotlib.colormaps[options.style.ramp], options.style.span
    spare = {name: place for name, place in _in_order(lines).items() if name}
    places = {**spare, **options.positions}
    return [
        Line(line.series, line.label,
             to_hex(ramp(low + (high - low) * places.get(line.series.node, 0.0))), SOLID)
        for line in lines
    ]  # fmt: skip


def _in_order(lines: Sequence[Line]) -> dict[str, float]:
    nodes = list(dict.fromkeys(line.series.node for line in lines))
    return {node: number / max(1, len(nodes) - 1) for number, node in enumerate(nodes)}


def _limits(panels: Sequence[Sequence[Series]]) -> tuple[float, float]:
    steps = [bound for panel in panels for series in panel for bound in series.steps[[0, -1]]]
    low, high = float(min(steps)), float(max(steps))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _panel(
    axis: Any,
    lines: Sequence[Line],
    limits: tuple[float, float],
    columns: int,
    options: CurveOptions,
) -> None:
    logarithmic = _is_log(lines, options)
    axis.set_xlim(*limits)
    if logarithmic:
        axis.set_yscale("log", nonpositive="mask")
    for line in lines:
        _draw_line(axis, line, columns, options, many=len(lines) > FEW)
    if not logarithmic:
        _from_zero(axis, lines)
    _dress(axis, lines[0].series, logarithmic, options)
    for line in lines:
        _draw_marks(axis, line, options.style)
    draw_heading(axis, lines, options.style)
    if len(lines) > FEW:
        draw_bar(axis, lines, options.style)
    draw_labels(axis, lines, options.style, many=len(lines) > FEW)


def _is_log(lines: Sequence[Line], options: CurveOptions) -> bool:
    values = np.concatenate([line.series.values for line in lines])
    if options.log == "auto":
        return wants_log(values)
    positive = values[np.isfinite(values)] > 0
    if options.log == "on" and not positive.any():
        what = lines[0].series.what
        raise FormatError("a logarithmic axis needs a value above zero", where=what,
                          hint="--log off")  # fmt: skip
    return options.log == "on"


def _draw_line(axis: Any, line: Line, columns: int, options: CurveOptions, *, many: bool) -> None:
    series = line.series
    raw, width = _drawable(series.values), 1.0 if many else 1.5
    steps, values = series.steps, smoothed(raw, options.smooth)
    if len(steps) > POINTS * columns:
        band, middle = condensed(steps, raw, columns), condensed(steps, values, columns)
        steps, values = middle.steps, middle.mean
        axis.fill_between(band.steps, band.low, band.high, color=line.colour, linewidth=0.3,
                          alpha=0.25)  # fmt: skip
    elif options.smooth > 1:
        axis.plot(steps, raw, color=line.colour, linewidth=0.8, alpha=0.3)
    drawn: Any = axis.plot(steps, values, color=line.colour, linewidth=width,
                           solid_joinstyle="round", solid_capstyle="round")[0]  # fmt: skip
    if line.dash:
        drawn.set_dashes(line.dash)
    _lonely(axis, steps, values, line.colour)


def _drawable(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def _lonely(axis: Any, steps: Array, values: Array, colour: str) -> None:
    """Values without a neighbour are dots: a line needs two points."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    if alone.any():
        axis.plot(steps[alone], values[alone], ".", color=colour, markersize=4)


def _from_zero(axis: Any, lines: Sequence[Line]) -> None:
    """A linear axis starts at zero unless the values lie far above it."""
    values = np.concatenate([line.series.finite for line in lines])
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        axis.set_ylim(low - margin, high + margin)
    elif low >= 0 and low < 0.5 * high:
        axis.set_ylim(0, high * 1.05)


def _draw_marks(axis: Any, line: Line, style: CurveStyle) -> None:
    """Steps whose value is NaN or infinite, or was made from such elements."""
    from matplotlib.transforms import blended_transform_factory

    series = line.series
    edge = blended_transform_factory(axis.transData, axis.transAxes)
    marks: dict[str, Any] = {"linestyle": "none", "color": style.error, "clip_on": False,
                             "markersize": 5, "zorder": 5}  # fmt: skip
    sides = (("x", np.isnan(series.values), 0.0), ("^", np.isposinf(series.values), 1.0),
             ("v", np.isneginf(series.values), 0.0))  # fmt: skip
    for mark, where, height in sides:
        rows = _some(where & ~series.absent)
        axis.plot(series.steps[rows], np.full(len(rows), height), mark, transform=edge, **marks)
    rows = _some(series.tainted & np.isfinite(series.values))
    axis.plot(series.steps[rows], series.values[rows], "x", **{**marks, "clip_on": True})


def _some(where: Array) -> Array:
    """Rows to mark; evenly thinned where there are very many."""
    rows = np.flatnonzero(where)
    if len(rows) <= MOST_MARKS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_MARKS).astype(np.int64)]


def _dress(axis: Any, series: Series, logarithmic: bool, options: CurveOptions) -> None:
    """Title, ticks, grid and frame of a panel."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    style = options.style
    axis.set_facecolor(style.background)
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    if logarithmic:
        low, high = axis.get_ylim()
        few = np.log10(high / low) < 2.2
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=7))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
    else:
        axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axis.grid(axis="y", color=style.grid, linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(style.frame)
    axis.tick_params(axis="y", length=0, colors=style.muted, pad=6)
    axis.tick_params(axis="x", length=3, color=style.frame, labelcolor=style.muted, pad=4)


def _notes(panels: Sequence[Sequence[Series]], options: CurveOptions, columns: int) -> list[str]:
    """What the reader must know besides what is drawn."""
    every = [series for panel in panels for series in panel]
    notes: list[str] = []
    longest = max(len(series.steps) for series in every)
    mean = f"the mean over {options.smooth} steps around each"
    if longest > POINTS * columns:
        line = mean if options.smooth > 1 else "the mean"
        notes.append(f"{longest:,} steps: the band is the range in each pixel column, the line"
                     f" {line}")  # fmt: skip
    elif options.smooth > 1:
        notes.append(f"bold: {mean}; faint: every step")
    if any(series.nonfinite or series.tainted.any() for series in every):
        notes.append("× NaN or Inf among the elements · ▲ ▼ infinite")
    return notes
