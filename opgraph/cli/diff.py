"""`opgraph diff`: how two graphs differ, or two recorded trainings and where they part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from opgraph.cli.console import box, console, print_error, print_json
from opgraph.cli.curves import tables
from opgraph.cli.options import ShapeType, json_option, read_graph

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opgraph.analysis import GraphDiff
    from opgraph.api import Graph, Run
    from opgraph.ops import Shape
    from opgraph.record import Deviation, RunDiff

LONGEST = 44


@click.command(epilog="Example: opgraph diff network.txt wider.txt -o differences.svg")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option("-o", "--output", default=None, metavar="FILE",
              help="Draw to this .svg, .png or .pdf: both graphs in one picture; of runs loss and"
              " metrics of both.")  # fmt: skip
@click.option("--all", "every", is_flag=True,
              help="List nodes, too, whose shapes or parameters only follow.")  # fmt: skip
@click.option("--input-shape", type=ShapeType(),
              help="Shape of one example, for inputs that do not say theirs.")  # fmt: skip
@click.option("--classes", type=click.IntRange(1),
              help="Outputs of the last dense layer, where it does not say.")  # fmt: skip
@click.option("--theme", type=click.Choice(["light", "dark", "print"]), default="light",
              help="Of the picture of graphs; print is black and white.")  # fmt: skip
@json_option
def command(left: str, right: str, output: str | None, as_json: bool, **options: Any) -> int:
    """Say how two graphs differ, or where two recorded trainings begin to differ.

    A and B are graphs, node by node: added, removed, renamed, other attributes, other inputs, and
    the shapes and parameters that follow. Or both are recorded trainings: settings, first
    differing number, curves. Beside a graph, a training stands for the graph that was trained.

    Exits with 0 if there is no difference, else with 1.
    """
    from opgraph.api.comparing import is_run

    if is_run(left) and is_run(right):
        return _of_runs(left, right, output, as_json)
    return _of_graphs(left, right, output, as_json, **options)


def _of_graphs(
    left: str,
    right: str,
    output: str | None,
    as_json: bool,
    *,
    every: bool,
    input_shape: Shape | None,
    classes: int | None,
    theme: str,
) -> int:
    from opgraph.api.comparing import diff_of_graphs

    found = diff_of_graphs(
        _read(left), _read(right), output=output, input_shape=input_shape, num_classes=classes,
        theme=theme,
    )  # fmt: skip
    if as_json:
        print_json(found.as_dict())
    else:
        _show_graphs((left, right), found, every)
    if output is not None:
        click.echo(f"wrote {Path(output)}", err=True)
    errors = [*found.left.errors, *found.right.errors]
    for error in errors:
        print_error(error)
    return 2 if errors else 0 if found.equal else 1


def _read(file: str) -> Graph:
    from opgraph.api.comparing import graph_of, is_run

    return graph_of(file) if is_run(file) else read_graph(file, ())


def _show_graphs(files: tuple[str, str], found: GraphDiff, every: bool) -> None:
    from opgraph.render import diff_table, params_of, summary

    out = console()
    sides = zip("AB", files, (found.left, found.right), strict=True)
    for letter, file, side in sides:
        sizes = f"{len(side.graph):,} nodes, {params_of(side)} params"
        out.print(f"{letter}  {file}   {sizes}", markup=False, soft_wrap=True)
    out.print()
    table = diff_table(found, every=every)
    if table.rows:
        out.print(table)
    out.print(summary(found), markup=False, soft_wrap=True)


def _of_runs(left: str, right: str, output: str | None, as_json: bool) -> int:
    from opgraph.api.comparing import as_run, diff, figures_of_both

    runs = as_run(left), as_run(right)
    found = cast("RunDiff", diff(*runs, output=output))
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
