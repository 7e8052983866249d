"""`opgraph check`: everything that is wrong with a graph, and what is suspicious."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.check_lint import lint_file, lint_options, print_report, refuse_without_lint
from opgraph.cli.console import print_error, print_json
from opgraph.cli.options import analyzed, graph_options, json_option, raw_option
from opgraph.errors import OpgraphError, Problems, raise_all

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.ops import Shape


@click.command(epilog="Example: opgraph check network.txt --lint --ignore OG101")
@graph_options
@raw_option
@json_option
@lint_options
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    raw: bool,
    as_json: bool,
    is_lint: bool,
    **options: Any,
) -> int:
    """Find everything that is wrong with a graph: text, wiring, attributes, shapes.

    FILE is an edge list or another readable graph; - reads stdin. Exit code 2 if anything is wrong.

    With --lint, shapes that do not fit are one finding among others, and the exit code is 1 if a
    finding is an error, 0 if none is (warnings or not), 2 if the graph cannot be read.
    """
    if not is_lint:
        refuse_without_lint(options)
    try:
        analysis = analyzed(file, settings, input_shape, classes, raw)
        raise_all([] if is_lint else analysis.errors)
        report = lint_file(file, analysis, options) if is_lint else None
    except OpgraphError as error:
        if not as_json:
            print_error(error)
            return 2
        found = error.errors if isinstance(error, Problems) else (error,)
        print_json({"ok": False, "errors": [item.as_dict() for item in found]})
        return 2
    if report is not None:
        return print_report(report, _title(analysis), as_json, _counts(analysis))
    nodes, edges = _counts(analysis)
    if as_json:
        print_json({"ok": True, "nodes": nodes, "edges": edges, "errors": []})
    else:
        click.echo(f"{_title(analysis)}, nothing wrong")
    return 0


def _counts(analysis: Analysis) -> tuple[int, int]:
    return len(analysis.graph), len(analysis.graph.edges)


def _title(analysis: Analysis) -> str:
    nodes, edges = _counts(analysis)
    return f"{analysis.graph.name}: {_count(nodes, 'node')}, {_count(edges, 'edge')}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
