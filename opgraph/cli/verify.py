"""`opgraph verify`: prove on a network of one's own what opgraph promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from opgraph.cli.console import box, console, print_json
from opgraph.cli.options import graph_options, json_option, read_graph
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.ops import Shape
    from opgraph.runtime import Verified


@click.group(epilog="Example: opgraph verify traced network.txt")
def command() -> None:
    """Prove on a network of your own what opgraph promises."""


@command.command(epilog="Example: opgraph verify traced network.txt --steps 8 --optimizer adamw")
@graph_options
@click.option("--data", default="digits", show_default=True, help="As for opgraph trace.")
@click.option("--steps", type=click.IntRange(1), default=8, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--optimizer", default="adam", show_default=True)
@click.option("--accumulate", type=click.IntRange(1), default=1, show_default=True)
@click.option("--precision", type=click.Choice(["mixed_float16", "mixed_bfloat16"]), default=None)
@click.option("--jit", is_flag=True, help="Compile the core of the step with XLA.")
@json_option
def traced(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Train some steps bare and measured, and compare all weights, slots and states bit for bit."""
    from opgraph.api import verify_traced

    graph = read_graph(file, settings)
    without_startup_talk()
    found = verify_traced(graph, input_shape=input_shape, num_classes=classes, **options)
    print_json(found.as_dict()) if as_json else _show(found)
    return 0 if found.equal else 1


def _show(found: Verified) -> None:
    table = Table(box=box(), header_style="bold", pad_edge=False)
    for name in ("measured", "same bits", "differing", "largest difference"):
        table.add_column(name)
    for way in found.ways:
        said = "yes" if way.equal else "NO"
        gap = "" if way.equal else f"{way.largest:.2g}"
        table.add_row(way.way, said, ", ".join(way.differing), gap)
    out = console()
    out.print(table)
    compiled = ", core compiled by XLA" if found.jit else ""
    count = found.ways[0].variables
    out.print(
        f"{count} variables of model and optimizer after {found.steps} steps, each against the bare"
        f" step; statistics: {found.statistics}{compiled}"
    )
