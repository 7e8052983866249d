"""`opgraph trace`: train a graph and measure every node at every step."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import read_graph
from opgraph.cli.quiet import without_startup_talk
from opgraph.cli.trace_options import NOT_IN_A_PLAN, Sections, gather, trace_options

if TYPE_CHECKING:
    from opgraph.api import Run

INTERRUPTED = 130
EXAMPLES = """\b
Examples:
  opgraph trace network.txt --data digits --steps 400 -o runs/first
  opgraph trace network.txt --set 'batch_norm*.momentum=0.9' --dry-run
  opgraph trace network.txt --optimizer 'adamw(weight_decay=1e-4)' --schedule 'cosine(warmup=50)'
  opgraph trace network.txt --epochs 20 --early-stopping 3 --keep-best val_loss
  opgraph trace network.txt --weights runs/first --freeze 'conv*' -o runs/tuned
  opgraph trace --config run.toml --lr 0.01
"""


@click.command(cls=Sections, epilog=EXAMPLES)
@trace_options
def command(as_json: bool, dry_run: bool, **given: Any) -> int:
    """Train a graph and measure every node at every step.

    FILE is an edge list, or a model that opgraph reads: .keras, .json.

    Writes a run directory: the statistics of each step as Parquet tables, the full state every so
    often, and the picture of the graph. Ctrl-C ends at the next step; what was measured stays.
    """
    from opgraph.api import dry_run as plan
    from opgraph.api import trace
    from opgraph.cli import outcome

    if given["steps"] and given["epochs"]:
        raise click.UsageError("--steps and --epochs exclude each other")
    if given["resume"] is not None:
        return show_run(_go_on(given, dry_run), as_json)
    options = gather(given)
    if "file" not in options:
        raise click.UsageError("which graph? Name its FILE, or write file = ... under [graph]")
    graph = read_graph(options.pop("file"), options.pop("settings", ()))
    without_startup_talk()
    if dry_run:
        kept = {name: value for name, value in options.items() if name not in NOT_IN_A_PLAN}
        planned = plan(graph, **kept)
        print_json(planned.as_dict()) if as_json else console().print(outcome.plan_table(planned))
        return 0
    words = ["opgraph", *sys.argv[1:]]
    with outcome.progress_bar() as progress:
        run = trace(graph, progress=progress, notify=notify, command=words, **options)
    return show_run(run, as_json)


def _go_on(given: Mapping[str, Any], dry_run: bool) -> Run:
    """Go on with a run; what it was begun with holds."""
    from opgraph.api import resume
    from opgraph.cli import outcome

    said = {name for name, value in given.items() if value not in (None, (), False)}
    if dry_run or said - {"resume", "steps"}:
        raise click.UsageError("with --resume only --steps can be said; the run knows the rest")
    without_startup_talk()
    with outcome.progress_bar() as progress:
        return resume(given["resume"], steps=given["steps"], progress=progress, notify=notify)


def show_run(run: Run, as_json: bool) -> int:
    """Print what came of a training; the exit code."""
    from opgraph.cli import outcome

    print_json(outcome.run_data(run)) if as_json else console().print(outcome.run_summary(run))
    return 0 if run.config["status"] == "finished" else INTERRUPTED


def notify(line: str) -> None:
    """Tell the user something on stderr."""
    click.echo(line, err=True)
