"""`opgraph predict`: classify images with a recorded training."""

from __future__ import annotations

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import json_option


@click.command(epilog="Example: opgraph predict runs/demo digit.png --top 3")
@click.argument("run")
@click.argument("images", nargs=-1, required=True)
@click.option("--step", type=click.IntRange(0), default=None,
              help="The network as it was after this step; after the last one by default.")  # fmt: skip
@click.option("--top", type=click.IntRange(1), default=3, show_default=True,
              help="How many classes to show for each image.")  # fmt: skip
@json_option
def command(
    run: str, images: tuple[str, ...], step: int | None, top: int, as_json: bool
) -> int:
    """Classify images with a recorded training.

    Each image is made grey or colour, enlarged and scaled as the training data were.
    """
    from opgraph.api import open_run
    from opgraph.cli import report

    predictions = open_run(run).predict(images, step=step)
    if as_json:
        print_json([item.as_data() for item in predictions])
    else:
        console().print(report.predictions(predictions, top))
    return 0
