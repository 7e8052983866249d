"""Numbers of a run in formats of other tools: one table says which."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.api.curves import quantities_of
from opgraph.errors import FormatError, RunError, suggest
from opgraph.files import write_text

if TYPE_CHECKING:
    from opgraph.api.run import Run
    from opgraph.formats.recorded import Reading
    from opgraph.record import SiteKind
    from opgraph.render.curves import Series

OVERLAID = ("weight.grad_norm",)
ONE_STEP = frozenset({"netron", "model-explorer"})


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        paths: the files.
        numbers: how many numbers they hold.
        left_out: what the format has no place for.
    """

    paths: tuple[Path, ...]
    numbers: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What to export: as the caller said it."""

    run: Run
    output: Path
    what: tuple[str, ...]
    node: str | None
    steps: range | None
    step: int | None
    graph_id: str | None


def export_run(
    run: Run,
    to: str,
    output: str | Path,
    *,
    what: str | Sequence[str] = (),
    node: str | None = None,
    steps: range | None = None,
    step: int | None = None,
    graph_id: str | None = None,
) -> Exported:
    """Write the numbers of a run for another tool.

    Args:
        run: the run.
        to: `csv` (a folder, one file a table), `tensorboard` (a log directory), `netron` (a JSON
            file to drop on an open model), `model-explorer` (node data as JSON).
        output: the file or folder to write.
        what: names of quantities, as for curves. When left out: everything for csv and tensorboard,
            everything at one step for netron, gradient norms for model-explorer.
        node: globs over names of nodes or of weights, joined by commas.
        steps: which steps, for csv and tensorboard; all when left out.
        step: which step, for netron and model-explorer; the last when left out.
        graph_id: what Model Explorer calls the graph; the graph's name when left out.

    Raises:
        RunError: no such quantity, step or node.
        FormatError: no such format, it cannot be written, or it takes a step where steps are given.
    """
    from opgraph.render.curves import recorded_steps

    if to not in FORMATS:
        hint = suggest(to, FORMATS) or f"there are: {', '.join(FORMATS)}"
        raise FormatError(f"no format is called {to!r}", hint=hint)
    if (steps if to in ONE_STEP else step) is not None:
        received, wanted = ("steps", "step") if to in ONE_STEP else ("step", "steps")
        raise FormatError(f"{to} takes {wanted}, not {received}", hint=f"use --{wanted}")
    recorded_steps(run.record, steps)
    words = (what,) if isinstance(what, str) else tuple(what)
    return FORMATS[to](Wish(run, Path(output), words, node, steps, step, graph_id))


# Tables ------------------------------------------------------------------------------------------


def _csv(wish: Wish) -> Exported:
    from opgraph.formats.recorded import write_csv

    _check_folder(wish.output)
    paths, numbers, left_out = list[Path](), 0, list[str]()
    for kind, table, names in _tables(wish):
        if not len(table):
            left_out.append(f"{kind}: no rows")
            continue
        paths.append(wish.output / f"{kind}.csv")
        numbers += write_csv(paths[-1], table, names) * len(names)
    return Exported(tuple(paths), numbers, tuple(left_out))


def _tables(wish: Wish) -> list[tuple[str, Any, list[str]]]:
    """Each table that was asked for, and the columns of it."""
    from opgraph.record import KINDS, SITE_COLUMNS
    from opgraph.render.curves import recorded_steps

    columns, steps = _columns(wish), recorded_steps(wish.run.record, wish.steps)
    found: list[tuple[str, Any, list[str]]] = []
    for kind in KINDS:
        if columns is not None and kind not in columns:
            continue
        nodes = wish.node if kind != "steps" else None
        if nodes is not None and not _has_node(wish.run, kind, nodes):
            continue
        table = wish.run.record.table(kind, nodes=nodes, steps=steps)
        names: list[str] = table.column_names
        if columns is not None:
            wanted = {"step", *SITE_COLUMNS[kind], *columns[kind]}
            names = [name for name in names if name in wanted]
        found.append((kind, table, names))
    return found


def _has_node(run: Run, kind: SiteKind, nodes: str) -> bool:
    """Whether a table has a matching node; a glob that matches none in any table is an error."""
    from opgraph.graph import matching

    if not matching(nodes, run.graph.nodes):
        hint = suggest(nodes, run.graph.nodes) or f"nodes: {', '.join(run.graph.nodes[:8])}"
        raise RunError(f"no node matches {nodes!r}", where=str(run.path), hint=hint)
    table = run.record.table(kind, steps=run.record.last_step)
    return bool(matching(nodes, set(table.column("node").to_pylist())))


def _columns(wish: Wish) -> dict[SiteKind, set[str]] | None:
    """The columns asked for, by table; None for all."""
    if not wish.what:
        return None
    from opgraph.render.curves import find_quantity

    known = quantities_of(wish.run)
    found: dict[SiteKind, set[str]] = {}
    for word in wish.what:
        quantity = find_quantity(word, known, of_nodes=wish.node is not None)
        found.setdefault(quantity.kind, set()).add(quantity.name)
    return found


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise FormatError("is a file; a folder is needed", where=str(path))


# Series ------------------------------------------------------------------------------------------


def _all_series(wish: Wish) -> Iterator[Series]:
    """What was asked for; everything that was measured when nothing was."""
    from opgraph.render.curves import find_quantity, read_kind

    known, node = quantities_of(wish.run), wish.node
    wanted = [find_quantity(word, known, of_nodes=node is not None) for word in wish.what]
    chosen = wanted or list(known.values())
    for kind in dict.fromkeys(quantity.kind for quantity in chosen):
        of_kind = [quantity for quantity in chosen if quantity.kind == kind]
        yield from read_kind(wish.run.record, of_kind, nodes=node, steps=wish.steps)


def _some_series(wish: Wish) -> list[Series]:
    found = list(_all_series(wish))
    if not found:
        of = f" of {wish.node!r}" if wish.node is not None else ""
        raise RunError(f"nothing was measured{of}", where=str(wish.run.path),
                       hint="opgraph curves RUN --list shows what there is")  # fmt: skip
    return found


def _tensorboard(wish: Wish) -> Exported:
    from opgraph.formats.recorded import PREFIX, EventRow, write_events

    _check_folder(wish.output)
    record = wish.run.record
    times = dict(zip(*(record.steps.column(name).to_pylist() for name in ("step", "time")),
                     strict=True))  # fmt: skip
    seconds = {step: time.timestamp() for step, time in times.items() if time is not None}
    start = min(seconds.values(), default=0.0)
    path = wish.output / f"{PREFIX}.{int(start)}.opgraph"
    scalars, histograms = dict(by_step(_some_series(wish))), _histograms(wish)
    rows = (
        EventRow(step, seconds.get(step, start), scalars.get(step, {}), histograms.get(step, {}))
        for step in sorted({*scalars, *histograms})
    )
    numbers = write_events(path, rows, record.graph, start)
    return Exported((path,), numbers)


def _histograms(wish: Wish) -> dict[int, dict[str, Sequence[int]]]:
    """The histograms of each step by tag; none where single quantities were asked for."""
    from opgraph.record import KINDS
    from opgraph.render.curves import read_lists

    if wish.what:
        return {}
    found: dict[int, dict[str, Sequence[int]]] = {}
    for kind in KINDS:
        for quantity in wish.run.record.survey.quantities(kind):
            if quantity.vector and quantity.name.endswith("histogram"):
                for name, step, counts in read_lists(
                    wish.run.record, quantity, nodes=wish.node, steps=wish.steps
                ):
                    found.setdefault(step, {})[f"{name}/{quantity.full_name}"] = counts
    return found


def by_step(found: Sequence[Series]) -> Iterator[tuple[int, dict[str, float]]]:
    """The numbers of each step by tag, such as `conv/kernel/weight.grad_norm` or `run/loss`."""
    tags = [f"{series.name or 'run'}/{series.what}" for series in found]
    rows: dict[int, dict[str, float]] = {}
    for tag, series in zip(tags, found, strict=True):
        known = ~series.absent
        for step, value in zip(series.steps[known].tolist(), series.values[known].tolist(),
                               strict=True):  # fmt: skip
            rows.setdefault(step, {})[tag] = value
    yield from sorted(rows.items())


# Overlays ----------------------------------------------------------------------------------------


def _readings(wish: Wish) -> tuple[int, list[Reading]]:
    """Every number of one step."""
    from opgraph.formats.recorded import Reading
    from opgraph.render.curves import value_at

    step = wish.run.record.last_step if wish.step is None else wish.step
    if not 1 <= step <= wish.run.record.last_step:
        last = wish.run.record.last_step
        raise RunError(f"step {step} is not recorded; there are 1 to {last}",
                       where=str(wish.run.path))  # fmt: skip
    found: list[Reading] = []
    for series in _some_series(replace(wish, steps=range(step, step + 1))):
        value = value_at(series, step)
        if value is not None:
            part = series.name[len(series.node) :].lstrip("/:")
            found.append(Reading(series.node, part, series.what, value))
    return step, found


def _netron(wish: Wish) -> Exported:
    from opgraph.formats.recorded import netron_attachment

    _check_json(wish.output)
    step, readings = _readings(wish)
    about = {"opgraph run": wish.run.path.name, "step": step}
    _write_json(wish.output, netron_attachment(readings, about))
    return Exported((wish.output,), len(readings))


def _model_explorer(wish: Wish) -> Exported:
    from opgraph.formats.recorded import node_data

    wish = replace(wish, what=wish.what or OVERLAID)
    single = wish.output.suffix.lower() == ".json"
    if single and len(wish.what) > 1:
        raise FormatError("holds one quantity a file; name a folder for several",
                          where=str(wish.output))  # fmt: skip
    if not single:
        _check_folder(wish.output)
    paths, numbers, left_out = list[Path](), 0, list[str]()
    graph_id = wish.graph_id or str(wish.run.record.graph.get("name") or "graph")
    for word in wish.what:
        step, readings = _readings(replace(wish, what=(word,)))
        what = readings[0].what
        if not readings[0].node:
            raise FormatError("belongs to the whole run, not to a node", where=what)
        paths.append(wish.output if single else wish.output / f"{what}.json")
        data = node_data(readings, graph_id, f"{what} at step {step}")
        numbers += len(data[graph_id]["results"])
        left_out += [f"{reading.node}: {what} is {reading.value}" for reading in readings
                     if not math.isfinite(reading.value)]  # fmt: skip
        _write_json(paths[-1], data)
    return Exported(tuple(paths), numbers, tuple(left_out))


def _check_json(path: Path) -> None:
    if path.suffix.lower() != ".json":
        raise FormatError("the file must end in .json, or the viewer does not take it",
                          where=str(path))  # fmt: skip


def _write_json(path: Path, data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    write_text(path, text + "\n")


FORMATS: Mapping[str, Callable[[Wish], Exported]] = {
    "csv": _csv,
    "tensorboard": _tensorboard,
    "netron": _netron,
    "model-explorer": _model_explorer,
}
