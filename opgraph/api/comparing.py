"""Two recorded runs side by side: where they begin to differ, and their curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.api.curves import draw_curves, quantities_of
from opgraph.api.extras import needed_for
from opgraph.api.run import Run
from opgraph.errors import RunError

if TYPE_CHECKING:
    from opgraph.record import RunDiff
    from opgraph.render.curves import Series

MOST_CURVES = 6


def diff(left: Any, right: Any, *, output: str | Path | None = None) -> RunDiff:
    """Say how two recorded runs were made differently, and where their numbers begin to differ.

    Args:
        left: a `Run`, or the path of one.
        right: another one.
        output: a picture of loss and metrics of both: .svg, .png or .pdf. Needs matplotlib.

    Returns:
        `settings`, `deviations` (the first differing number of each table, the earliest first),
        `first`, `equal`, and `left_out`, what only one of the two has.

    Raises:
        RunError: one of them is no run, or both are the same.
    """
    with needed_for("comparing runs"):
        from opgraph.record import diff_runs

    runs = [as_run(left), as_run(right)]
    if runs[0].path.resolve() == runs[1].path.resolve():
        raise RunError("the same run is named twice", where=str(runs[0].path))
    if output is not None:
        figures_of_both(runs[0], runs[1], output)
    return diff_runs(runs[0].record, runs[1].record)


def as_run(given: Any) -> Run:
    """The run that is meant.

    Raises:
        RunError: it is a file, such as a graph, or no run is recorded there.
    """
    if isinstance(given, Run):
        return given
    if Path(given).is_file():
        raise RunError(
            "is a file; diff compares two recorded runs, which are directories",
            where=str(given),
            hint="opgraph trace FILE -o DIRECTORY records one",
        )
    return Run(given)


def figures_of_both(left: Run, right: Run, output: str | Path | None = None) -> list[list[Series]]:
    """Loss and metrics of two runs, one panel a quantity; drawn if `output` is given.

    They go over the steps that both have.
    """
    found = [run.record.survey.quantities("steps") for run in (left, right)]
    metrics = [{f"steps.{name}" for name in _figures(run)} for run in (left, right)]
    wanted = [
        quantity.full_name
        for quantity in found[0]
        if quantity.full_name in metrics[0] & metrics[1] & set(quantities_of(right))
    ]
    first = max(run.record.info.first_step for run in (left, right)) + 1
    last = min(run.record.last_step for run in (left, right))
    if first > last:
        return []
    steps = range(first, last + 1)
    return draw_curves([left, right], wanted[:MOST_CURVES], steps=steps, output=output)


def _figures(run: Run) -> tuple[str, ...]:
    survey = run.record.survey
    return ("loss", *survey.metrics, *(f"val_{name}" for name in survey.validated))
