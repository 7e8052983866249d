"""`opgraph branch`: what if, from some step on, the training had gone on otherwise?"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import click

from opgraph.cli.quiet import without_startup_talk
from opgraph.cli.trace import notify, show_run

EXAMPLES = """\b
Examples:
  opgraph branch runs/first --step 120 --set lr=1e-4 -o runs/slower
  opgraph branch runs/first --step 120 --set optimizer='sgd(momentum=0.9)' -o runs/sgd
  opgraph branch runs/first --step 120 --set order_seed=7 -o runs/reordered
  opgraph branch runs/first --step 120 --freeze 'conv*' --zero relu_1 -o runs/without
  opgraph diff runs/first runs/slower
"""


@click.command(epilog=EXAMPLES)
@click.argument("run")
@click.option("--step", type=click.IntRange(0), required=True, help="The last step in common.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Change lr, schedule, optimizer, order_seed, steps, ...")  # fmt: skip
@click.option("--freeze", default=None, metavar="GLOBS",
              help="Leave the weights of nodes alone from now on.")  # fmt: skip
@click.option("--zero", default=None, metavar="GLOBS",
              help="Multiply the outputs of nodes by 0 from now on.")  # fmt: skip
@click.option("-o", "--output", required=True, help="The directory of the new run.")
@click.option("--overwrite", is_flag=True, help="Replace a run that is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    run: str,
    step: int,
    settings: tuple[str, ...],
    freeze: str | None,
    zero: str | None,
    output: str,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Train on from the exact state of RUN after a step, with something changed.

    The new run counts its steps on from there, so that the two can be compared step by step. With
    no change at all it comes out in the same bits.
    """
    from opgraph.api import open_run
    from opgraph.api.branching import branch
    from opgraph.cli import outcome

    changes = dict(_setting(text) for text in settings)
    if freeze is not None:
        changes["freeze"] = freeze
    opened = open_run(run)
    without_startup_talk()
    with outcome.progress_bar() as progress:
        made = branch(
            opened,
            step,
            output=output,
            zero=zero,
            progress=progress,
            notify=notify,
            overwrite=overwrite,
            command=["opgraph", *sys.argv[1:]],
            **changes,
        )
    return show_run(made, as_json)


def _setting(text: str) -> tuple[str, Any]:
    """A name and a value: a number where it is one, nothing for `none`."""
    name, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not name or not value:
        raise click.UsageError(f"--set takes NAME=VALUE, such as lr=1e-4; received {text!r}")
    if value.lower() == "none":
        return name, None
    for kind in (int, float):
        with suppress(ValueError):
            return name, kind(value)
    return name, value
