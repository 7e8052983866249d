"""`opgraph predict`: classify images with a recorded training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import json_option, step_option
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.runtime import Prediction


@click.command(epilog="Example: opgraph predict runs/demo digit.png --top 3")
@click.argument("run")
@click.argument("images", nargs=-1, required=True)
@step_option
@click.option("--top", type=click.IntRange(1), default=3, show_default=True,
              help="How many classes to show for each image.")  # fmt: skip
@json_option
def command(run: str, images: tuple[str, ...], step: Any, top: int, as_json: bool) -> int:
    """Classify images with a recorded training.

    Each image is made grey or colour, enlarged and scaled as the training data were.
    """
    from opgraph.api import open_run
    from opgraph.cli import outcome

    opened = open_run(run)
    without_startup_talk()
    result = opened.predict(images, step=step)
    names = opened.config["data"]["class_names"]
    if as_json:
        print_json(_as_data(images, result, names))
    else:
        console().print(outcome.predictions(images, result, names, top))
    return 0


def _as_data(images: Sequence[str], result: Prediction, names: Sequence[str]) -> list[Any]:
    return [
        {
            "image": image,
            "class": names[number],
            "probabilities": dict(zip(names, map(float, shares), strict=True)),
        }
        for image, number, shares in zip(images, result.classes, result.probabilities, strict=True)
    ]
