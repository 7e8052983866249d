"""Where two recorded runs begin to differ: how they were made, and their first differing number.

Owns the comparison of two runs; changes nothing and computes nothing about networks. What only one
of the two has is left out and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from opgraph.record.layout import Site
from opgraph.record.quantities import SiteKind
from opgraph.record.reader import Record
from opgraph.record.resume import TIMES, first_difference
from opgraph.record.schema import RunInfo
from opgraph.record.survey import SITE_COLUMNS

compute: Any = pyarrow.compute
CHUNK = 200
# Within a step, the order in which numbers come about; the batch is what it begins with.
ORDER: Sequence[SiteKind] = ("output", "bn", "dropout", "steps", "output_grad", "weight", "slot")
BATCH = ("epoch", "index", "batch_size", "fingerprint")
SECTIONS = ("config", "data", "versions", "machine", "threads", "flags")
SINGLE = ("seed", "dtype_policy", "statistics")
# Follows from the rest, or says where the run stands rather than what it is.
UNTOLD = frozenset({"optimizer_config", "objective", "started", "frozen", "class_names"})
LISTED = 6


@dataclass(frozen=True)
class Setting:
    """Something about how two runs were made that is not the same.

    Attributes:
        name: such as `config.learning_rate`; `graph` for the network itself.
        left: in the first run.
        right: in the second run.
    """

    name: str
    left: Any
    right: Any


@dataclass(frozen=True)
class Deviation:
    """The first number of a table that is not the same in two runs.

    Attributes:
        step: when.
        kind: the table.
        site: where: the node, with its port, weight or slot; empty for a figure of the whole step.
        quantity: the column.
        left: in the first run.
        right: in the second run.
    """

    step: int
    kind: SiteKind
    site: str
    quantity: str
    left: Any
    right: Any


@dataclass(frozen=True)
class RunDiff:
    """What two runs have in common and where they part.

    Attributes:
        settings: how differently they were made.
        deviations: the first differing number of each table, the earliest first.
        steps: first and last step that both have; None if there is none.
        numbers: how many numbers were compared, up to the first that differ.
        left_out: what was not compared, and why.
    """

    settings: tuple[Setting, ...]
    deviations: tuple[Deviation, ...]
    steps: tuple[int, int] | None
    numbers: int
    left_out: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether all numbers that both have are the same, bit for bit."""
        return self.steps is not None and not self.deviations

    @property
    def first(self) -> Deviation | None:
        """The first number that is not the same."""
        return self.deviations[0] if self.deviations else None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"equal": self.equal, **asdict(self)}


def diff_runs(left: Record, right: Record) -> RunDiff:
    """Compare two runs: how they were made, then their numbers up to the first that differ.

    Raises:
        RunError: a run is damaged.
    """
    settings = (*_graph_settings(left, right), *_settings(left.info, right.info))
    steps, left_out = _common_steps(left, right)
    if left.info.statistics != right.info.statistics:
        ways = f"{left.info.statistics} and {right.info.statistics}"
        left_out.append(f"nothing, but statistics by {ways} may differ where the trainings do not")
    found: list[Deviation] = []
    numbers = 0
    for kind in ORDER if steps else ():
        comparison = _Comparison(left, right, kind, steps[0])
        deviation, count = comparison.first(steps)
        numbers += count
        left_out += comparison.left_out
        found += [deviation] if deviation is not None else []
    found.sort(key=lambda item: (item.step, _rank(item)))
    ends = (steps[0], steps[-1]) if steps else None
    return RunDiff(settings, tuple(found), ends, numbers, tuple(left_out))


def _rank(deviation: Deviation) -> int:
    if deviation.kind == "steps" and deviation.quantity in BATCH:
        return -1
    return ORDER.index(deviation.kind)


def _common_steps(left: Record, right: Record) -> tuple[range, list[str]]:
    """The steps that both have, and what is said about the others."""
    firsts = [record.info.first_step + 1 for record in (left, right)]
    lasts = [record.last_step for record in (left, right)]
    both = range(max(firsts), min(lasts) + 1)
    if not both:
        return both, ["the runs have no step in common"]
    said: list[str] = []
    for place, (first, last) in zip(
        ("first", "second"), zip(firsts, lasts, strict=True), strict=True
    ):
        for few, many in ((first, both[0] - 1), (both[-1] + 1, last)):
            if few <= many:
                said.append(f"steps {few} to {many}, which only the {place} run has")
    return both, said


class _Comparison:
    """One table of two runs: the sites and columns that both have."""

    def __init__(self, left: Record, right: Record, kind: SiteKind, step: int) -> None:
        self.records = left, right
        self.kind: SiteKind = kind
        self.words = [name for name in SITE_COLUMNS[kind] if name != "connected"]
        self.left_out: list[str] = []
        sites = [self._sites(record) for record in self.records]
        self.sites = [site for site in sites[0] if site in sites[1]]
        for place, own, other in (("first", *sites), ("second", *reversed(sites))):
            alone = [self._named(site) for site in own if site not in other]
            self._leave_out(f"{kind} of", alone, place)
        self.columns = self._columns([r.table(kind, steps=step).schema for r in self.records])

    def first(self, steps: Sequence[int]) -> tuple[Deviation | None, int]:
        """The first number that differs, and how many were compared."""
        count = 0
        if self.kind != "steps" and not self.sites:
            return None, 0
        for start in range(0, len(steps), CHUNK):
            tables = self._tables(steps[start : start + CHUNK])
            count += tables[0].num_rows * len(self.columns)
            found = first_difference(*(table.select(self.columns) for table in tables))
            if found is not None:
                row = self._row(tables, found.row)
                return self._deviation(tables, row), count
        return None, count

    def _sites(self, record: Record) -> dict[tuple[Any, ...], None]:
        return dict.fromkeys(self._key(site) for site in record.survey.of(self.kind))

    def _key(self, site: Site) -> tuple[Any, ...]:
        return tuple(getattr(site, name) for name in self.words)

    def _columns(self, schemas: Sequence[Any]) -> list[str]:
        """Columns of both with the same meaning, measured at the same steps."""
        heads = ("step", "connected", *self.words, *TIMES)
        found = [[name for name in schema.names if name not in heads] for schema in schemas]
        for place, own, other in (("first", *found), ("second", *reversed(found))):
            self._leave_out(f"{self.kind}:", [name for name in own if name not in other], place)
        both = [name for name in found[0] if name in found[1]]
        both.sort(key=lambda name: name not in BATCH)  # what a step begins with comes first
        apart = [name for name in both if not self._same_schedule(name)]
        apart += [name for name in both if len({x.field(name).type for x in schemas}) > 1]
        if apart:
            self.left_out.append(
                f"{self.kind}: {_listed(apart)}, measured at other steps or in another way"
            )
        return [name for name in both if name not in apart]

    def _same_schedule(self, name: str) -> bool:
        if self.kind == "steps":
            return True
        full = f"{self.kind}.{name}"
        first, second = (record.survey.measure.schedules.get(full) for record in self.records)
        return first == second

    def _leave_out(self, what: str, names: Sequence[str], place: str) -> None:
        if names:
            self.left_out.append(f"{what} {_listed(names)}, which only the {place} run measures")

    def _tables(self, steps: Sequence[int]) -> list[Any]:
        """The rows of both, in the same order."""
        tables = [record.table(self.kind, steps=list(steps)) for record in self.records]
        keys = [self._keys(table) for table in tables]
        if keys[0] == keys[1] and len(self.sites) * len(steps) == len(keys[0]):
            return tables
        wanted = set(self.sites) if self.words else {()}
        places = [
            {key: row for row, key in enumerate(found) if key[1:] in wanted} for found in keys
        ]
        both = [key for key in places[0] if key in places[1]]
        return [
            table.take(pa.array([place[key] for key in both], pa.int64()))
            for table, place in zip(tables, places, strict=True)
        ]

    def _keys(self, table: Any) -> list[tuple[Any, ...]]:
        names = ["step", *self.words]
        return list(zip(*(table[name].to_pylist() for name in names), strict=True))

    def _row(self, tables: Sequence[Any], row: int) -> int:
        """Gradients flow backward: of those that differ in a step, the last node's is the first."""
        if self.kind != "output_grad":
            return row
        step = tables[0]["step"][row].as_py()
        rows = [n for n, x in enumerate(tables[0]["step"].to_pylist()) if x == step]
        for other in reversed(rows):
            if self._in_row(tables, other) is not None:
                return other
        return row

    def _in_row(self, tables: Sequence[Any], row: int) -> str | None:
        """The first column in which a row differs."""
        found = first_difference(*(table.select(self.columns).slice(row, 1) for table in tables))
        return None if found is None else found.column

    def _deviation(self, tables: Sequence[Any], row: int) -> Deviation:
        quantity = self._in_row(tables, row)
        assert quantity is not None
        key = tuple(tables[0][name][row].as_py() for name in self.words)
        left, right = (_shown(table[quantity][row].as_py()) for table in tables)
        step = tables[0]["step"][row].as_py()
        return Deviation(step, self.kind, self._named(key), quantity, left, right)

    def _named(self, key: Sequence[Any]) -> str:
        """A site in words: node, then port, weight and slot where there are any."""
        if not key:
            return ""
        parts = dict(zip(self.words, key, strict=True))
        port = f".{parts['port']}" if parts.get("port") else ""
        weight = f"/{parts['weight']}" if parts.get("weight") else ""
        slot = f" {parts['slot']}" if parts.get("slot") else ""
        return f"{parts['node']}{port}{weight}{slot}"


def _shown(value: Any) -> Any:
    """A value for people: of a list only its length is told."""
    if isinstance(value, list):
        return f"{len(value)} numbers"
    return value


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _settings(left: RunInfo, right: RunInfo) -> Iterator[Setting]:
    for name in SINGLE:
        yield from _setting(name, getattr(left, name), getattr(right, name))
    for section in SECTIONS:
        first, second = (dict(_flat(getattr(info, section))) for info in (left, right))
        for name in dict.fromkeys((*first, *second)):
            if name.split(".")[0] not in UNTOLD and not (section == "config" and name in SINGLE):
                yield from _setting(f"{section}.{name}", first.get(name), second.get(name))
    yield from _setting("measure", left.measure.get("preset"), right.measure.get("preset"))


def _setting(name: str, left: Any, right: Any) -> Iterator[Setting]:
    if left != right:
        yield Setting(name, left, right)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _graph_settings(left: Record, right: Record) -> Iterator[Setting]:
    """Whether they are of the same network; which nodes only one has."""
    if left.info.graph_fingerprint == right.info.graph_fingerprint:
        return
    nodes = [_nodes(record) for record in (left, right)]
    alone = [[name for name in own if name not in other] for own, other in (nodes, nodes[::-1])]
    if any(alone):
        yield Setting("graph", *(f"also {_listed(x)}" if x else "" for x in alone))
        return
    changed = [name for name in nodes[0] if nodes[0][name] != nodes[1][name]]
    what = f"other attributes of {_listed(changed)}" if changed else "other connections"
    yield Setting("graph", left.graph.get("name"), what)


def _nodes(record: Record) -> dict[str, Any]:
    nodes: Iterable[Mapping[str, Any]] = record.graph.get("nodes", ())
    return {str(node.get("name")): dict(node) for node in nodes}
