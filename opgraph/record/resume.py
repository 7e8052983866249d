"""Taking up a run again: from where, what is removed first, and whether the rows come out the same.

Owns the plan of a resumption and the comparison of recomputed rows with those on disk; changes
nothing but what `clean` is told to remove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from opgraph.errors import RunError
from opgraph.files import is_temporary
from opgraph.record.damage import graph_problem
from opgraph.record.keyframes import Keyframe, keyframe_path, keyframe_steps, last_keyframe
from opgraph.record.parts import is_part, part_numbers, part_path, read_part
from opgraph.record.quantities import KINDS, Array, SiteKind
from opgraph.record.reader import Record
from opgraph.record.schema import FOLDERS, KEYFRAMES, SCHEMA_VERSION
from opgraph.record.survey import Survey
from opgraph.record.tables import make_tables

compute: Any = pyarrow.compute
TIMES = frozenset({"step_time", "input_time", "time"})
_SITE_WORDS = ("node", "port", "weight", "slot")
_SAFETENSORS_TEMPORARY = ".tmp"


@dataclass(frozen=True, eq=False)
class Resumption:
    """From where a run goes on.

    Attributes:
        start: the state to begin with.
        last_step: last step whose rows are on disk; those up to it are compared.
        next_part: number of the first part that is written.
        notices: what was skipped or is made anew, for the user to read.
        stale: files that are removed before the run goes on.
    """

    start: Keyframe
    last_step: int
    next_part: int
    notices: tuple[str, ...]
    stale: tuple[Path, ...]


class Difference(NamedTuple):
    """Where two tables first differ: the row of the first one, and the column."""

    row: int
    column: str


def plan_resumption(record: Record, survey: Survey | None, *, extend: bool) -> Resumption:
    """Find out from where a run goes on. Nothing is changed.

    Args:
        record: the run.
        survey: what the training is going to measure; must be what the run measured.
        extend: whether a finished run may go on.

    Raises:
        RunError: the run is finished, of an older schema, altered, or lacks a keyframe.
    """
    _check_resumable(record, survey, extend)
    good, last_step, problem = _good_parts(record)
    notices = [f"{problem.headline}; the rows from step {last_step + 1} on are made anew"] \
        if problem else []  # fmt: skip
    start, skipped = last_keyframe(record.path, max(last_step, record.info.first_step))
    if start is None:
        raise RunError(
            f"has no keyframe that can be read at or before step {last_step}",
            where=str(record.path),
            hint="; ".join(skipped) or "train again (--overwrite)",
        )
    later = [keyframe_path(record.path, s) for s in keyframe_steps(record.path) if s > start.step]
    stale = (*_leftovers(record.path), *_parts_from(record.path, good), *later)
    return Resumption(start, last_step, good, (*notices, *skipped), stale)


def clean(resumption: Resumption) -> None:
    """Remove what a resumption makes anew, and what a killed process left behind.

    The steps part of a number goes first: without it the others of that number do not count.
    """
    for path in sorted(resumption.stale, key=lambda path: path.parent.name != "steps"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot be removed: {error.strerror}", where=str(path)) from None


def compare_rows(record: Record, tables: Mapping[SiteKind, Any]) -> None:
    """See whether recomputed rows are those on disk, bit for bit, times aside.

    Raises:
        RunError: they differ; it names the first step at which they do, table, node and column.
    """
    found: list[tuple[int, RunError]] = []
    steps = tables["steps"]["step"].to_pylist()
    for kind, new in tables.items():
        old = record.table(kind, steps=steps)
        if old.num_rows != new.num_rows or set(old.column_names) != set(new.column_names):
            raise _other_rows(record, kind, old, new)
        at = first_difference(old, new)
        if at is not None:
            found.append((old["step"][at.row].as_py(), _difference(record, kind, old, new, at)))
    if found:
        raise min(found, key=lambda pair: pair[0])[1]


def first_difference(old: Any, new: Any) -> Difference | None:
    """Where two tables of the same size differ first, NaN being equal to NaN; times are left out.

    >>> first_difference(pa.table({"a": [1.0, 0.0]}), pa.table({"a": [1.0, -0.0]}))
    Difference(row=1, column='a')
    """
    found: list[Difference] = []
    for column in old.column_names:
        if column not in TIMES:
            rows = _unequal(old[column].combine_chunks(), new[column].combine_chunks())
            if rows.any():
                found.append(Difference(int(rows.argmax()), column))
    return min(found, key=lambda difference: difference.row, default=None)


def leftovers(run: Path) -> Iterator[Path]:
    """Files of a run that a killed process left half written; links are not followed."""
    for folder in (run, *(run / name for name in FOLDERS)):
        if (folder.is_symlink() and folder != run) or not folder.is_dir():
            continue
        for path in folder.iterdir():
            ours = folder.name == KEYFRAMES and path.name.startswith(_SAFETENSORS_TEMPORARY)
            if is_temporary(path.name) or ours:
                yield path


def _leftovers(run: Path) -> tuple[Path, ...]:
    return tuple(leftovers(run))


def _check_resumable(record: Record, survey: Survey | None, extend: bool) -> None:
    where = str(record.path)
    if record.info.schema != SCHEMA_VERSION:
        raise RunError(
            f"the run is of schema version {record.info.schema}; it can be read, not continued",
            where=where,
            hint="train again",
        )
    if record.info.status == "finished" and not extend:
        raise RunError("the run is finished", where=where, hint="ask for more steps to go on")
    problem = graph_problem(record)
    if problem is not None:
        raise problem
    if survey is not None and survey != record.survey:
        raise RunError(
            "the training measures other sites or quantities than the run did",
            where=where,
            hint="sites.parquet and run.json (measure) say what the run measured",
        )
    for kind, empty in make_tables(record.survey, []).items():
        _check_columns(record, kind, empty.schema)


def _check_columns(record: Record, kind: SiteKind, schema: Any) -> None:
    """Refuse to append rows of other columns, as another version of opgraph may make them."""
    known = _columns(record.path, kind) or schema
    names = sorted(set(known.names) ^ set(schema.names))
    names += [n for n in known.names if n not in names and known.field(n) != schema.field(n)]
    if names:
        made = record.info.versions.get("opgraph", "?")
        raise RunError(
            f"table {kind!r} has other columns than this opgraph writes: {', '.join(names)}",
            where=str(record.path),
            hint=f"the run was made by opgraph {made}; go on with that one",
        )


def _columns(run: Path, kind: SiteKind) -> Any:
    """The columns of the first part of a table that can be read; None if there is none."""
    for number in part_numbers(run, kind):
        with suppress(RunError):
            return read_part(part_path(run, kind, number)).schema
    return None


def _good_parts(record: Record) -> tuple[int, int, RunError | None]:
    """How many parts are whole from the first on, the last step in them, and what stopped it."""
    last_step = 0
    numbers = range(max(part_numbers(record.path, "steps"), default=-1) + 1)
    for number in numbers:
        try:
            manifest = record.manifest(number)
            steps = read_part(part_path(record.path, "steps", number))["step"]
            for kind, entry in (manifest.tables if manifest else {}).items():
                read_part(part_path(record.path, kind, number), entry)
        except RunError as error:
            return number, last_step, error
        last_step = int(steps[-1].as_py())
    return len(numbers), last_step, None


def _parts_from(run: Path, number: int) -> Iterator[Path]:
    """Parts from a number on, of all tables."""
    for kind in KINDS:
        folder = run / kind
        if folder.is_dir() and not folder.is_symlink():
            names = sorted(path.name for path in folder.iterdir() if is_part(path.name))
            limit = part_path(run, kind, number).name
            yield from (folder / name for name in names if name >= limit)


def _unequal(old: Any, new: Any) -> Array:
    """Which rows of two columns differ."""
    if old.type != new.type:
        return np.ones(len(old), bool)
    null = _mask(compute.is_null(old))
    differ = null != _mask(compute.is_null(new))
    if pa.types.is_list(old.type):
        return differ | _unequal_lists(old, new)
    if pa.types.is_floating(old.type):
        return differ | (~null & _unequal_floats(old, new))
    return differ | _mask(compute.fill_null(compute.not_equal(old, new), False))


def _unequal_floats(old: Any, new: Any) -> Array:
    first, second = (_floats(column) for column in (old, new))
    bits = np.dtype(f"u{first.dtype.itemsize}")
    return (first.view(bits) != second.view(bits)) & ~(np.isnan(first) & np.isnan(second))


def _unequal_lists(old: Any, new: Any) -> Array:
    sizes = [np.asarray(compute.fill_null(compute.list_value_length(c), 0)) for c in (old, new)]
    differ = sizes[0] != sizes[1]
    if differ.any():
        return differ
    values = _unequal(old.flatten(), new.flatten())
    rows = np.repeat(np.arange(len(old)), sizes[0])
    differ[rows[values]] = True
    return differ


def _floats(column: Any) -> Array:
    return np.ascontiguousarray(compute.fill_null(column, 0.0).to_numpy(zero_copy_only=False))


def _mask(column: Any) -> Array:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _difference(record: Record, kind: SiteKind, old: Any, new: Any, at: Difference) -> RunError:
    row = {name: old[name][at.row].as_py() for name in ("step", *_SITE_WORDS) if name in
           old.column_names}  # fmt: skip
    site = ", ".join(f"{name} {row[name]!r}" for name in _SITE_WORDS if name in row)
    names = ", ".join(filter(None, [f"step {row['step']}", f"table {kind!r}", site]))
    values = [table[at.column][at.row].as_py() for table in (new, old)]
    return RunError(
        f"column {at.column!r} is {values[0]!r} when computed again, but {values[1]!r} in the run",
        where=f"{record.path}, {names}",
        node=row.get("node"),
        hint="the same bits need the same machine, threads and versions; run.json names them",
    )


def _other_rows(record: Record, kind: SiteKind, old: Any, new: Any) -> RunError:
    names = sorted(set(old.column_names) ^ set(new.column_names))
    what = (
        f"columns {', '.join(names)} are not in both"
        if names
        else f"{new.num_rows} rows when computed again, but {old.num_rows} in the run"
    )
    ends = [str(new["step"][index].as_py()) for index in (0, -1)] if new.num_rows else ["?"]
    return RunError(what, where=f"{record.path}, table {kind!r}, steps {' to '.join(ends)}")
