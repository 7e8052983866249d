"""`opgraph show`: the table of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opgraph.cli.console import can_print, console, print_error, print_json
from opgraph.cli.options import analyzed, fold_options, graph_options, json_option, raw_option

if TYPE_CHECKING:
    from opgraph.ops import Shape


@click.command(epilog="Example: opgraph show network.txt --set 'dropout.rate=0.3'")
@graph_options
@fold_options("none")
@raw_option
@json_option
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    fold: str,
    opened: tuple[str, ...],
    raw: bool,
    as_json: bool,
) -> int:
    """Print the table of a graph: shapes, parameters, operations, memory, receptive field.

    Every attribute shows where it comes from: given in the file, inferred by a rule, or a default.
    """
    from opgraph.analysis import as_data, folds_as_data
    from opgraph.analysis import fold as fold_regions
    from opgraph.render import facts_table

    analysis = analyzed(file, settings, input_shape, classes, raw)
    if as_json:
        print_json(
            as_data(analysis) | {"folds": folds_as_data(fold_regions(analysis, fold, opened))}
        )
    else:
        out = console()
        plain = not can_print("─×→")
        out.print(facts_table(analysis, out.width, plain, fold, opened))
    for error in analysis.errors:
        print_error(error)
    return 2 if analysis.errors else 0
