"""`opgraph follow`: the life of one number over the steps of a recorded training."""

from __future__ import annotations

from pathlib import Path

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.curves import StepsType
from opgraph.cli.options import json_option
from opgraph.cli.quiet import without_startup_talk
from opgraph.cli.recomputing import recomputing_bar
from opgraph.cli.trace import notify

EXAMPLES = """\b
Examples:
  opgraph follow runs/first 'conv2d_1/kernel[1,1,0,5]' --steps 1..50 -o life.svg
  opgraph follow runs/first --output 'relu_2[0,3,3,7]' -o sees.png
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", metavar="RUN")
@click.argument("element", required=False, metavar="[NODE/WEIGHT[I,J,...]]")
@click.option("--output", "activation", metavar="NODE[E,I,J,...]",
              help="Follow an output instead: example of the batch, then place.")  # fmt: skip
@click.option("--steps", type=StepsType(), help="Which steps, both included: 1..50.")
@click.option("--lang", default="en", show_default=True, metavar="en|zh", help="Language.")
@click.option("-o", "target", metavar="FILE",
              help="Draw it (.svg, .png, .pdf) or write it (.txt, .md, .html, .csv).")  # fmt: skip
@click.option("--csv", "csv_file", metavar="FILE.csv", help="Write every step to a CSV file.")
@click.option("--unverified", is_flag=True, help="Take numbers that differ from the record, too.")
@json_option
def command(
    run: str,
    element: str | None,
    activation: str | None,
    steps: range | None,
    lang: str,
    target: str | None,
    csv_file: str | None,
    unverified: bool,
    as_json: bool,
) -> int:
    """Follow one number through the steps of RUN: value, gradient, update, and why it moved most.

    The steps are computed again and compared with the record, bit for bit.
    """
    from opgraph.api import open_run
    from opgraph.api.following import check_request, check_target

    opened = open_run(run)
    check_request(opened, element, activation, lang)
    if csv_file is not None and Path(csv_file).suffix.lower() != ".csv":
        raise click.UsageError(f"--csv writes a CSV file: name it *.csv; received {csv_file!r}")
    if target is not None:
        check_target(target, activation is not None)
    without_startup_talk()
    with recomputing_bar() as on_step:
        found = opened.follow(
            *(element,), output=activation, steps=steps, lang=lang, unverified=unverified,
            notify=notify, on_step=on_step,
        )  # fmt: skip
    for path in filter(None, (target, csv_file)):
        found.write(path)
        click.echo(f"wrote {Path(path)}", err=True)
    if as_json:
        print_json(found.as_dict())
    elif target is None and csv_file is None:
        click.echo(found.text(console().width), nl=False)
    return 0
