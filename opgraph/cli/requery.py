"""`opgraph requery`: numbers of a finished training that nobody thought of recording."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opgraph.cli.console import box, console, print_json
from opgraph.cli.curves import StepsType
from opgraph.cli.options import json_option
from opgraph.cli.quiet import without_startup_talk
from opgraph.cli.recomputing import recomputing_bar
from opgraph.cli.trace import notify

if TYPE_CHECKING:
    import pyarrow as pa


SHOWN = 40
EXAMPLES = """\b
Examples:
  opgraph requery runs/first 'mean(abs(output))' --node 'relu*' --steps 100:200
  opgraph requery runs/first 'quantile(abs(kernel.grad), 0.99)' --node 'conv*' -o big.csv
  opgraph requery runs/first 'conv2d.kernel.update.norm / conv2d.kernel.norm'
"""


@click.command(epilog=EXAMPLES)
@click.argument("run")
@click.argument("expression")
@click.option("--node", default=None, metavar="GLOBS",
              help="Nodes that output, kernel.grad and so on are meant of.")  # fmt: skip
@click.option("--steps", type=StepsType(), default=None, help="Which steps, such as 100:200.")
@click.option("-o", "--output", default=None, metavar="FILE.csv", help="Write a CSV file.")
@click.option("--unverified", is_flag=True, help="Take numbers that differ from the record, too.")
@json_option
def command(
    run: str,
    expression: str,
    node: str | None,
    steps: range | None,
    output: str | None,
    unverified: bool,
    as_json: bool,
) -> int:
    """Evaluate EXPRESSION over steps of RUN, also of what was not recorded.

    Steps are computed again only where the record does not have what is asked for, and compared
    with it bit for bit. docs/reference/expressions.md has the whole language on one page.
    """
    from opgraph.api import open_run, requery
    from opgraph.record.expression import make_query

    if output is not None and Path(output).suffix.lower() != ".csv":
        raise click.UsageError(f"-o writes a CSV file: name it *.csv; received {output!r}")
    opened = open_run(run)
    if not make_query(opened.record, expression, node, steps).is_recorded:
        without_startup_talk()
    with recomputing_bar() as on_step:
        table = requery(
            *(opened, expression),
            nodes=node,
            steps=steps,
            unverified=unverified,
            notify=notify,
            on_step=on_step,
        )
    if output is not None:
        _write(table, output)
    elif as_json:
        print_json([{**row, "value": _plain(row["value"])} for row in table.to_pylist()])
    else:
        _show(table, expression)
    return 0


def _write(table: pa.Table, output: str) -> None:
    from opgraph.formats.recorded import write_csv

    rows = write_csv(Path(output), table, table.column_names)
    click.echo(f"wrote {Path(output)} ({rows:,} rows)", err=True)


def _plain(value: float) -> Any:
    """JSON has no NaN and no infinity: words stand for them."""
    return value if math.isfinite(value) else str(value)


def _show(table: pa.Table, expression: str) -> None:
    from rich.table import Table
    from rich.text import Text

    rows = table.to_pylist()
    named = any(row["node"] is not None for row in rows)
    shown = Table(box=box(), header_style="bold", pad_edge=False)
    for name in ("step", *(("node",) if named else ()), expression):
        shown.add_column(Text(name), justify="left" if name == "node" else "right", overflow="fold")
    for row in rows[:SHOWN]:
        cells = [str(row["step"]), *([str(row["node"])] if named else []), f"{row['value']:.6g}"]
        shown.add_row(*map(Text, cells))
    console().print(shown)
    if len(rows) > SHOWN:
        console().print(f"{len(rows) - SHOWN:,} more rows: --json, or -o FILE.csv", markup=False)
