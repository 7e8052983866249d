"""What a run measures, as the file `sites.parquet`: one row a site, quantities in the metadata.

Owns that file; knows nothing about rows of steps.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from opgraph.errors import RunError
from opgraph.files import write_atomic
from opgraph.record.measure import measure_from, parse_measure
from opgraph.record.parts import damaged, parse_part
from opgraph.record.schema import SITES_FILE
from opgraph.record.survey import Survey
from opgraph.record.tables import sites_of, sites_table

METADATA = b"opgraph"


def write_survey(run: Path, survey: Survey) -> None:
    """Write what a run measures."""
    facts = {
        "measure": survey.measure.as_dict(),
        "metrics": list(survey.metrics),
        "heads": list(survey.heads),
        "validated": list(survey.validated),
    }
    table = sites_table(survey).replace_schema_metadata({METADATA: json.dumps(facts)})

    def write(temporary: Path) -> None:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)

    write_atomic(run / SITES_FILE, write, RunError)


def read_survey(run: Path) -> Survey:
    """Read what a run measures; runs of schema 1 name their sites only.

    Raises:
        RunError: the file is missing or damaged.
    """
    path = run / SITES_FILE
    try:
        table = parse_part(path, path.read_bytes())
    except FileNotFoundError:
        raise RunError("missing from the run", where=str(path)) from None
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", where=str(path)) from None
    try:
        return _survey(table)
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None


def _survey(table: Any) -> Survey:
    known = table.schema.metadata or {}
    sites = sites_of(table)
    if METADATA not in known:
        return Survey(sites, parse_measure("default"))
    facts = json.loads(known[METADATA])
    measure = measure_from(facts["measure"])
    return Survey(
        sites,
        measure,
        tuple(facts["metrics"]),
        tuple(facts["heads"]),
        tuple(facts.get("validated", ())),
    )
