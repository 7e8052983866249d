"""What `run.json` says about a run: everything that its numbers depend on.

Owns the schema version, the names of files in a run directory and the reading and checking of
`run.json`; knows nothing about statistics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from opgraph.errors import RunError
from opgraph.record.quantities import KINDS

SCHEMA_VERSION = 2
MOST_JSON_BYTES = 256 << 20
RUN_FILE = "run.json"
GRAPH_FILE = "graph.json"
SITES_FILE = "sites.parquet"
KEYFRAMES = "keyframes"
BEST = "best"
# Folders that hold files of a run; a link among them is not followed by what removes files.
FOLDERS = (*KINDS, KEYFRAMES, f"{BEST}/{KEYFRAMES}")
# What a run begins with; a process that is killed here leaves these and no run.json.
BEGINNING = (GRAPH_FILE, SITES_FILE)
ENTRIES = (*KINDS, KEYFRAMES, BEST, GRAPH_FILE, SITES_FILE, RUN_FILE)

Status = Literal["running", "finished", "interrupted", "failed"]
# What runs of schema 1 do not say: they measured a fixed set, with TensorFlow's own reductions.
# What a run need not say.
OPTIONAL = ("parent",)
ADDED_IN_2 = ("measure", "statistics", "replayable", "replayable_reason", "resumptions")
MAPPINGS = (
    "config",
    "data",
    "versions",
    "machine",
    "threads",
    "flags",
    "outcome",
    "measure",
    "parent",
)


@dataclass(frozen=True)
class RunInfo:
    """Everything that is known about a run besides its measurements.

    Attributes:
        config: what was asked for: steps, batch size, optimizer with all arguments, schedule, loss.
        command: the words of the command that makes the run again; empty when made from Python.
        graph_fingerprint: hash of `graph.json`.
        data: where the data come from, class names, what was done to the numbers, fingerprint.
        seed: of weights, dropout and data order.
        batch_signature: shapes and types of a batch, for each size that occurs.
        dtype_policy: Keras's policy.
        versions: of all software the numbers depend on.
        machine: system, processor, devices.
        threads: as set; 0 means that TensorFlow chooses.
        flags: switches that change bits.
        status: `running` until the end is written; a killed run stays so.
        outcome: steps done, test accuracy, what went wrong; filled in at the end.
        created: when, in UTC.
        measure: preset, quantities with their schedules, globs of sites; empty for the fixed set of
            schema 1.
        statistics: what computed them: `kernel` (opgraph's own) or `tensorflow`.
        replayable: whether any step can be computed again from a keyframe.
        replayable_reason: why not.
        resumptions: when the run was taken up again: `when`, `from_step`, `last_step`, `versions`.
        parent: of a run that branches off another: its `path` and `fingerprint`, the `step` whose
            state this one begins with, and the `changes`.
        schema: version of the directory's form.
    """

    config: Mapping[str, Any]
    command: str | Sequence[str]
    graph_fingerprint: str
    data: Mapping[str, Any]
    seed: int
    batch_signature: tuple[Any, ...]
    dtype_policy: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    threads: Mapping[str, int]
    flags: Mapping[str, Any]
    status: Status = "running"
    outcome: Mapping[str, Any] = field(default_factory=dict[str, Any])
    created: str = ""
    measure: Mapping[str, Any] = field(default_factory=dict[str, Any])
    statistics: str = "tensorflow"
    replayable: bool = True
    replayable_reason: str = ""
    resumptions: tuple[Mapping[str, Any], ...] = ()
    parent: Mapping[str, Any] = field(default_factory=dict[str, Any])
    schema: int = SCHEMA_VERSION

    @property
    def first_step(self) -> int:
        """The step whose state the run begins with: 0 but for one that branches off another."""
        return int(self.parent.get("step", 0))

    @property
    def fingerprint(self) -> str:
        """A hash that tells the run from others, the same from its beginning to its end."""
        data = self.data.get("fingerprint")
        facts = {"created": self.created, "graph": self.graph_fingerprint, "seed": self.seed}
        return fingerprint_of({**facts, "data": data, "parent": self.parent})

    def ended(self, status: Status, **outcome: Any) -> RunInfo:
        """The same run, ended."""
        return replace(self, status=status, outcome={**self.outcome, **outcome})

    def as_dict(self) -> dict[str, Any]:
        """What stands in `run.json`."""
        data = asdict(self)
        return {"opgraph_run": data.pop("schema"), **data}


def read_info(path: Path) -> RunInfo:
    """What `run.json` of a run directory says.

    Raises:
        RunError: it is missing, damaged, or of another version of opgraph.
    """
    data = read_json(path / RUN_FILE, "no run is recorded here")
    version = data.pop("opgraph_run", None)
    where = str(path / RUN_FILE)
    if version is None:
        raise RunError("is not a run of opgraph", where=where)
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise RunError(
            f"the run is of schema version {version!r}; this opgraph reads 1 to {SCHEMA_VERSION}",
            where=str(path),
            hint="read it with the opgraph that made it, or a newer one",
        )
    values = _known_values(data, version, where)
    values["batch_signature"] = tuple(values["batch_signature"])
    values["resumptions"] = tuple(values["resumptions"])
    return RunInfo(**values, schema=version)


def _known_values(data: Mapping[str, Any], version: int, where: str) -> dict[str, Any]:
    """The fields of a run; those that its version did not have take their defaults."""
    values: dict[str, Any] = {}
    missing: list[str] = []
    for item in fields(RunInfo):
        if item.name in data:
            values[item.name] = data[item.name]
        elif item.name in OPTIONAL or (version == 1 and item.name in ADDED_IN_2):
            made = item.default_factory
            values[item.name] = item.default if made is MISSING else made()
        elif item.name != "schema":
            missing.append(item.name)
    if missing:
        raise RunError(f"damaged: {', '.join(sorted(missing))} missing", where=where)
    for name in MAPPINGS:
        if not isinstance(values[name], dict):
            raise RunError(f"damaged: {name} is no JSON object", where=where)
    if values["status"] not in get_args(Status):
        raise RunError(f"damaged: {values['status']!r} is no status", where=where)
    values.pop("schema", None)
    return values


def read_json(path: Path, absent: str) -> dict[str, Any]:
    """A JSON object from a file of a run.

    Raises:
        RunError: it is missing (`absent` says what that means) or damaged.
    """
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise ValueError(f"larger than {MOST_JSON_BYTES >> 20} MiB")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        hint = "opgraph trace FILE --data digits -o DIRECTORY records one"
        raise RunError(absent, where=str(path), hint=hint) from None
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"damaged: {error}", where=str(path)) from None
    if not isinstance(data, dict):
        raise RunError("damaged: not a JSON object", where=str(path))
    return data


def dump_json(data: Mapping[str, Any]) -> str:
    """JSON as it stands in a run: indented, readable, the same bytes for the same data."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=_plain) + "\n"


def fingerprint_of(graph: Mapping[str, Any]) -> str:
    """A hash of a graph given as JSON data.

    >>> fingerprint_of({"nodes": []})
    'sha256:256c953c306fee0a'
    """
    text = json.dumps(graph, sort_keys=True, ensure_ascii=False, default=_plain)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:
    """Stands in for what JSON has no word for: NumPy numbers, tuples inside, sets."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
