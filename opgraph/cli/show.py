"""`opgraph show`: the table of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opgraph.cli.console import can_print, console, print_error, print_json
from opgraph.cli.options import analyzed, graph_options, json_option

if TYPE_CHECKING:
    from opgraph.ops import Shape


@click.command(epilog="Example: opgraph show network.txt --set 'dropout.rate=0.3'")
@graph_options
@json_option
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    as_json: bool,
) -> int:
    """Print the table of a graph: shapes, parameters, operations, memory, receptive field.

    Every attribute shows where it comes from: given in the file, inferred by a rule, or a default.
    """
    from opgraph.analysis import as_data
    from opgraph.render import facts_table

    analysis = analyzed(file, settings, input_shape, classes)
    if as_json:
        print_json(as_data(analysis))
    else:
        out = console()
        out.print(facts_table(analysis, out.width, ascii_only=not can_print("─×→")))
    for error in analysis.errors:
        print_error(error)
    return 2 if analysis.errors else 0
