"""Reading a run: tables, keyframes, and what it was made of.

Owns the opened run; must not know TensorFlow. A damaged part is named; the rest stays readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute

from opgraph.errors import RunError, suggest
from opgraph.graph import matching
from opgraph.record.keyframes import Keyframe, keyframe_steps, last_keyframe, read_keyframe
from opgraph.record.parts import (
    Manifest,
    damaged,
    missing,
    part_numbers,
    part_path,
    read_manifest,
    read_part,
)
from opgraph.record.quantities import KINDS, SiteKind
from opgraph.record.schema import GRAPH_FILE, RunInfo, read_info, read_json
from opgraph.record.sites import read_survey
from opgraph.record.survey import Survey
from opgraph.record.tables import make_tables

compute: Any = pyarrow.compute  # its functions are made at import, no checker sees them
Steps = int | range | Sequence[int] | None


@dataclass(frozen=True)
class PartTable:
    """What a part of a table holds: its rows, or why they cannot be read."""

    path: Path
    table: Any = None
    problem: RunError | None = None


class Record:
    """A run directory, opened for reading.

    Attributes:
        path: the directory.
        info: what `run.json` says.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self.info = info
        self._manifests: dict[int, Manifest | None] = {}

    def __repr__(self) -> str:
        return f"Record({str(self.path)!r}, {self.last_step} steps, {self.info.status})"

    @property
    def last_step(self) -> int:
        """The last step whose numbers are on disk and can be read; 0 when there is none."""
        for number in reversed(part_numbers(self.path, "steps")):
            part = self._part("steps", number)
            if part is not None and part.table is not None:
                return int(part.table["step"][-1].as_py())
        return 0

    def check_step(self, step: int) -> None:
        """Refuse a number that no step has.

        Raises:
            RunError: it is not among those whose numbers are on disk.
        """
        first, last = self.info.first_step + 1, self.last_step
        if not first <= step <= last:
            what = (
                f"expected a step from {first} to {last}" if last else "no step of it can be read"
            )
            raise RunError(f"{what}, received {step}", where=str(self.path))

    @cached_property
    def graph(self) -> dict[str, Any]:
        """The graph, as the JSON data that `formats` reads."""
        return read_json(self.path / GRAPH_FILE, "the run has lost its graph")

    @cached_property
    def survey(self) -> Survey:
        """What is measured where and when."""
        return read_survey(self.path)

    @cached_property
    def steps(self) -> Any:
        """One row a step: loss, accuracy, learning rate, times."""
        return self.table("steps")

    def table(
        self,
        kind: SiteKind,
        *,
        nodes: str | None = None,
        steps: Steps = None,
        skip_damaged: bool = False,
    ) -> Any:
        """The rows of one kind of site as an Arrow table.

        Args:
            kind: `output`, `output_grad`, `weight`, `bn`, `steps` and so on.
            nodes: glob over node names, several joined by commas; all when left out.
            steps: a step number or a range of them; all when left out.
            skip_damaged: leave out parts that cannot be read; `damage` tells which.

        Raises:
            RunError: no such kind, no node matches, or a part is damaged.
        """
        if kind not in KINDS:
            hint = suggest(kind, KINDS) or f"there are: {', '.join(KINDS)}"
            raise RunError(f"no table is called {kind!r}", where=str(self.path), hint=hint)
        wanted = self._wanted(kind, nodes, steps)
        found = self.read_parts(kind, wanted.get("step"))
        for part in found:
            if part.problem is not None and not skip_damaged:
                raise part.problem
        tables = [_filtered(part.table, wanted) for part in found if part.table is not None]
        return pa.concat_tables(tables) if tables else self._empty(kind)

    def parts(self, kind: SiteKind) -> list[Path]:
        """The Parquet files of one kind of site that are committed, in order."""
        paths = (part_path(self.path, kind, n) for n in self._committed())
        return [path for path in paths if path.is_file()]

    def read_parts(self, kind: SiteKind, steps: Any = None) -> list[PartTable]:
        """All parts of a table one by one, damaged ones with what is wrong.

        Args:
            kind: the table.
            steps: leave out parts that have none of these steps.
        """
        numbers = self._committed()
        found = [part for n in numbers if (part := self._part(kind, n, steps)) is not None]
        usual = _usual([part.table.schema for part in found if part.table is not None])
        return [_of_schema(part, usual) for part in found]

    @property
    def keyframe_steps(self) -> list[int]:
        """The steps whose full state is stored; step 0 is the state before the first update."""
        return keyframe_steps(self.path)

    def keyframe(self, step: int | None = None) -> Keyframe:
        """The state after a step; the last one stored when left out.

        Raises:
            RunError: there is none of that step; the message lists those that have one.
        """
        known = self.keyframe_steps
        if step is None and not known:
            raise RunError("the run has no keyframe", where=str(self.path))
        return read_keyframe(self.path, known[-1] if step is None else step)

    def keyframe_at_most(self, step: int) -> tuple[Keyframe | None, list[str]]:
        """The last readable state at or before a step, and what is wrong with nearer ones."""
        return last_keyframe(self.path, step)

    def manifest(self, number: int) -> Manifest | None:
        """What the steps part of a number says of its siblings; None in runs of schema 1.

        Raises:
            RunError: that part is missing or damaged.
        """
        if number not in self._manifests:
            self._manifests[number] = read_manifest(self.path, number)
        return self._manifests[number]

    def _committed(self) -> range:
        """Numbers of the parts that the run has: up to the last one of the steps."""
        return range(max(part_numbers(self.path, "steps"), default=-1) + 1)

    def _part(self, kind: SiteKind, number: int, steps: Any = None) -> PartTable | None:
        """One part; None if it has no rows, or none of the wanted steps."""
        path = part_path(self.path, kind, number)
        try:
            manifest = self.manifest(number)
        except RunError as error:
            if kind == "steps":
                return PartTable(path, problem=error)
            manifest = None
        if manifest is None:
            return self._unlisted(kind, path)
        if kind != "steps" and kind not in manifest.tables:
            return None
        if steps is not None and not _overlap(manifest, steps):
            return None
        return _read(path, manifest.tables.get(kind))

    def _unlisted(self, kind: SiteKind, path: Path) -> PartTable | None:
        """A part of which no manifest tells; it is missing where others of its table are not."""
        if path.is_file():
            return _read(path, None)
        known = part_numbers(self.path, kind)
        return PartTable(path, problem=missing(path)) if known else None

    def _empty(self, kind: SiteKind) -> Any:
        """A table without rows, for a run that was stopped before its first part."""
        return make_tables(self.survey, [])[kind]

    def _wanted(self, kind: SiteKind, nodes: str | None, steps: Steps) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if steps is not None:
            wanted["step"] = pa.array([steps] if isinstance(steps, int) else steps, pa.int64())
        if nodes is not None:
            known = dict.fromkeys(site.node for site in self.survey.of(kind))
            names = matching(nodes, known)
            if not names:
                where = f"{self.path}, table {kind!r}"
                raise RunError(
                    f"no node matches {nodes!r}", where=where, hint=suggest(nodes, known)
                )
            wanted["node"] = pa.array(names, pa.string())
        return wanted


def open_run(path: str | Path) -> Record:
    """Open a run directory for reading.

    Raises:
        RunError: it holds no run, a damaged one, or one of another version of opgraph.
    """
    directory = Path(path)
    return Record(directory, read_info(directory))


def _read(path: Path, entry: Any) -> PartTable:
    try:
        return PartTable(path, read_part(path, entry))
    except RunError as error:
        return PartTable(path, problem=error)


def _usual(schemas: Sequence[Any]) -> Any:
    """The columns that most parts have; None if there is no part."""
    different: list[Any] = []
    for schema in schemas:
        if schema not in different:
            different.append(schema)
    return max(different, key=schemas.count, default=None)


def _of_schema(part: PartTable, usual: Any) -> PartTable:
    if part.table is None or part.table.schema == usual:
        return part
    names = sorted(set(part.table.column_names) ^ set(usual.names)) or ["a type"]
    reason = f"its columns are not those of the other parts: {', '.join(names)}"
    return PartTable(part.path, problem=damaged(part.path, reason))


def _overlap(manifest: Manifest, steps: Any) -> bool:
    lowest, highest = compute.min_max(steps).values() if len(steps) else (None, None)
    if lowest is None or highest is None or not lowest.is_valid:
        return False
    return lowest.as_py() <= manifest.last and highest.as_py() >= manifest.first


def _filtered(table: Any, wanted: dict[str, Any]) -> Any:
    for column, values in wanted.items():
        table = table.filter(compute.is_in(table[column], value_set=values))
    return table
