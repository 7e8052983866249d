"""`opgraph export`: a model for another runtime, or the numbers of a run for another tool."""

from __future__ import annotations

import click

from opgraph.cli.curves import StepsType
from opgraph.cli.options import what_option
from opgraph.cli.quiet import without_startup_talk
from opgraph.errors import FormatError, suggest

MODELS = {
    "keras": "a .keras file",
    "saved_model": "a folder for TensorFlow and its servers, with a README",
    "tflite": "a file for LiteRT",
    "onnx": "a file for ONNX Runtime",
}
WRITES = {
    "csv": "a folder with one file for each table",
    "tensorboard": "a log directory",
    "netron": "a JSON file to drop on an open model",
    "model-explorer": "node data as JSON",
}


@click.command(epilog="Example: opgraph export runs/first --to tensorboard -o logs/first")
@click.argument("source", metavar="RUN|FILE")
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    help="A model: "
    + "; ".join(f"{name}: {what}" for name, what in MODELS.items())
    + ". Numbers of a run: "
    + "; ".join(f"{name}: {what}" for name, what in WRITES.items())
    + ".",
)
@click.option("-o", "--output", required=True, help="The file or folder to write.")
@what_option("Only this, such as loss,val_loss or output.rms.")
@click.option("--node", default=None, metavar="GLOB", help="Only these nodes, such as 'conv*'.")
@click.option("--steps", type=StepsType(), help="csv, tensorboard: which steps, such as 100:200.")
@click.option("--step", type=click.IntRange(1), help="netron, model-explorer, or a run's model: the"
              " step; the last.")  # fmt: skip
@click.option("--graph-id", default=None, help="model-explorer: what it calls the graph.")
def command(
    source: str,
    to: str,
    output: str,
    what: tuple[str, ...],
    node: str | None,
    steps: range | None,
    step: int | None,
    graph_id: str | None,
) -> int:
    """Write a model for another runtime, or the numbers of a recorded training for another tool.

    A model is opened again at once, in the runtime that it is for, and compared with its source on
    real examples of a run or on random ones; only then does it stand under its name.
    """
    if to in MODELS:
        given = {"--what": what, "--node": node, "--steps": steps, "--graph-id": graph_id}
        return _model(source, to, output, step, [name for name, value in given.items() if value])
    if to not in WRITES:
        hint = suggest(to, [*MODELS, *WRITES]) or f"there are: {', '.join([*MODELS, *WRITES])}"
        raise FormatError(f"no format is called {to!r}", hint=hint)
    from opgraph.api import open_run
    from opgraph.api.exporting import export_run

    done = export_run(
        open_run(source),
        to,
        output,
        what=what,
        node=node,
        steps=steps,
        step=step,
        graph_id=graph_id,
    )
    for path in done.paths:
        click.echo(f"wrote {path}", err=True)
    click.echo(f"{done.numbers:,} numbers", err=True)
    for text in done.left_out:
        click.echo(f"left out: {text}", err=True)
    return 0


def _model(source: str, to: str, output: str, step: int | None, unfit: list[str]) -> int:
    if unfit:
        raise click.UsageError(f"{unfit[0]} is about numbers of a run, {to} is a model")
    from opgraph.api.exporting_models import export_model

    without_startup_talk()
    done = export_model(source, to, output, step=step)
    click.echo(f"wrote {done.path} ({done.size:,} bytes)", err=True)
    click.echo(done.summary, err=True)
    if done.note:
        click.echo(done.note, err=True)
    return 0
