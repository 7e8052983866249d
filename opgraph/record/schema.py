"""What `run.json` says about a run: everything that its numbers depend on.

Owns the schema version, the names of files in a run directory and the reading and checking of
`run.json`; knows nothing about statistics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from opgraph.errors import RunError
from opgraph.record.quantities import KINDS

SCHEMA_VERSION = 1
RUN_FILE = "run.json"
GRAPH_FILE = "graph.json"
SITES_FILE = "sites.parquet"
KEYFRAMES = "keyframes"
ENTRIES = (*KINDS, KEYFRAMES, GRAPH_FILE, SITES_FILE, RUN_FILE)

Status = Literal["running", "finished", "interrupted", "failed"]


@dataclass(frozen=True)
class RunInfo:
    """Everything that is known about a run besides its measurements.

    Attributes:
        config: what was asked for: steps, batch size, optimizer with all arguments, schedule, loss.
        command: the command that makes the run again; empty when made from Python.
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
        schema: version of the directory's form.
    """

    config: Mapping[str, Any]
    command: str
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
    schema: int = SCHEMA_VERSION

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
    if version is None:
        raise RunError("is not a run of opgraph", where=str(path / RUN_FILE))
    if version != SCHEMA_VERSION:
        raise RunError(
            f"the run is of schema version {version!r}; this opgraph reads {SCHEMA_VERSION}",
            where=str(path),
            hint="read it with the opgraph that made it, or train again",
        )
    names = {item.name for item in fields(RunInfo)} - {"schema"}
    missing = sorted(names - data.keys())
    if missing:
        raise RunError(f"damaged: {', '.join(missing)} missing", where=str(path / RUN_FILE))
    values: dict[str, Any] = {name: data[name] for name in names}
    values["batch_signature"] = tuple(data["batch_signature"])
    return RunInfo(**values)


def read_json(path: Path, absent: str) -> dict[str, Any]:
    """A JSON object from a file of a run.

    Raises:
        RunError: it is missing (`absent` says what that means) or damaged.
    """
    try:
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
