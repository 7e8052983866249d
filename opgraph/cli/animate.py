"""`opgraph animate`: the picture of a graph over the steps of a recorded training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opgraph.cli.options import by_comma, fold_options


@click.command(epilog="Example: opgraph animate runs/first -o training.svg --color-by grad_norm")
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", required=True, metavar="FILE",
              help="The file: .svg, .gif, or .html, a page with a slider.")  # fmt: skip
@click.option("--color-by", metavar="NAME",
              help="Colour the boxes by this quantity of the run; the norm of the gradient at each"
              " output by default.")  # fmt: skip
@click.option("--annotate", multiple=True, metavar="NAME,...", callback=by_comma,
              help="What stands in the boxes: shape, attrs, params (the usual), or quantities of"
              " the run.")  # fmt: skip
@click.option("--frames", type=click.IntRange(2, 200), default=30, show_default=True,
              help="At most so many steps, evenly chosen.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(1, 600), default=12.0, show_default=True,
              help="How long it takes.")  # fmt: skip
@click.option("--theme", type=click.Choice(["light", "dark", "print"]), default="light",
              help="print is black and white.")  # fmt: skip
@click.option("--direction", type=click.Choice(["TB", "LR"]), default="TB",
              help="Top to bottom or left to right.")  # fmt: skip
@click.option("--title", default=None, help="A heading above the picture.")
@fold_options("auto")
def command(run: str, output: str, annotate: tuple[str, ...], **options: Any) -> int:
    """Draw the graph of a recorded training over its steps, as one picture that moves.

    Layout and colour scale are the same at all steps; step, loss and its curve stand above.
    """
    from opgraph.api.animating import animate

    film = animate(run, output, annotate=annotate or None, **options)
    steps = f"{len(film.steps)} steps from {film.steps[0]:,} to {film.steps[-1]:,}"
    size = Path(output).stat().st_size / 1000
    click.echo(f"wrote {output} ({steps}, {size:,.0f} kB)", err=True)
    return 0
