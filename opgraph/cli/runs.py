"""`opgraph runs`: the recorded trainings below a folder, and removing them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import box, console, print_error, print_json
from opgraph.cli.options import json_option
from opgraph.errors import RunError

if TYPE_CHECKING:
    from rich.table import Table

    from opgraph.record import RunSummary

LEAST_WIDTH, GAP = 24, 3
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class Age(click.ParamType):
    """A span of time such as 7d."""

    name = "AGE"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,5})\s*([mhdw])", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no age; write it as 90m, 12h, 7d or 4w", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


@click.command(epilog="Example: opgraph runs --prune --keep 3 --older-than 7d")
@click.argument("folder", default="runs")
@json_option
@click.option("--prune", is_flag=True, help="Remove runs; the options below say which.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Not the newest N.")
@click.option("--failed", is_flag=True, help="Only those that failed or were killed.")
@click.option("--older-than", type=Age(), help="Only those that began longer ago: 90m, 12h, 7d.")
@click.option("--keyframes", is_flag=True, help="Remove only their keyframes, all but the last.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    folder: str,
    as_json: bool,
    prune: bool,
    keep: int | None,
    failed: bool,
    older_than: timedelta | None,
    keyframes: bool,
    yes: bool,
) -> int:
    """List the recorded trainings below FOLDER; with --prune, remove some of them.

    A run is removed if everything holds that is asked for. Runs that a process writes to, runs that
    cannot be read, and files that are not of a run are left alone; links are not followed.
    """
    from opgraph.api import runs as api

    found = api.list_runs(folder)
    chosen = keep is not None or failed or older_than is not None
    if not prune:
        if chosen or keyframes or yes:
            raise click.UsageError(
                "--keep, --failed, --older-than, --keyframes and --yes need --prune"
            )
        _show(found, folder, as_json)
        return 0
    if not (chosen or keyframes):
        raise click.UsageError(
            "say which runs: --keep N, --failed, --older-than AGE; or --keyframes"
        )
    doomed = api.choose_runs(found, keep=keep, failed=failed, older_than=older_than)
    if keyframes:
        doomed = [run for run in doomed if (run.keyframes or 0) > 1]
    if doomed and not yes and not _agreed(doomed, keyframes, as_json):
        console(stderr=True).print("nothing was removed")
        return 1
    return _prune(doomed, api.drop_keyframes if keyframes else api.remove_run, as_json)


def _show(runs: Sequence[RunSummary], folder: str, as_json: bool) -> None:
    if as_json:
        print_json([run.as_dict() for run in runs])
        return
    if not runs:
        console().print(f"no runs below {folder}", markup=False)
        return
    console().print(_table(runs))
    total = sum(run.bytes for run in runs)
    console().print(f"{_counted(len(runs), 'run')}, {_bytes(total)}")
    for run in runs:
        if run.problem:
            console(stderr=True).print(run.problem, markup=False, soft_wrap=True)


def _table(runs: Sequence[RunSummary]) -> Table:
    from rich.table import Table
    from rich.text import Text

    rows = [_row(run) for run in runs]
    columns = _fitting(rows, console().width)
    table = Table(box=box(), header_style="bold", pad_edge=False)
    for column in columns:
        right = column in ("steps", "test", "keyframes", "size")
        justify, fold = ("right" if right else "left"), column == "run"
        table.add_column(column, justify=justify, no_wrap=not fold, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[column]) for column in columns))
    return table


def _row(run: RunSummary) -> dict[str, str]:
    return {
        "run": run.name,
        "status": run.status,
        "steps": _steps(run),
        "test": _test(run),
        "keyframes": _known(run.keyframes),
        "size": _bytes(run.bytes),
        "began (UTC)": run.created.strftime("%Y-%m-%d %H:%M") if run.created else "?",
    }


def _fitting(rows: Sequence[dict[str, str]], width: int) -> list[str]:
    """The columns that a console has room for; the least important ones are left out."""
    columns = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    widths["run"] = min(widths["run"], LEAST_WIDTH)
    for name in ("keyframes", "began (UTC)", "test", "size"):
        if sum(widths[column] + GAP for column in columns) <= width:
            break
        columns.remove(name)
    return columns


def _steps(run: RunSummary) -> str:
    if run.steps is None or run.total_steps is None or run.steps == run.total_steps:
        return _known(run.steps)
    return f"{run.steps:,} of {run.total_steps:,}"


def _known(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _test(run: RunSummary) -> str:
    """What the test said: the accuracy, or the loss where there is none."""
    if run.accuracy is not None:
        return f"accuracy {run.accuracy:.4f}"
    return "-" if run.loss is None else f"loss {run.loss:.4f}"


def _agreed(runs: Sequence[RunSummary], keyframes: bool, as_json: bool) -> bool:
    """Show what is going to be removed and ask."""
    what = f"{_counted(len(runs), 'run')}, {_bytes(sum(run.bytes for run in runs))}"
    if keyframes:
        what = f"the keyframes but the last of {_counted(len(runs), 'run')}"
    if as_json or not sys.stdin.isatty():
        raise click.UsageError(f"this would remove {what}; nothing was removed: add --yes")
    console(stderr=True).print(_table(runs))
    return click.confirm(f"Remove {what}?", err=True)


def _prune(runs: Sequence[RunSummary], remove: Callable[[Any], bool | int], as_json: bool) -> int:
    """Remove what was chosen; what cannot be removed is said, and the rest goes on."""
    done: list[dict[str, Any]] = []
    errors: list[RunError] = []
    for run in runs:
        try:
            result = remove(run.path)
        except RunError as error:
            errors.append(error)
            continue
        done.append({"run": str(run.path), "removed": _said(result)})
    if as_json:
        print_json(done)
    else:
        for entry in done:
            console().print(f"{entry['run']}: {entry['removed']}", markup=False, soft_wrap=True)
        console().print("nothing to remove" if not runs else f"{len(done)} of {len(runs)} done")
    for error in errors:
        print_error(error)
    return 2 if errors else 0


def _said(result: bool | int) -> str:
    if result is True:
        return "removed"
    if result is False:
        return "removed; other files in its directory stay"
    return _counted(result, "keyframe") + " removed"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _bytes(size: float) -> str:
    for scale, unit in SIZES:
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} B"
