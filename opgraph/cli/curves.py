"""`opgraph curves`: quantities over the steps of a training, as a picture or a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import box, can_print, console, print_json
from opgraph.cli.options import json_option, what_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opgraph.api.curves import Log, Theme
    from opgraph.record import Quantity
    from opgraph.render.curves import Series

SHOWN, LONGEST, BARS, GAP = 40, 34, 16, 3
FIGURES = ("first", "min", "median", "max", "last")


class StepsType(click.ParamType):
    """A range of steps such as 100:200 or 100..200, both included; one step; or open at an end."""

    name = "FIRST:LAST"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, range):
            return value
        found = re.fullmatch(r"\s*(\d*)\s*(:|\.\.|)\s*(\d*)\s*", value)
        if found is None or not (found[1] or found[3]):
            self.fail(f"{value!r} is no range of steps; write it as 100:200", param, ctx)
        first = int(found[1] or 1)
        last = int(found[3]) if found[3] else (2**62 if found[2] else first)
        if last < first:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return range(first, last + 1)


class SizeType(click.ParamType):
    """Width and height such as 760x400."""

    name = "WIDTHxHEIGHT"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"\s*(\d{2,5})\s*[x×,]\s*(\d{2,5})\s*", value)
        if found is None:
            self.fail(f"{value!r} is no size; write it as 760x400", param, ctx)
        width, height = int(found[1]), int(found[2])
        if not (200 <= width <= 8000 and 100 <= height <= 8000):
            self.fail(f"{value!r} is out of bounds: 200x100 to 8000x8000", param, ctx)
        return width, height


@click.command(epilog="Example: opgraph curves runs/first --what grad_norm --node 'conv*' -o x.svg")
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN2 ...]")
@what_option("What to show, such as loss,val_loss or output.rms.")
@click.option(
    "--node", default=None, metavar="GLOB", help="Nodes or weights, such as 'conv*' or '*/kernel'."
)
@click.option("--steps", type=StepsType(), help="Which steps, both included: 100:200.")
@click.option("-o", "--output", default=None, help="Draw to this .svg, .png or .pdf file.")
@click.option("--theme", type=click.Choice(["light", "dark", "print"]), default="light")
@click.option(
    "--log", type=click.Choice(["auto", "on", "off"]), default="auto", help="Logarithmic axis."
)
@click.option(
    "--smooth",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Draw the mean over N steps; every step stays, faint.",
)
@click.option("--title", default=None, help="A heading above the picture.")
@click.option(
    "--size", type=SizeType(), metavar="WxH", help="In CSS pixels; a PNG has twice as many."
)
@click.option("--list", "listed", is_flag=True, help="List the quantities of the run.")
@json_option  # fmt: skip
def command(
    runs: tuple[str, ...],
    what: tuple[str, ...],
    node: str | None,
    steps: range | None,
    output: str | None,
    theme: Theme,
    log: Log,
    smooth: int,
    title: str | None,
    size: tuple[int, int] | None,
    listed: bool,
    as_json: bool,
) -> int:
    """Show how quantities change over the steps of one or more recorded trainings.

    With -o they are drawn, a panel each. Without, a table says where each begins, how far it ranges
    and where it ends.
    """
    from opgraph.api import open_run
    from opgraph.api.curves import draw_curves, quantities_of

    opened = [open_run(path) for path in runs]
    if listed:
        return _list(quantities_of(opened[0]).values(), as_json)
    panels = draw_curves(
        opened, what or None, node=node, steps=steps, output=output, theme=theme, log=log,
        smooth=smooth, title=title, size=size,
    )  # fmt: skip
    if as_json:
        print_json({"series": [series.as_dict() for panel in panels for series in panel]})
    elif output is None:
        console().print(tables(panels, several=len(opened) > 1))
    if output is not None:
        count = sum(map(len, panels))
        click.echo(f"wrote {Path(output)} ({count} curve{'s' if count != 1 else ''})", err=True)
    return 0


def _list(quantities: Iterable[Quantity], as_json: bool) -> int:
    rows = {quantity.full_name: quantity for quantity in quantities}
    if as_json:
        print_json([{"name": name, "unit": quantity.unit, "doc": quantity.doc}
                    for name, quantity in rows.items()])  # fmt: skip
        return 0
    table = _table("quantity", "unit", "what it is")
    for name, quantity in rows.items():
        table.add_row(name, quantity.unit, quantity.doc)
    console().print(table)
    return 0


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=box(), header_style="bold", pad_edge=False, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if column in FIGURES else "left",
                         no_wrap=number == 0 or column in (*FIGURES, "trend"))  # fmt: skip
    return table


def tables(panels: list[list[Series]], *, several: bool) -> RenderableType:
    """A table for each quantity."""
    from rich.console import Group

    return Group(*(_panel(panel, several) for panel in panels))


def _panel(panel: list[Series], several: bool) -> RenderableType:
    """One quantity: a row for each series."""
    from rich.console import Group
    from rich.text import Text

    from opgraph.render.curves import sparkline

    what, steps = panel[0].quantity, panel[0].steps
    about = f"{what.doc}, steps {steps[0]:,} to {steps[-1]:,}"
    names = [_name(series, several) for series in panel[:SHOWN]]
    figures, room = _fitting(panel[:SHOWN], max(map(len, [panel[0].what, *names])))
    rows = [[name, *(_figure(getattr(series, figure)) for figure in figures)]
            for name, series in zip(names, panel, strict=False)]  # fmt: skip
    heads = [panel[0].what, *figures]
    bars = min(room, BARS) if can_print("▁▂▃▄▅▆▇█") else 0
    table = _table(*heads, *(["trend"] if bars >= len("trend") else []))
    for series, row in zip(panel, rows, strict=False):
        table.add_row(*row, *([sparkline(series.values, bars)] if bars >= len("trend") else []))
    if len(panel) > SHOWN:
        table.add_row(f"... {len(panel) - SHOWN} more: choose with --node")
    notes = [Text(f"{_name(series, several)}: {series.nonfinite} x NaN or Inf")
             for series in panel[:SHOWN] if series.nonfinite]  # fmt: skip
    return Group(Text(about), table, *notes)


def _name(series: Series, several: bool) -> str:
    from opgraph.render.curves import shortened

    if not series.name:
        return series.run if several else "run"
    return shortened(f"{series.name} ({series.run})" if several else series.name, LONGEST)


def _fitting(panel: Sequence[Series], longest: int) -> tuple[list[str], int]:
    """The figures that there is room for, the most telling first, and the room that is left."""
    widths = {
        figure: max(len(figure), *(len(_figure(getattr(series, figure))) for series in panel)) + GAP
        for figure in FIGURES
    }
    room = console().width - longest - GAP
    kept: list[str] = []
    for figure in ("last", "first", "max", "min", "median"):
        if widths[figure] <= room:
            room -= widths[figure]
            kept.append(figure)
    return [figure for figure in FIGURES if figure in kept], room - GAP + 1


def _figure(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return "none"
    if value == 0 or not math.isfinite(value) or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    return f"{value:.2e}"
