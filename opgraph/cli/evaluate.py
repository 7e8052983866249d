"""`opgraph evaluate`: test a recorded training on held-out data."""

from __future__ import annotations

from typing import Any

import click

from opgraph.cli.console import console, print_json
from opgraph.cli.options import json_option, step_option
from opgraph.cli.quiet import without_startup_talk


@click.command(epilog="Example: opgraph evaluate runs/demo --min-accuracy 0.95")
@click.argument("run")
@click.option("--data", default=None, help="Other data than the run's own; as for trace.")
@step_option
@click.option("--min-accuracy", type=click.FloatRange(0, 1), default=None,
              help="Exit with 1 if the accuracy is lower.")  # fmt: skip
@json_option
def command(
    run: str, data: str | None, step: Any, min_accuracy: float | None, as_json: bool
) -> int:
    """Test a recorded training on the test split of its data: loss, accuracy, confusion matrix."""
    from opgraph.api import evaluate, open_run
    from opgraph.cli import outcome

    opened = open_run(run)
    without_startup_talk()
    result = evaluate(opened, data, step=step)
    if as_json:
        print_json(result.as_dict())
    else:
        console().print(outcome.evaluation(result, opened.config["data"]["class_names"]))
    return 1 if min_accuracy is not None and (result.accuracy or 0.0) < min_accuracy else 0
