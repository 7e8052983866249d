"""`opgraph check`: everything that is wrong with a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opgraph.cli.console import print_error, print_json
from opgraph.cli.options import analyzed, graph_options, json_option
from opgraph.errors import OpgraphError, Problems, raise_all

if TYPE_CHECKING:
    from opgraph.ops import Shape


@click.command(epilog="Example: opgraph check network.txt --json")
@graph_options
@json_option
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    as_json: bool,
) -> int:
    """Find everything that is wrong with a graph: text, wiring, attributes, shapes.

    FILE is an edge list or another readable graph; - reads stdin. Exit code 2 if anything is wrong.
    """
    try:
        analysis = analyzed(file, settings, input_shape, classes)
        raise_all(analysis.errors)
    except OpgraphError as error:
        if not as_json:
            print_error(error)
            return 2
        found = error.errors if isinstance(error, Problems) else (error,)
        print_json({"ok": False, "errors": [item.as_dict() for item in found]})
        return 2
    nodes, edges = len(analysis.graph), len(analysis.graph.edges)
    if as_json:
        print_json({"ok": True, "nodes": nodes, "edges": edges, "errors": []})
    else:
        counts = f"{_count(nodes, 'node')}, {_count(edges, 'edge')}"
        click.echo(f"{analysis.graph.name}: {counts}, nothing wrong")
    return 0


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
