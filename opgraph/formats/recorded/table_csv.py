"""Tables of a run as CSV.

Numbers are written so that they read back to the same bits; no value is an empty cell, NaN and
infinities are `nan`, `inf`, `-inf`; lists are JSON text in one cell, with null for NaN and Inf.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from opgraph.files import write_atomic

ROWS = 20_000


def write_csv(path: Path, table: Any, columns: Sequence[str]) -> int:
    """Write columns of an Arrow table as a CSV file in UTF-8, whole or not at all.

    Returns:
        The number of rows.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            for batch in table.select(list(columns)).to_batches(max_chunksize=ROWS):
                cells = [[cell(value) for value in part.to_pylist()] for part in batch.columns]
                writer.writerows(zip(*cells, strict=True))

    write_atomic(path, write)
    return len(table)


def cell(value: Any) -> str:
    """A value as a cell.

    >>> cell(0.1), cell(None), cell(True), cell([1.5, None]), cell(float("nan"))
    ('0.1', '', 'true', '[1.5, null]', 'nan')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return json.dumps([_known(part) for part in value])
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
