"""`opgraph diff`: how two recorded trainings were made differently, and where they part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import box, console, print_json
from opgraph.cli.curves import tables
from opgraph.cli.options import json_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opgraph.api import Run
    from opgraph.record import Deviation, RunDiff

LONGEST = 44


@click.command(epilog="Example: opgraph diff runs/first runs/slower -o curves.svg")
@click.argument("left", metavar="RUN_A")
@click.argument("right", metavar="RUN_B")
@click.option("-o", "--output", default=None, metavar="FILE",
              help="Draw loss and metrics of both: .svg, .png or .pdf.")  # fmt: skip
@json_option
def command(left: str, right: str, output: str | None, as_json: bool) -> int:
    """Say where two recorded trainings begin to differ: settings, first number, curves.

    Exits with 0 if all numbers that both have are the same bits, else with 1.
    """
    from opgraph.api.comparing import as_run, diff, figures_of_both

    runs = as_run(left), as_run(right)
    found = diff(*runs, output=output)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(runs, found)
        panels = [] if found.equal else figures_of_both(*runs)
        if panels:
            console().print(tables(panels, several=True))
        for text in found.left_out:
            console(stderr=True).print(f"left out: {text}", markup=False, soft_wrap=True)
    if output is not None:
        click.echo(f"wrote {Path(output)}", err=True)
    return 0 if found.equal else 1


def _show(runs: tuple[Run, Run], found: RunDiff) -> None:
    out = console()
    for letter, run in zip("AB", runs, strict=True):
        out.print(f"{letter}  {run.path}{_parent(run)}", markup=False, soft_wrap=True)
    out.print()
    if found.settings:
        rows = [(setting.name, setting.left, setting.right) for setting in found.settings]
        out.print(_table(("made differently", "A", "B"), rows))
    else:
        out.print("made alike: same network, settings, data, versions, machine")
    out.print(_sentence(found), markup=False, soft_wrap=True)
    if found.deviations:
        heads = ("first differing number", "step", "A", "B")
        rows = [(_where(item), item.step, item.left, item.right) for item in found.deviations]
        out.print(_table(heads, rows))


def _parent(run: Run) -> str:
    parent = run.record.info.parent
    if not parent:
        return ""
    return f"   (branched off {parent.get('path')} after step {parent.get('step')})"


def _sentence(found: RunDiff) -> str:
    if found.steps is None:
        return "no step in common, so no number was compared"
    first, last = found.steps
    if found.equal:
        return f"the same bits in steps {first} to {last}: {found.numbers:,} numbers compared"
    assert found.first is not None
    where, step = _where(found.first), found.first.step
    same = f"the same bits up to step {step - 1}; " if step > first else ""
    return f"{same}first difference: step {step}, {where}"


def _where(item: Deviation) -> str:
    name = f"{item.kind}.{item.quantity}" if item.kind != "steps" else item.quantity
    return f"{item.site} {name}" if item.site else name


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box(), header_style="bold", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_word(value)) for value in row))
    return table


def _word(value: Any) -> str:
    if value is None:
        return "none"
    text = f"{value:.9g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
