"""`opgraph lesson`: a lesson on a network, with the numbers of its own training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from opgraph.cli.options import graph_options, read_graph
from opgraph.cli.quiet import without_startup_talk
from opgraph.cli.trace_options import Count

if TYPE_CHECKING:
    from opgraph.ops import Shape

EXAMPLES = """\b
Examples:
  opgraph lesson network.txt -o lesson.html
  opgraph lesson runs/first --lang zh --seed 3 -o lesson.html --worksheet numbers.csv
"""


@click.command(epilog=EXAMPLES)
@graph_options
@click.option("-o", "--output", default="lesson.html", show_default=True, metavar="FILE.html",
              help="The page.")  # fmt: skip
@click.option("--worksheet", metavar="FILE.csv|FILE.npz",
              help="Given numbers and arrays, beside the page by default.")  # fmt: skip
@click.option("--lang", default="en", show_default=True, metavar="en|zh", help="Language.")
@click.option("--steps", type=Count(), help="Steps of the training; 40.")
@click.option("--seed", type=int, default=0, show_default=True,
              help="Of the training, and of the choice of questions.")  # fmt: skip
@click.option("--data", help="What is trained on, as for trace; digits by default.")
@click.option("--run-dir", metavar="DIR", help="Keep the training here.")
@click.option("--unverified", is_flag=True, help="Take numbers that differ from the record, too.")
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    output: str,
    worksheet: str | None,
    lang: str,
    steps: int | None,
    seed: int,
    data: str | None,
    run_dir: str | None,
    unverified: bool,
) -> int:
    """Make a lesson on a network for a class: overview, node by node, one step, questions.

    FILE is a graph, which is trained for a few steps first, or a recorded training (a directory).
    The page needs nothing else and loads nothing. Every number in it comes from the training.
    """
    from opgraph.api import lesson
    from opgraph.api.lessons import STEPS, check_targets, is_run
    from opgraph.cli import report
    from opgraph.cli.trace import notify
    from opgraph.story import read_catalogue

    check_targets(output, worksheet)
    read_catalogue(lang)
    if is_run(file):
        _refuse({"--set": settings, "--input-shape": input_shape, "--classes": classes,
                 "--steps": steps, "--data": data, "--run-dir": run_dir})  # fmt: skip
    source = file if is_run(file) else read_graph(file, settings)
    without_startup_talk()
    with report.progress_bar() as progress:
        made = lesson(
            source, data, steps=steps or STEPS, seed=seed, lang=lang, run_dir=run_dir,
            input_shape=input_shape, num_classes=classes, unverified=unverified,
            progress=progress, notify=notify,
        )  # fmt: skip
    for path in made.write(output, worksheet):
        click.echo(f"wrote {path}", err=True)
    return 0


def _refuse(options: Mapping[str, object]) -> None:
    """Refuse what only a training could heed."""
    said = [name for name, value in options.items() if value]
    if said:
        raise click.UsageError(f"a recorded training is told as it is, without {', '.join(said)}")
