"""`opgraph explain`: how one training step came to its numbers, told with those numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import json_option
from opgraph.cli.quiet import without_startup_talk

PHASES = ("initial", "forward", "loss", "backward", "update", "moving")


@click.command(
    epilog="Examples: opgraph explain runs/first --step 20 --node conv2d_1;"
    " opgraph explain runs/first --lang zh -o story.html"
)
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, help="Which step, from 1; the last one when left out.")
@click.option("--node", help="Tell of this node alone.")
@click.option("--index", metavar="I,J,...", help="Element of its output or of a weight.")
@click.option("--example", type=int, metavar="E", help="Example of the batch, from 0.")
@click.option("--phase", metavar="PHASE", help=f"One of {', '.join(PHASES)}; all when left out.")
@click.option("--lang", default="en", show_default=True, metavar="en|zh", help="Language.")
@click.option("-o", "--output", help="Write to a .txt, .md or .html file.")
@click.option("--unverified", is_flag=True, help="Explain numbers that differ from the record too.")
@json_option
def command(
    run: str,
    step: int | None,
    node: str | None,
    index: str | None,
    example: int | None,
    phase: str | None,
    lang: str,
    output: str | None,
    unverified: bool,
    as_json: bool,
) -> int:
    """Explain how one training step came to its numbers.

    Six phases: initial values, forward, loss, backward, update, moving statistics. Of each node one
    number is worked out in full, beside the recorded one and an independent computation.
    """
    from opgraph.api import open_run
    from opgraph.api.explaining import check_request, check_target
    from opgraph.cli.inspect import told

    opened = open_run(run)
    chosen = check_request(opened, step, node, phase, lang, index)
    if output is not None:
        check_target(output)
    without_startup_talk()
    found = opened.explain(
        chosen,
        node=node,
        index=index,
        example=example,
        phase=phase,
        lang=lang,
        unverified=unverified,
        notify=told,
    )
    if output is not None:
        found.write(output)
        click.echo(f"wrote {Path(output)}", err=True)
    if as_json:
        print_json(found.as_dict())
    elif output is None:
        # click.echo would write UTF-8 to a console that says it has ASCII alone.
        sys.stdout.write(found.text(console().width))
    return 0
