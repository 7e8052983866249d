"""The parts of a run's tables: Parquet files that stand on disk whole, and that can be checked.

Part N of the steps is written last: it commits part N of all tables, and says of each how many
bytes it has and what their checksum is. Owns names and checks; knows nothing of what is measured.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from opgraph.errors import RunError
from opgraph.files import write_bytes
from opgraph.record.quantities import SiteKind

STEPS: SiteKind = "steps"
MANIFEST = b"opgraph"
MOST_ROWS = 1 << 28
_PART = re.compile(r"part-(\d{5,9})\.parquet")
_OTHERS = "the other parts can still be read"


@dataclass(frozen=True)
class Manifest:
    """What the steps part says of all parts of its number.

    Attributes:
        first: first step in them.
        last: last step in them.
        tables: bytes and checksum of the file of each table; tables without rows have none.
    """

    first: int
    last: int
    tables: Mapping[str, Mapping[str, Any]]


def part_path(run: Path, kind: str, number: int) -> Path:
    """Where a part stands."""
    return run / kind / f"part-{number:05d}.parquet"


def part_numbers(run: Path, kind: str) -> list[int]:
    """Numbers of the parts of a table that stand on disk, committed or not."""
    folder = run / kind
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(found[1]) for name in names if (found := _PART.fullmatch(name)))


def is_part(name: str) -> bool:
    """Whether a file name is that of a part."""
    return _PART.fullmatch(name) is not None


def write_part(run: Path, number: int, tables: Mapping[SiteKind, Any]) -> None:
    """Write a part of each table that has rows, that of the steps last."""
    listed: dict[str, Mapping[str, Any]] = {}
    for kind, table in tables.items():
        if kind != STEPS and table.num_rows:
            content = _parquet(table)
            write_bytes(part_path(run, kind, number), content, RunError)
            listed[kind] = {"bytes": len(content), "sha256": _digest(content)}
    steps = tables[STEPS]
    ends = {"first": steps["step"][0].as_py(), "last": steps["step"][-1].as_py()}
    manifest = json.dumps({**ends, "tables": listed})
    marked = steps.replace_schema_metadata({MANIFEST: manifest})
    write_bytes(part_path(run, STEPS, number), _parquet(marked), RunError)


def read_part(path: Path, entry: Mapping[str, Any] | None = None) -> Any:
    """Read a Parquet file of a run.

    Args:
        path: the file.
        entry: its size and checksum, where they are known.

    Raises:
        RunError: it is missing or damaged.
    """
    return parse_part(path, _content(path, entry)).replace_schema_metadata(None)


def read_manifest(run: Path, number: int) -> Manifest | None:
    """What a steps part says of its number; None in runs of schema 1, which do not say.

    Raises:
        RunError: the part is missing or damaged.
    """
    path = part_path(run, STEPS, number)
    try:
        known = pq.read_schema(path).metadata or {}
        if MANIFEST not in known:
            return None
        data = json.loads(known[MANIFEST])
        tables = {str(kind): dict(entry) for kind, entry in data["tables"].items()}
        return Manifest(int(data["first"]), int(data["last"]), tables)
    except FileNotFoundError:
        raise missing(path) from None
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path, error) from None


def parse_part(path: Path, content: bytes) -> Any:
    """The table that the bytes of a Parquet file hold, checksums of its pages verified."""
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        if file.metadata.num_rows > MOST_ROWS:
            raise damaged(path, f"claims {file.metadata.num_rows:,} rows")
        table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from None
    return table


def missing(path: Path) -> RunError:
    """A part that ought to be there."""
    return RunError("missing from the run", where=str(path), hint=_OTHERS)


def damaged(path: Path, reason: object) -> RunError:
    """A part that is not what was written."""
    first = (str(reason).splitlines() or [type(reason).__name__])[0]
    return RunError(f"damaged: {first}", where=str(path), hint=_OTHERS)


def _content(path: Path, entry: Mapping[str, Any] | None) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if entry is None:
        return content
    if len(content) != entry.get("bytes"):
        raise damaged(path, f"{len(content)} bytes instead of {entry.get('bytes')}")
    if _digest(content) != entry.get("sha256"):
        raise damaged(path, "its bytes are not those that were written (checksum)")
    return content


def _parquet(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
