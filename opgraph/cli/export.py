"""`opgraph export`: the numbers of a run in formats of other tools."""

from __future__ import annotations

import click

from opgraph.cli.curves import StepsType
from opgraph.cli.options import what_option

WRITES = {
    "csv": "a folder with one file for each table",
    "tensorboard": "a log directory",
    "netron": "a JSON file to drop on an open model",
    "model-explorer": "node data as JSON",
}


@click.command(epilog="Example: opgraph export runs/first --to tensorboard -o logs/first")
@click.argument("run")
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    help="; ".join(f"{name}: {what}" for name, what in WRITES.items()) + ".",
)
@click.option("-o", "--output", required=True, help="The file or folder to write.")
@what_option("Only this, such as loss,val_loss or output.rms.")
@click.option("--node", default=None, metavar="GLOB", help="Only these nodes, such as 'conv*'.")
@click.option("--steps", type=StepsType(), help="csv, tensorboard: which steps, such as 100:200.")
@click.option("--step", type=click.IntRange(1), help="netron, model-explorer: the step; the last.")
@click.option("--graph-id", default=None, help="model-explorer: what it calls the graph.")
def command(
    run: str,
    to: str,
    output: str,
    what: tuple[str, ...],
    node: str | None,
    steps: range | None,
    step: int | None,
    graph_id: str | None,
) -> int:
    """Write the numbers of a recorded training for another tool."""
    from opgraph.api import open_run
    from opgraph.api.exporting import export_run

    done = export_run(
        open_run(run), to, output, what=what, node=node, steps=steps, step=step, graph_id=graph_id
    )
    for path in done.paths:
        click.echo(f"wrote {path}", err=True)
    click.echo(f"{done.numbers:,} numbers", err=True)
    for text in done.left_out:
        click.echo(f"left out: {text}", err=True)
    return 0
