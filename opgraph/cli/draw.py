"""`opgraph draw`: a graph as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opgraph.cli.console import print_error
from opgraph.cli.options import analyzed, fold_options, graph_options

if TYPE_CHECKING:
    from opgraph.ops import Shape
    from opgraph.render import Direction, EngineName, ThemeName


@click.command(epilog="Example: opgraph draw network.txt -o network.svg --theme dark")
@graph_options
@click.option("-o", "--output", default=None, help="SVG file to write; - for stdout.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light")
@click.option("--direction", type=click.Choice(["TB", "LR"]), default="TB",
              help="Top to bottom or left to right.")  # fmt: skip
@click.option("--engine", type=click.Choice(["builtin", "dot"]), default="builtin",
              help="Who lays the graph out; dot is Graphviz's.")  # fmt: skip
@click.option("--title", default=None, help="A heading above the picture.")
@fold_options("auto")
@click.option("--legend/--no-legend", default=True, help="Explain colours and marks.")
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    output: str | None,
    theme: ThemeName,
    direction: Direction,
    engine: EngineName,
    title: str | None,
    fold: str,
    opened: tuple[str, ...],
    legend: bool,
) -> int:
    """Draw a graph as SVG, each node with its op, output shape and parameters.

    Where shapes do not fit, the picture shows everything up to the node in question, which is red;
    the exit code is 2 then.
    """
    from opgraph.files import write_text
    from opgraph.render import draw_svg

    analysis = analyzed(file, settings, input_shape, classes)
    svg = draw_svg(analysis, theme=theme, direction=direction, engine=engine, title=title,
                   legend=legend, fold=fold, opened=opened)  # fmt: skip
    target = output or f"{Path(file).stem if file != '-' else 'graph'}.svg"
    if target == "-":
        click.echo(svg, nl=False)
    else:
        write_text(Path(target), svg)
        click.echo(f"wrote {target} ({len(analysis.graph)} nodes)", err=True)
    for error in analysis.errors:
        print_error(error)
    return 2 if analysis.errors else 0
