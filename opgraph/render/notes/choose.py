"""Which notes a picture has, by the names that the user says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from opgraph.analysis import Analysis
from opgraph.errors import OpgraphError, RunError, suggest
from opgraph.render.card import Show
from opgraph.render.notes.facts import FACTS, fact_note
from opgraph.render.notes.model import Annotation, Notes

if TYPE_CHECKING:
    from opgraph.record import Record

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
    chooser = _Chooser(analysis, record, step, reduce)
    words = annotate.split(",") if isinstance(annotate, str) else annotate
    names = None if words is None else [word.strip() for word in words if word.strip()]
    rows = [chooser.find(word, "annotate") for word in names or () if word not in SHOWN]
    if color_by in ("shape", "attrs"):
        hint = f"there are: {', '.join(FACTS)}"
        raise OpgraphError(f"{color_by} is not a number", where="--color-by", hint=hint)
    colour = None if color_by is None else chooser.find(color_by, "color-by")
    if colour is not None and all(colour.number([name]) is None for name in analysis.facts):
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
    ) -> None:
        self.analysis, self.record, self.step = analysis, record, step
        self.reduce: Literal["mean", "max", "last"] = reduce
        self._found: dict[str, Annotation] = {}

    def find(self, name: str, option: str) -> Annotation:
        """The annotation of a name; `option` is who asks."""
        if name not in self._found:
            self._found[name] = self._make(name, option)
        return self._found[name]

    def _make(self, name: str, option: str) -> Annotation:
        if name in FACTS:
            return fact_note(self.analysis, name)
        if self.record is None:
            raise _unknown(name, option)
        return self._recorded(self.record, name, option)

    def _recorded(self, record: Record, name: str, option: str) -> Annotation:
        from opgraph.render.curves import catalogue, find_quantity
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
        return recorded_note(record, quantity, name, self.step, self.reduce)


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
