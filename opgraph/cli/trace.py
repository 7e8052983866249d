"""`opgraph trace`: train a graph and measure every node at every step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import graph_options, json_option, read_graph
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.ops import Shape

DEFAULT_STEPS = 300
INTERRUPTED = 130


@click.command(
    epilog="Example: opgraph trace network.txt --data digits --steps 400 -o runs/first"
    " --set 'batch_norm*.momentum=0.9'"
)
@graph_options
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="digits, a Keras dataset, data.npz, data.csv, a folder of images, synthetic:KIND.",
)
@click.option("-o", "--output", default="runs/latest", show_default=True, help="Run directory.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=None,
    help=f"Optimizer updates; {DEFAULT_STEPS} by default.",
)
@click.option(
    "--epochs", type=click.IntRange(1), default=None, help="Passes over the data instead."
)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--optimizer", default="adam", show_default=True, help="sgd, momentum, adam, ...")
@click.option(
    "--lr", "learning_rate", type=float, default=3e-3, show_default=True, help="Learning rate."
)
@click.option(
    "--schedule",
    type=click.Choice(["constant", "cosine"]),
    default="cosine",
    show_default=True,
    help="How the learning rate goes down.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--keyframe-every", type=click.IntRange(1), default=None, help="Steps between two full states."
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there already.")
@click.option("--dry-run", is_flag=True, help="Say what it will take; train nothing.")
@json_option
def command(
    file: str,
    settings: tuple[str, ...],
    input_shape: Shape | None,
    classes: int | None,
    as_json: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Train a graph and measure every node at every step.

    Writes a run directory: the statistics of each step as Parquet tables, the full state every so
    often, and the picture of the graph. Ctrl-C ends at the next step; what was measured stays.
    """
    from opgraph.api import dry_run as plan
    from opgraph.api import trace
    from opgraph.cli import report

    if options["steps"] and options["epochs"]:
        raise click.UsageError("--steps and --epochs exclude each other")
    graph = read_graph(file, settings)
    without_startup_talk()
    options |= {"input_shape": input_shape, "num_classes": classes}
    if dry_run:
        for name in ("output", "overwrite"):
            del options[name]
        planned = plan(graph, **options)
        print_json(planned.as_dict()) if as_json else console().print(report.plan_table(planned))
        return 0
    with report.progress_bar() as progress:
        run = trace(graph, progress=progress, command=["opgraph", *sys.argv[1:]], **options)
    print_json(report.run_data(run)) if as_json else console().print(report.run_summary(run))
    return 0 if run.config["status"] == "finished" else INTERRUPTED
