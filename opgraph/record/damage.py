"""What is wrong with a run: files that are missing or not what was written.

Owns the inspection of a whole run; repairs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opgraph.errors import RunError
from opgraph.record.keyframes import keyframe_path, keyframe_steps, read_keyframe
from opgraph.record.quantities import KINDS
from opgraph.record.reader import Record
from opgraph.record.schema import BEST, GRAPH_FILE, fingerprint_of


@dataclass(frozen=True)
class Damage:
    """A file of a run that is not what was written."""

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def find_damage(record: Record) -> list[Damage]:
    """Read everything in a run and list what cannot be read or was altered; empty if all is well.

    Raises:
        RunError: the run is gone by now.
    """
    return [*_description(record), *_parts(record), *_keyframes(record)]


def graph_problem(record: Record) -> RunError | None:
    """What is wrong with the graph of a run, if anything."""
    path = record.path / GRAPH_FILE
    try:
        found = fingerprint_of(record.graph)
    except RunError as error:
        return error
    if found == record.info.graph_fingerprint:
        return None
    return RunError(
        f"altered: its fingerprint is {found}, run.json says {record.info.graph_fingerprint}",
        where=str(path),
    )


def _description(record: Record) -> list[Damage]:
    found = [graph_problem(record)]
    try:
        _ = record.survey
    except RunError as error:
        found.append(error)
    return [_damage(error) for error in found if error is not None]


def _parts(record: Record) -> list[Damage]:
    problems = [part.problem for kind in KINDS for part in record.read_parts(kind)]
    found = {str(error.where): _damage(error) for error in problems if error is not None}
    return [*found.values(), *_disorder(record, set(found))]


def _disorder(record: Record, known: set[str]) -> list[Damage]:
    """Parts whose steps are not those that they ought to hold."""
    found: list[Damage] = []
    last = 0
    for part in record.read_parts("steps"):
        if part.table is None or str(part.path) in known:
            continue
        steps = part.table["step"].to_pylist()
        if steps != sorted(set(steps)) or not steps or steps[0] <= last:
            found.append(Damage(part.path, "damaged: its steps are not in order"))
        else:
            last = steps[-1]
        manifest = record.manifest(int(part.path.stem.removeprefix("part-")))
        if manifest and steps and (manifest.first, manifest.last) != (steps[0], steps[-1]):
            found.append(Damage(part.path, "damaged: its steps are not those that it names"))
    return found


def _keyframes(record: Record) -> list[Damage]:
    found: list[Damage] = []
    for folder in (record.path, record.path / BEST):
        for step in keyframe_steps(folder):
            try:
                read_keyframe(folder, step)
            except RunError as error:
                found.append(Damage(keyframe_path(folder, step), error.problem))
    return found


def _damage(error: RunError) -> Damage:
    return Damage(Path(str(error.where)), error.problem)
