"""`opgraph compare`: models side by side by their values; the first node that differs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from opgraph.cli.console import box, console, print_json
from opgraph.cli.options import json_option, step_option
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.parity import Comparison, Measures, Row

VERDICTS = {"equal": "equal", "differs": "differs", "fused": "inside", "absent": "absent"}
MOST_NAMES = 6


@click.command(
    epilog="Examples: opgraph compare model.keras model.onnx;"
    " opgraph compare runs/demo model.tflite --data images.npz --isolate"
)
@click.argument("left", metavar="A")
@click.argument("others", metavar="B...", nargs=-1, required=True)
@click.option("--data", metavar="FILE", help="Inputs: .npy, or .npz by names; drawn otherwise.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@click.option("--batches", type=click.IntRange(1), help="How many; all of the data, or one drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of drawn inputs.")
@step_option
@click.option("--tolerance", type=click.FloatRange(0), default=1.0, show_default=True,
              help="Factor on what counts as equal (float32: 1e-4 of the largest).")  # fmt: skip
@click.option("--snr", type=float, help="Least signal to noise of quantised tensors; 20 dB.")
@click.option("--isolate", is_flag=True, help="Feed each node of B the exact inputs of A, too.")
@click.option("--all", "whole", is_flag=True, help="Show all nodes, not only those that differ.")
@click.option("-o", "--output", metavar="FILE.svg", help="Draw A with the first difference in red.")
@json_option
def command(
    left: str,
    others: tuple[str, ...],
    snr: float | None,
    whole: bool,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Compare models node by node on the same inputs, and name the first node that differs.

    A and B are any of: a .keras or .h5 file, .onnx, .tflite, a SavedModel directory, a run. Exit
    code 0 means equal within the tolerance, 1 different, 2 that they could not be compared.
    """
    from opgraph.api import compare
    from opgraph.api.values import draw_comparison

    without_startup_talk()
    say = None if as_json else (lambda words: click.echo(words, err=True))
    found = [compare(left, one, decibels=snr, notify=say, **options) for one in others]
    if output is not None:
        draw_comparison(left, found[0], output)
        click.echo(f"wrote {output}", err=True)
    if as_json:
        print_json([as_data(one) for one in found])
    else:
        for one in found:
            show(one, whole)
    return 0 if all(one.equal for one in found) else 1


def as_data(found: Comparison) -> dict[str, Any]:
    """A comparison as plain data."""
    return {
        "titles": found.titles,
        "equal": found.equal,
        "first": found.first and found.first.node.name,
        "inside": found.inside,
        "causes": [asdict(cause) for cause in found.causes],
        "batches": found.batches,
        "examples": found.examples,
        "nodes": [_row_data(row) for row in found.rows],
        "unmatched": found.unmatched,
    }


def _row_data(row: Row) -> dict[str, Any]:
    return {
        "node": row.node.name,
        "kind": row.node.kind,
        "counterpart": row.counterpart and row.counterpart.name,
        "found": row.found,
        "axes": row.axes,
        "verdict": row.verdict,
        "limit": row.limit,
        "measures": _finite(row.measures),
        "alone": _finite(row.alone),
        "alone_verdict": row.alone_verdict,
    }


def _finite(measures: Measures | None) -> dict[str, Any] | None:
    """Measures without infinities, which JSON lacks."""
    if measures is None:
        return None
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in asdict(measures).items()}  # fmt: skip


def show(found: Comparison, whole: bool) -> None:
    """The answer first, then the likely causes, then the table."""
    out = console()
    out.print(f"[bold]{answer(found)}[/bold]", soft_wrap=True)
    if found.first is not None:
        for line in reasons(found):
            out.print(line, soft_wrap=True)
    out.print(_table(found, whole))
    for line in footers(found, whole):
        out.print(line, soft_wrap=True)


def answer(found: Comparison) -> str:
    """One line: equal, or the first node that differs."""
    pair = f"{found.titles[0]} and {found.titles[1]}"
    if found.first is None:
        return f"equal within tolerance: {pair}"
    row = found.first
    return f"first diverging node: {row.node.name} ({row.node.kind}); {pair}"


def reasons(found: Comparison) -> list[str]:
    """What is known about the first difference."""
    row = found.first
    assert row is not None
    verdict = "is equal" if row.alone_verdict == "equal" else "differs"
    lines = ["what it reads is equal" if row.alone_verdict is None
             else f"fed the exact inputs of the first it {verdict}"]  # fmt: skip
    if found.inside:
        lines.append(
            f"{_listed(list(found.inside))}: no counterpart, so the fault may be there, too"
        )
    if row.counterpart is not None:
        lines.append(f"in the second: {row.counterpart.name} ({row.counterpart.kind})")
    lines += [f"likely: {cause.evidence}" for cause in found.causes]
    return lines if found.causes else [*lines, "no known fault explains the numbers"]


def _table(found: Comparison, whole: bool) -> Table:
    rows = [row for row in found.rows if whole or row.verdict == "differs"] or list(found.outputs)
    columns = [name for name, (_, wanted) in COLUMNS.items() if any(wanted(row) for row in rows)]
    table = Table(box=box(), header_style="bold", pad_edge=False)
    for name, least in (("node", 20), ("op", 12), ("verdict", 7)):
        table.add_column(name, min_width=least)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [COLUMNS[name][0](row) if COLUMNS[name][1](row) else "" for name in columns]
        named = [short(row.node.name), row.node.kind, VERDICTS[row.verdict]]
        table.add_row(*named, *cells, style="red" if row is found.first else "")
    return table


def short(name: str) -> str:
    """The end of a long scope: the layer and its operation.

    >>> short("net/block/conv_1/BiasAdd:0;net/block/conv_1/Relu")
    'conv_1/BiasAdd'
    """
    return "/".join(name.split(";")[0].removesuffix(":0").split("/")[-2:])


def _share(measures: Measures) -> str:
    return f"{measures.max_abs / measures.largest if measures.largest else 0.0:.2g}"


def _db(value: float) -> str:
    return "exact" if value == math.inf else f"{value:.1f}"


# Each column: how its cell is written, and whether a row has one.
COLUMNS: dict[str, tuple[Callable[[Any], str], Callable[[Row], bool]]] = {
    "max": (lambda row: f"{row.measures.max_abs:.3g}", lambda row: row.measures is not None),
    "of largest": (lambda row: _share(row.measures), lambda row: row.measures is not None),
    "SNR dB": (lambda row: _db(row.measures.snr), lambda row: row.measures is not None),
    "alone dB": (lambda row: _db(row.alone.snr), lambda row: row.alone is not None),
}


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    shown = ", ".join(short(name) for name in names[:MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def footers(found: Comparison, whole: bool) -> list[str]:
    """How much was compared, and what was not."""
    compared = sum(row.measures is not None for row in found.rows)
    fused = [row.node.name for row in found.rows if row.verdict == "fused"]
    absent = [row.node.name for row in found.rows if row.verdict == "absent"]
    lines = [f"{compared} of {len(found.rows)} nodes compared on {found.examples} examples in"
             f" {found.batches} batch{'es' if found.batches > 1 else ''}; tolerance: "
             f"{', '.join(sorted({row.limit for row in found.rows if row.limit}))}"]  # fmt: skip
    lines += [
        f"{short(row.node.name)}: the largest class is the same for {row.measures.argmax:.1%}"
        for row in found.outputs
        if row.measures is not None and row.measures.argmax is not None
    ]
    if fused:
        lines.append(f"inside another operation of the second: {_listed(fused)}")
    if absent:
        lines.append(f"without counterpart in the second: {_listed(absent)}")
    if found.unmatched and whole:
        lines.append(f"without counterpart in the first: {_listed(list(found.unmatched))}")
    elif found.unmatched:
        lines.append(f"{len(found.unmatched)} tensors of the second have no counterpart (--all)")
    return lines
