"""What the training commands show: a progress bar, what a run will take, how it went."""

from __future__ import annotations

import math
import statistics
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from opgraph.cli.console import box, console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opgraph.api import Run
    from opgraph.runtime import Evaluation, Plan, Prediction

SHOWN_NODES = 40
SITES = {
    "output": "outputs",
    "output_grad": "gradients at outputs",
    "weight": "weights",
    "bn": "batch normalisations",
}
MATRIX_CLASSES = 16
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


class Bar:
    """A progress bar on stderr that is told about each step."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("preparing", total=None, loss="", rate="")
        self.seconds = 0.0

    def on_step(
        self, step: int, total: int, loss: float, accuracy: float | None, seconds: float
    ) -> None:
        """A step was taken."""
        self.seconds = seconds if not self.seconds else 0.95 * self.seconds + 0.05 * seconds
        figures = f"loss {loss:.3f}"
        figures += "" if accuracy is None else f"  accuracy {accuracy:.2f}"
        rate = f"{1 / self.seconds:.0f} steps/s" if self.seconds else ""
        self.progress.update(
            self.task, description="training", completed=step, total=total, loss=figures, rate=rate
        )


@contextmanager
def progress_bar() -> Generator[Bar]:
    """A progress bar that names rate and time left; quiet where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    err = console(stderr=True)
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield Bar(progress)


def plan_table(plan: Plan) -> RenderableType:
    """What a training will take."""
    table = _table("", "")
    sites = ", ".join(f"{plan.sites.get(kind, 0)} {name}" for kind, name in SITES.items())
    memory = "?" if plan.memory_bytes is None else f"about {_bytes(plan.memory_bytes)}"
    rows = {
        "steps": f"{plan.steps:,}",
        "sites at every step": sites,
        "numbers at every step": f"{plan.numbers_per_step:,}",
        "memory (estimated)": f"{memory} beyond TensorFlow itself",
        "disk": f"{_bytes(plan.disk_bytes)}: {_bytes(plan.disk_bytes_per_step)} a step"
        f" and {plan.keyframes} keyframes of {_bytes(plan.keyframe_bytes)}",
        "time": f"{_seconds(plan.seconds)}: {plan.step_seconds * 1000:.1f} ms a step"
        f" after {_seconds(plan.prepare_seconds)} of preparation",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return Group(table, Text("nothing was trained and nothing was written"))


def run_data(run: Run) -> dict[str, Any]:
    """How a training went, as plain data."""
    outcome = run.config["outcome"]
    return {
        "run": str(run.path),
        "status": run.config["status"],
        "steps": outcome.get("steps"),
        "seconds": outcome.get("seconds"),
        "test": outcome.get("test"),
    }


def run_summary(run: Run) -> RenderableType:
    """How a training went: accuracy first, then the nodes, what was written and what to do next."""
    config, outcome = run.config, run.config["outcome"]
    done, wanted = outcome["steps"], config["config"]["total_steps"]
    test = outcome.get("test")
    lines: list[RenderableType] = [_nodes_table(run)] if done else []
    counted = f"{done:,} steps" if done == wanted else f"{done:,} of {wanted:,} steps"
    lines.append(
        Text(f"{config['status']}: {counted} in {_seconds(outcome['seconds'])}, every node at"
             " every step")
    )  # fmt: skip
    if test is not None:
        headline = f"test {_test_figures(test)}"
        lines.append(Text(f"{headline} on {test['size']:,} examples never trained on", "bold"))
    return Group(*lines, Text(""), _written(run), Text(""), _next_commands(run))


def _nodes_table(run: Run) -> RenderableType:
    """How each weight learned: its size before and after, and the usual gradient and update."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in run.table("weight").to_pylist():
        rows.setdefault(f"{row['node']}/{row['weight']}", []).append(row)
    table = _table("weight", "first norm", "last norm", "gradient", "update / norm")
    table.title, table.title_justify = "How each weight learned (norms; medians over steps)", "left"
    for name, steps in list(rows.items())[:SHOWN_NODES]:
        first, last = steps[0]["value_norm"], steps[-1]["value_norm"]
        medians = (_median(steps, "grad_norm"), _median(steps, "update_ratio"))
        table.add_row(name, *map(_figure, (first, last, *medians)))
    if len(rows) > SHOWN_NODES:
        table.add_row(f"... {len(rows) - SHOWN_NODES} more in weight/", "", "", "", "")
    return table


def _median(rows: list[dict[str, Any]], column: str) -> float | None:
    known = [row[column] for row in rows if row[column] is not None]
    return statistics.median(known) if known else None


def _written(run: Run) -> RenderableType:
    table = _table(f"written to {run.path}", "size", "what")
    known = {
        "run.json": "configuration, versions, seeds, command",
        "run.toml": "the settings; opgraph trace --config makes it again",
        "graph.json": "the graph, completed",
        "graph.svg": "its picture",
        "steps": "loss, accuracy, learning rate, times",
        "output": "each node's output: mean, rms, min, max, zeros",
        "output_grad": "gradient of the loss at each output: the same",
        "weight": "each weight: size, gradient, true update",
        "slot": "the optimizer's slots",
        "bn": "batch and moving statistics",
        "dropout": "what each dropout kept",
        "keyframes": f"the full state at {len(run.keyframes)} steps",
        "best": "the full state at the best step",
    }
    for name, what in known.items():
        if size := _size(run.path / name):
            table.add_row(name, _bytes(size), what)
    return table


def _next_commands(run: Run) -> RenderableType:
    graph = run.path / "graph.json"
    lines = [
        "next:",
        f"  opgraph report {run.path}",
        f"  opgraph curves {run.path}",
        f"  opgraph evaluate {run.path}",
        f"  opgraph draw {graph} -o network.svg --theme dark",
        f"  opgraph convert {graph} model.py",
        f"  in Python: pandas.read_parquet('{run.path.as_posix()}/weight')",
    ]
    return Text("\n".join(lines), no_wrap=True, overflow="fold")


def evaluation(result: Evaluation, class_names: Sequence[str]) -> RenderableType:
    """Accuracy, loss, and how often each class was taken for which."""
    headline = f"{_test_figures(result.as_dict())} on {result.size:,} examples"
    confusion = result.confusion
    if confusion is None:
        return Text(headline, "bold")
    names = [*class_names, *map(str, range(len(class_names), len(confusion)))]
    few = len(names) <= MATRIX_CLASSES
    table = _matrix(confusion, result.class_accuracy, names) if few else _mistakes(confusion, names)
    return Group(Text(headline, "bold"), Text(""), table)


def _test_figures(test: Mapping[str, Any]) -> str:
    """The figures of a test: accuracy first where there are classes, then the loss."""
    figures = {} if test["accuracy"] is None else {"accuracy": test["accuracy"]}
    figures |= {"loss": test["loss"], **test.get("metrics", {})}
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _matrix(confusion: Any, accuracy: Sequence[float | None], names: Sequence[str]) -> Table:
    table = _table("class", "accuracy", *names)
    table.title, table.title_justify = "rows: the class; columns: what it was taken for", "left"
    for name, share, row in zip(names, accuracy, confusion, strict=True):
        counts = [str(count) if count else "." for count in row]
        table.add_row(name, "?" if share is None else f"{share:.3f}", *counts)
    return table


def _mistakes(confusion: Any, names: Sequence[str]) -> Table:
    """The most frequent mistakes, where a matrix would not fit."""
    table = _table("class", "taken for", "times")
    table.title, table.title_justify = "The most frequent mistakes", "left"
    wrong = [
        (int(count), row, column)
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    for count, row, column in sorted(wrong, key=lambda item: -item[0])[:MATRIX_CLASSES]:
        table.add_row(names[row], names[column], str(count))
    return table


def predictions(
    images: Sequence[str], result: Prediction, class_names: Sequence[str], top: int
) -> RenderableType:
    """The likeliest classes of each image."""
    table = _table("image", "class", "probability")
    for image, shares in zip(images, result.probabilities, strict=True):
        best = sorted(range(len(shares)), key=lambda index: -shares[index])[:top]
        for rank, index in enumerate(best):
            table.add_row("" if rank else image, class_names[index], f"{shares[index]:.4f}")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box(), show_header=any(columns), header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        figures = number > 0 and column not in ("what", "class", "")
        table.add_column(column, justify="right" if figures else "left", no_wrap=number == 0)
    return table


def _figure(value: float | None) -> str:
    """Three significant digits; null is a gradient or ratio that does not exist."""
    if value is None:
        return "none"
    if value == 0 or not math.isfinite(value) or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    return f"{value:.2e}"


def _bytes(size: float) -> str:
    for scale, unit in UNITS:
        if size >= scale:
            return f"{size / scale:.3g} {unit}B"
    return f"{size:.0f} B"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0
