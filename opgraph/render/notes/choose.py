"""Which notes a picture has, by the names that the user says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

from opgraph.analysis import Analysis
from opgraph.errors import OpgraphError, RunError, suggest
from opgraph.render.card import Show
from opgraph.render.notes.facts import FACTS, fact_note
from opgraph.render.notes.model import Annotation, Notes

if TYPE_CHECKING:
    from opgraph.record import Quantity, Record
    from opgraph.render.curves import Series

# What a box shows by itself, and can be asked for by name.
SHOWN = ("shape", "attrs", "params")


def make_notes(
    analysis: Analysis,
    annotate: str | Iterable[str] | None = None,
    color_by: str | None = None,
    *,
    record: Record | None = None,
    step: int | None = None,
    reduce: Literal["mean", "max", "last"] = "last",
) -> Notes:
    """Find the numbers that a picture is to show.

    Args:
        analysis: the graph and its facts.
        annotate: what stands in the boxes beside name and op: `shape`, `attrs`, a fact (`params`,
            `flops`, `memory`, `weight_memory`, `receptive_field`, `depth`) or a quantity of the
            run (`grad_norm`, `output.rms`); names, or one text with commas. The usual when None.
        color_by: what colours the boxes: a fact or a quantity of the run.
        record: the run, if its quantities are asked for.
        step: of which step; of all of them, as `reduce` says, when None.
        reduce: the `last` value, the `mean` or the `max` over the steps.

    Raises:
        OpgraphError: there is nothing of that name, or it is not a number.
        RunError: the step is not recorded, the quantity was not measured, or the run is that of
            another graph.
    """
    if record is not None:
        _check_graph(analysis, record)
    return _notes(_Chooser(analysis, record, step, reduce), names_in(annotate), color_by)


def make_film_notes(
    analysis: Analysis,
    annotate: str | Iterable[str] | None,
    color_by: str | None,
    record: Record,
    most: int,
) -> dict[int, Notes]:
    """The numbers of pictures that follow one another, for at most so many steps of a run.

    The steps are spread evenly over those at which all that is asked for was measured; the first
    and the last are among them.

    Raises:
        OpgraphError: there is nothing of a name, or it is not a number.
        RunError: there is no step at which all of it was measured, or the run is that of another
            graph.
    """
    from opgraph.render.curves import read_series

    _check_graph(analysis, record)
    read, names = cache(read_series), names_in(annotate)
    last = _Chooser(analysis, record, None, "last", read)
    _notes(last, names, color_by)
    steps = _spread(_measured(last, record), most)
    if not steps:
        raise RunError("there is no step at which all of this was measured",
                       where=str(record.path), hint="leave out a name of --annotate")  # fmt: skip
    return {
        step: _notes(_Chooser(analysis, record, step, "last", read), names, color_by)
        for step in steps
    }


def _measured(chooser: _Chooser, record: Record) -> list[int]:
    """Steps at which every quantity that was found has a value somewhere."""
    sets = [
        {int(s) for series in found for s in series.steps[~series.absent]}
        for found in chooser.series()
    ]
    every = [int(step) for step in record.steps["step"].to_pylist()]
    return [step for step in every if all(step in steps for steps in sets)]


def _spread(steps: Sequence[int], most: int) -> list[int]:
    """At most so many of some steps, evenly, first and last among them.

    >>> _spread(range(1, 11), 4), _spread([3, 5], 4)
    ([1, 4, 7, 10], [3, 5])
    """
    if len(steps) <= most:
        return list(steps)
    return [steps[round(i * (len(steps) - 1) / max(1, most - 1))] for i in range(most)]


def names_in(annotate: str | Iterable[str] | None) -> list[str] | None:
    """Names in one text with commas, or one by one; None stays None."""
    words = annotate.split(",") if isinstance(annotate, str) else annotate
    return None if words is None else [word.strip() for word in words if word.strip()]


def _notes(chooser: _Chooser, names: list[str] | None, color_by: str | None) -> Notes:
    rows = [chooser.find(word, "annotate") for word in names or () if word not in SHOWN]
    if color_by in ("shape", "attrs"):
        hint = f"there are: {', '.join(FACTS)}"
        raise OpgraphError(f"{color_by} is not a number", where="--color-by", hint=hint)
    colour = None if color_by is None else chooser.find(color_by, "color-by")
    if colour is not None and all(colour.number([name]) is None for name in chooser.analysis.facts):
        raise OpgraphError("no node has a number", where=f"--color-by {color_by}")
    return Notes(None if names is None else _show(names), tuple(dict.fromkeys(rows)), colour)


def _show(names: Sequence[str]) -> Show:
    """What stands in the boxes beside notes; nothing twice."""
    return Show("shape" in names, "params" in names, "attrs" in names, "flops" not in names)


def _check_graph(analysis: Analysis, record: Record) -> None:
    nodes = {site.node for site in record.survey.sites if site.node}
    found = len(nodes & set(analysis.facts))
    if 2 * found < len(nodes):
        raise RunError(
            f"only {found} of its {len(nodes)} nodes are in the graph {analysis.graph.name!r}",
            where=str(record.path),
            hint="leave the graph out to draw the one that was trained",
        )


class _Chooser:
    """Finds annotations by name, each once."""

    def __init__(
        self,
        analysis: Analysis,
        record: Record | None,
        step: int | None,
        reduce: Literal["mean", "max", "last"],
        read: Callable[[Record, Quantity], list[Series]] | None = None,
    ) -> None:
        self.analysis, self.record, self.step = analysis, record, step
        self.reduce: Literal["mean", "max", "last"] = reduce
        self.read = read
        self._found: dict[str, Annotation] = {}
        self._quantities: list[Quantity] = []

    def find(self, name: str, option: str) -> Annotation:
        """The annotation of a name; `option` is who asks."""
        if name not in self._found:
            self._found[name] = self._make(name, option)
        return self._found[name]

    def series(self) -> Iterator[list[Series]]:
        """The series of each quantity of the run that was found."""
        assert self.record is not None
        assert self.read is not None
        for quantity in self._quantities:
            yield self.read(self.record, quantity)

    def _make(self, name: str, option: str) -> Annotation:
        if name in FACTS:
            return fact_note(self.analysis, name)
        if self.record is None:
            raise _unknown(name, option)
        return self._recorded(self.record, name, option)

    def _recorded(self, record: Record, name: str, option: str) -> Annotation:
        from opgraph.render.curves import catalogue, find_quantity, read_series
        from opgraph.render.notes.recorded import recorded_note

        known = catalogue(record)
        of_nodes = {n: quantity for n, quantity in known.items() if quantity.kind != "steps"}
        if name not in known and not any(name == q.name for q in known.values()):
            raise _unknown(name, option, [*of_nodes, *(q.name for q in of_nodes.values())])
        quantity = find_quantity(name, known, of_nodes=True)
        if quantity.kind == "steps":
            hint = "opgraph curves draws such quantities"
            problem = f"{name} is a number of the whole step, not of a node"
            raise OpgraphError(problem, where=f"--{option}", hint=hint)
        self._quantities.append(quantity)
        read = self.read or read_series
        return recorded_note(record, quantity, name, self.step, self.reduce, read)


def _unknown(name: str, option: str, measured: Iterable[str] | None = None) -> OpgraphError:
    """There is nothing of that name, or it takes a run to know it."""
    where = f"--{option}"
    if measured is None:
        measured = _quantities()
        if name in measured:
            hint = "name a recorded training: --run RUN"
            return OpgraphError(f"{name} is measured in training", where=where, hint=hint)
    near = suggest(name, dict.fromkeys([*SHOWN, *FACTS, *measured]))
    listed = f"there are: {', '.join(dict.fromkeys([*SHOWN, *FACTS]))}"
    more = ", and of a run what `opgraph curves RUN --list` shows"
    return OpgraphError(f"nothing is called {name!r}", where=where, hint=near or listed + more)


def _quantities() -> list[str]:
    """Names of everything that trainings measure; none where runs cannot be read."""
    try:
        from opgraph.record import QUANTITIES
    except ModuleNotFoundError:
        return []
    return [word for quantity in QUANTITIES for word in (quantity.name, quantity.full_name)]
