"""Writing a run: rows are gathered and written in parts, each whole or not at all.

Owns the directory while a training runs. A killed process loses at most the rows since the last
part.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from opgraph.errors import RunError
from opgraph.files import write_atomic, write_text
from opgraph.record.keyframes import Keyframe, write_keyframe
from opgraph.record.layout import Layout
from opgraph.record.quantities import KINDS, Array
from opgraph.record.schema import (
    ENTRIES,
    GRAPH_FILE,
    RUN_FILE,
    SITES_FILE,
    RunInfo,
    dump_json,
    read_info,
)
from opgraph.record.tables import make_tables, sites_table

PART_STEPS = 100
VECTORS_EVERY = 10
REPLACED = ".replaced"


class RunWriter:
    """Writes one run; use as a context manager, or call `flush` and `end`.

    Attributes:
        path: the run directory.
        info: what `run.json` says by now.
    """

    def __init__(
        self,
        path: Path,
        info: RunInfo,
        graph: Mapping[str, Any],
        layout: Layout,
        *,
        overwrite: bool = False,
        part_steps: int = PART_STEPS,
        vectors_every: int = VECTORS_EVERY,
    ) -> None:
        self.path = path
        self.info = info
        self._layout = layout
        self._part_steps = part_steps
        self._vectors_every = vectors_every
        self._packed: list[Array] = []
        self._host: list[Mapping[str, Any]] = []
        self._parts = 0
        check_free(path, overwrite=overwrite)
        _make_free(path)
        write_text(path / GRAPH_FILE, dump_json(graph), RunError)
        _write_table(path / SITES_FILE, sites_table(layout))
        write_text(path / RUN_FILE, dump_json(info.as_dict()), RunError)

    def add(self, packed: Array, host: Mapping[str, Any]) -> None:
        """Take the numbers of one step.

        Args:
            packed: the step's vector, in the order of the layout.
            host: `step`, `epoch`, `index`, `batch_size`, `step_time`, `input_time`, `fingerprint`,
                `time`.
        """
        self._packed.append(packed)
        self._host.append(host)
        if len(self._packed) >= self._part_steps:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered as one part of each table, that of the steps last."""
        if not self._packed:
            return
        host = {name: [row[name] for row in self._host] for name in self._host[0]}
        tables = make_tables(self._layout, np.stack(self._packed), host, self._vectors_every)
        for kind in KINDS:
            directory = self.path / kind
            directory.mkdir(exist_ok=True)
            _write_table(directory / f"part-{self._parts:05d}.parquet", tables[kind])
        self._parts += 1
        self._packed, self._host = [], []

    def keyframe(self, keyframe: Keyframe) -> None:
        """Write a keyframe, and before it all rows that lead up to it."""
        self.flush()
        write_keyframe(self.path, keyframe)

    def end(self, info: RunInfo) -> None:
        """Write the last part, and how it ended."""
        self.flush()
        self.info = info
        write_text(self.path / RUN_FILE, dump_json(info.as_dict()), RunError)


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a directory that cannot take a run; nothing is changed yet.

    Raises:
        RunError: it holds a run and `overwrite` is not set, or something that is in the way.
    """
    if path.exists() and not path.is_dir():
        raise RunError("is a file, not a directory for a run", where=str(path))
    if (path / RUN_FILE).exists():
        if not overwrite:
            raise RunError(
                "holds a run already",
                where=str(path),
                hint="choose another directory, or allow it to be replaced (--overwrite)",
            )
        read_info(path)
        return
    in_the_way = [name for name in ENTRIES if (path / name).exists()]
    if in_the_way:
        raise RunError(
            f"holds {', '.join(map(repr, in_the_way))} but no run.json, so it is no run of opgraph",
            where=str(path),
            hint="choose another directory, or remove these",
        )


def _make_free(path: Path) -> None:
    """Make the directory, or clear it of the run it holds. Files of others are left alone."""
    if (path / RUN_FILE).exists():
        _clear(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot be made: {error.strerror}", where=str(path)) from None


def _clear(path: Path) -> None:
    """Remove a run, and nothing else; until the last moment the directory counts as a run."""
    trash = path / REPLACED
    trash.mkdir(exist_ok=True)
    for name in ENTRIES:
        if (path / name).exists():
            target = trash / name
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            (path / name).rename(target)
    shutil.rmtree(trash)


def _write_table(path: Path, table: Any) -> None:
    def write(temporary: Path) -> None:
        pq.write_table(table, temporary, compression="zstd")

    write_atomic(path, write, RunError)
