"""`opgraph inspect`: the exact tensors of any step of a recorded training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from opgraph.cli.console import box, can_print, console, print_json
from opgraph.cli.options import json_option
from opgraph.cli.quiet import without_startup_talk

if TYPE_CHECKING:
    from opgraph.api.inspecting import Inspection
    from opgraph.record import Array, StepTensors, TensorFacts

FIGURES = ("mean", "std", "min", "max", "norm")
COLUMNS = ("tensor", "shape", "type", *FIGURES, "zeros", "NaN, Inf")
LEAST_TELLING = ("type", "zeros", "norm", "std", "shape")
SHOWN, EXAMPLES, BARS, GAP = 64, 12, 32, 3


@click.command(
    epilog="Example: opgraph inspect runs/first --step 137 --node conv2d_2 --tensor kernel.grad"
)
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, help="Which step, from 1.")
@click.option("--node", help="Show the tensors of this node; a list of the nodes when left out.")
@click.option("--tensor", help="One of them: output, output.grad, kernel, kernel.update, ...")
@click.option("--index", metavar="I,J,...", help="Elements of it, such as 0,3,:,-1 or ...,2:5.")
@click.option("--against", type=int, metavar="STEP2", help="Show step STEP2 minus this one.")
@click.option(
    "-o", "--output", help="Write to a .npy, .npz or .csv file; one tensor to .png or .svg too."
)
@click.option("--nan", "finds_nan", is_flag=True, help="Find where numbers stop being finite.")
@click.option("--unverified", is_flag=True, help="Show numbers that differ from the record too.")
@json_option
def command(
    run: str,
    step: int | None,
    node: str | None,
    tensor: str | None,
    index: str | None,
    against: int | None,
    output: str | None,
    finds_nan: bool,
    unverified: bool,
    as_json: bool,
) -> int:
    """Show the exact tensors of any step of a recorded training.

    The step is computed again from the nearest keyframe, and proved to be the recorded one: all
    statistics on the way must be those on disk, bit for bit.
    """
    if finds_nan:
        from opgraph.cli.autopsy import show_autopsy

        return show_autopsy(run, step, unverified, as_json)
    if step is None:
        raise click.UsageError("say which step: --step 137 (or --nan)")
    from opgraph.api import open_run
    from opgraph.api.inspecting import check_choice, check_target, inspect_step

    opened = open_run(run)
    chosen: Any = {"node": node, "tensor": tensor, "index": index, "against": against}
    check_choice(opened, step, **chosen)
    if output is not None:
        check_target(output, several=tensor is None)
    without_startup_talk()
    found = inspect_step(opened, step, **chosen, unverified=unverified, notify=told)
    if output is not None:
        found.write(output)
        click.echo(f"wrote {Path(output)} ({_counted(len(found.known), 'tensor')})", err=True)
    if as_json:
        print_json(_as_dict(found))
    elif output is None:
        _show(found)
    else:
        console().print(_summary(found), markup=False, soft_wrap=True)
    return 0


def told(line: str) -> None:
    """A line for the user, beside what is asked for."""
    click.echo(line, err=True)


def _show(found: Inspection) -> None:
    console().print(_summary(found), markup=False, soft_wrap=True)
    if found.node is None:
        console().print(_examples(found.tensors), markup=False, soft_wrap=True)
        console().print(_nodes(found))
        return
    console().print(_facts(found.facts(), f"{found.node}."))
    if found.tensor is not None:
        (array,) = found.known.values()
        _show_histogram(array)
        _show_values(array)


def _summary(found: Inspection) -> str:
    """What is shown, whether it is proved, and how the step went."""
    proof = "verified" if found.verified else "NOT VERIFIED: these are not the recorded numbers"
    figures = ", ".join(f"{n} {v:.6g}" for n, v in found.tensors.figures.items())
    return f"{found.title}: {proof}\n{figures}"


def _examples(tensors: StepTensors) -> str:
    """Which examples were in the batch, and their labels."""
    if tensors.indices is None:
        return ""
    more = ", ..." if len(tensors.indices) > EXAMPLES else ""
    numbers = ", ".join(map(str, tensors.indices[:EXAMPLES].tolist()))
    lines = [f"examples {numbers}{more} of the training data"]
    for labels in tensors.labels:
        if labels.ndim == 1:
            shown = ", ".join(f"{x:.4g}" for x in labels[:EXAMPLES].tolist())
            lines.append(f"labels   {shown}{more}")
    return "\n".join(lines)


def _nodes(found: Inspection) -> Any:
    graph = found.run.graph.inner
    table = _table("node", "op", "output", "tensors")
    for node in found.tensors.nodes:
        of = found.tensors.of(node)
        output = of.get("output")
        shape = "" if output is None else _shape(output.shape)
        names = [what for what in of if what != "output" and "." not in what]
        table.add_row(node, graph[node].kind.kind if node in graph else "", shape, ", ".join(names))
    return table


def _facts(facts: dict[str, TensorFacts | None], prefix: str) -> Any:
    """A row for each tensor; on a narrow console the least telling columns are left out."""
    rows = [_row(name.removeprefix(prefix), fact) for name, fact in facts.items()]
    columns = list(COLUMNS)
    for column in LEAST_TELLING:
        if sum(max(len(n), *(len(r[n]) for r in rows)) + GAP for n in columns) <= console().width:
            break
        columns.remove(column)
    table = _table(*columns)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _row(name: str, fact: TensorFacts | None) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "") | {"tensor": name}
    if fact is None:
        return row | {"shape": "not connected"}
    row |= {figure: _figure(getattr(fact, figure)) for figure in FIGURES}
    row |= {"shape": _shape(fact.shape), "type": fact.dtype}
    return row | {"zeros": f"{fact.zeros:,}", "NaN, Inf": f"{fact.nonfinite:,}"}


def _show_histogram(array: Array) -> None:
    """How many elements lie where, in bins of equal width."""
    from opgraph.record import count_linear

    counts, edges = count_linear(array)
    if array.size < 2 or not counts.any():
        return
    full = "█" if can_print("█") else "#"
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        bar = full * max(int(count > 0), round(BARS * int(count) / int(counts.max())))
        line = f"{_figure(low):>10} to {_figure(high):>10}  {bar} {count:,}"
        console().print(line, markup=False, soft_wrap=True)


def _show_values(array: Array) -> None:
    """The numbers themselves, where they are few."""
    if array.size > SHOWN:
        return
    wide = array.astype(np.float64) if array.dtype.kind not in "iub" else array
    text = np.array2string(wide, max_line_width=console().width, separator=", ", precision=8)
    console().print(text, markup=False, soft_wrap=True)


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=box(), header_style="bold", pad_edge=False)
    right = (*FIGURES, "zeros", "NaN, Inf")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if column in right else "left",
                         no_wrap=number == 0 or column in right, overflow="fold")  # fmt: skip
    return table


def _as_dict(found: Inspection) -> dict[str, Any]:
    facts = {n: None if f is None else f.as_dict() for n, f in found.facts().items()}
    small = {n: x for n, x in found.known.items() if x.size <= SHOWN and found.tensor is not None}
    indices = found.tensors.indices
    return {
        "run": str(found.run.path),
        "step": found.tensors.step,
        "against": None if found.against is None else found.against.step,
        "verified": found.verified,
        "figures": {n: _number(v) for n, v in found.tensors.figures.items()},
        "examples": None if indices is None else indices.tolist(),
        "labels": [_numbers(labels) for labels in found.tensors.labels],
        "index": found.index,
        "tensors": facts,
        "values": {name: _numbers(array) for name, array in small.items()},
    }


def _numbers(array: Array) -> Any:
    """Nested lists, as JSON can say them."""
    if array.ndim:
        return [_numbers(row) for row in array]
    return _number(float(array)) if array.dtype.kind not in "iub" else int(array)


def _number(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _figure(value: float | None) -> str:
    if value is None:
        return "none"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4g}"
    return f"{value:.2e}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
