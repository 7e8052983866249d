"""Reading a run: tables, keyframes, and what it was made of.

Owns the opened run; must not know TensorFlow. A damaged part is named; the rest stays readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from opgraph.errors import RunError, suggest
from opgraph.graph import matching
from opgraph.record.keyframes import Keyframe, keyframe_steps, read_keyframe
from opgraph.record.layout import Layout
from opgraph.record.quantities import KINDS, SiteKind
from opgraph.record.schema import GRAPH_FILE, SITES_FILE, RunInfo, read_info, read_json
from opgraph.record.tables import HOST_COLUMNS, layout_of, make_tables

compute: Any = pyarrow.compute  # its functions are made at import, no checker sees them
Steps = int | range | Sequence[int] | None


class Record:
    """A run directory, opened for reading.

    Attributes:
        path: the directory.
        info: what `run.json` says.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self.info = info

    def __repr__(self) -> str:
        return f"Record({str(self.path)!r}, {self.last_step} steps, {self.info.status})"

    @property
    def last_step(self) -> int:
        """The last step whose numbers are on disk; 0 when there is none."""
        return int(self.steps["step"][-1].as_py()) if len(self.steps) else 0

    @cached_property
    def graph(self) -> dict[str, Any]:
        """The graph, as the JSON data that `formats` reads."""
        return read_json(self.path / GRAPH_FILE, "the run has lost its graph")

    @cached_property
    def layout(self) -> Layout:
        """Sites, and the order in which a step packs its numbers."""
        return layout_of(_read_part(self.path / SITES_FILE))

    @cached_property
    def steps(self) -> Any:
        """One row a step: loss, accuracy, learning rate, times."""
        return self.table("steps")

    def table(self, kind: SiteKind, *, nodes: str | None = None, steps: Steps = None) -> Any:
        """The rows of one kind of site as an Arrow table.

        Args:
            kind: `output`, `output_grad`, `weight`, `bn` or `steps`.
            nodes: glob over node names, several joined by commas; all when left out.
            steps: a step number or a range of them; all when left out.

        Raises:
            RunError: no such kind, no node matches, or a part is damaged.
        """
        if kind not in KINDS:
            hint = suggest(kind, KINDS) or f"there are: {', '.join(KINDS)}"
            raise RunError(f"no table is called {kind!r}", where=str(self.path), hint=hint)
        wanted = self._wanted(kind, nodes, steps)
        parts = [_filtered(_read_part(path), wanted) for path in self.parts(kind)]
        return pa.concat_tables(parts) if parts else self._empty(kind)

    def parts(self, kind: SiteKind) -> list[Path]:
        """The Parquet files of one kind of site, in order."""
        return sorted((self.path / kind).glob("part-*.parquet"))

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

    def _empty(self, kind: SiteKind) -> Any:
        """A table without rows, for a run that was stopped before its first part."""
        host = {name: [] for name in HOST_COLUMNS}
        return make_tables(self.layout, np.zeros((0, self.layout.size)), host, 1)[kind]

    def _wanted(self, kind: SiteKind, nodes: str | None, steps: Steps) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if steps is not None:
            wanted["step"] = pa.array([steps] if isinstance(steps, int) else steps, pa.int64())
        if nodes is not None:
            known = dict.fromkeys(site.node for site in self.layout.of(kind))
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


def _read_part(path: Path) -> Any:
    try:
        return pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise RunError("missing from the run", where=str(path)) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"damaged: {reason}", where=str(path), hint="the other parts can still be read"
        ) from None


def _filtered(table: Any, wanted: dict[str, Any]) -> Any:
    for column, values in wanted.items():
        table = table.filter(compute.is_in(table[column], value_set=values))
    return table
