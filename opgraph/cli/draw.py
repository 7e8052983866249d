"""`opgraph draw`: a graph as a picture, with numbers in its boxes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import print_error
from opgraph.cli.options import analyzed, by_comma, fold_options, graph_options, raw_option

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.api import Run
    from opgraph.ops import Shape


@click.command(epilog="Example: opgraph draw network.txt -o network.svg --color-by flops")
@partial(graph_options, required=False)
@click.option(
    "-o", "--output", default=None, help="File to write: .svg, .png or .pdf; - for SVG on stdout."
)
@click.option("--annotate", multiple=True, metavar="NAME,...", callback=by_comma,
              help="What stands in the boxes: shape, attrs, params (the usual), flops, memory,"
              " weight_memory, receptive_field, depth; with --run any quantity of it.")  # fmt: skip
@click.option("--color-by", metavar="NAME", help="Colour the boxes by one of these.")
@click.option("--run", metavar="RUN", help="Take numbers from this recorded training; draws its"
              " graph if no FILE is named.")  # fmt: skip
@click.option("--step", type=click.IntRange(1), metavar="K", help="Numbers of this step.")
@click.option("--reduce", type=click.Choice(["last", "mean", "max"]), default=None,
              help="Of all steps: the last number (the default), mean or maximum.")  # fmt: skip
@click.option("--style", type=click.Choice(["boxes", "volume"]), default="boxes",
              help="volume draws the outputs of a CNN as boxes in space, from left to right, with"
              " neither numbers nor folds.")  # fmt: skip
@click.option("--theme", type=click.Choice(["light", "dark", "print"]), default="light",
              help="print is black and white.")  # fmt: skip
@click.option("--direction", type=click.Choice(["TB", "LR"]), default="TB",
              help="Top to bottom or left to right.")  # fmt: skip
@click.option("--engine", type=click.Choice(["builtin", "dot"]), default="builtin",
              help="Who lays the graph out; dot is Graphviz's.")  # fmt: skip
@click.option("--title", default=None, help="A heading above the picture.")
@fold_options("auto")
@raw_option
@click.option("--legend/--no-legend", default=True, help="Explain colours and marks.")
def command(
    file: str | None,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    output: str | None,
    annotate: tuple[str, ...],
    run: str | None,
    raw: bool,
    **options: Any,
) -> int:
    """Draw a graph, each node with its op, output shape and parameters.

    Where shapes do not fit, the picture shows everything up to the node in question, which is red;
    the exit code is 2 then.
    """
    from opgraph.api.drawing import draw

    recorded = _open(run)
    if file is None and recorded is None:
        raise click.UsageError("name a FILE to draw, or a recorded training: --run RUN")
    analysis = _analysis(file, recorded, settings, input_shape, classes, raw)
    record = None if recorded is None else recorded.record
    target = output or f"{_stem(file, recorded)}.svg"
    path = None if target == "-" else target
    svg = draw(analysis, path, annotate=annotate or None, record=record, **options)
    if path is None:
        click.echo(svg, nl=False)
    else:
        click.echo(f"wrote {target} ({len(analysis.graph)} nodes)", err=True)
    for error in analysis.errors:
        print_error(error)
    return 2 if analysis.errors else 0


def _open(run: str | None) -> Run | None:
    if run is None:
        return None
    from opgraph.api import Run

    return Run(run)


def _analysis(
    file: str | None,
    run: Run | None,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    raw: bool,
) -> Analysis:
    """The facts of the graph in the file, or of the one that was trained."""
    if file is not None or run is None:
        return analyzed(file or "-", settings, input_shape, classes, raw)
    graph = run.graph.set(*settings) if settings else run.graph
    return graph.analyze(input_shape, classes)


def _stem(file: str | None, run: Run | None) -> str:
    if file is None and run is not None:
        return run.path.resolve().name
    return "graph" if file in (None, "-") else Path(file).stem
