"""A small run made of arrays alone, with a naive computation of its quantities beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.record import Keyframe, Layout, RunInfo, RunWriter, Site

SITES = (
    Site("steps", ""),
    Site("output", "x", 0, "", (4,)),
    Site("output", "lstm", 0, "", (3,)),
    Site("output", "lstm", 1, "", (None, 2)),
    Site("output_grad", "lstm", 0, "", (3,)),
    Site("output_grad", "lstm", 1, "", (None, 2), connected=False),
    Site("weight", "fc", 0, "kernel", (4, 3)),
    Site("weight", "fc", 0, "bias", (3,)),
    Site("weight", "lost", 0, "kernel", (2,), connected=False),
    Site("bn", "norm", 0, "", (3,)),
    Site("bn", "norm_2", 0, "", (2,)),
)


def make_info(**changes: Any) -> RunInfo:
    values: dict[str, Any] = {
        "config": {"steps": 5},
        "command": "opgraph trace x.txt",
        "graph_fingerprint": "sha256:0",
        "data": {"class_names": ["a", "b"]},
        "seed": 0,
        "batch_signature": ([{"shape": [2, 4], "dtype": "float32"}],),
        "dtype_policy": "float32",
        "versions": {"opgraph": "0"},
        "machine": {"cpu": "test"},
        "threads": {"intra_op": 0},
        "flags": {"jit": False},
        "created": "2026-11-22T00:00:00+00:00",
    }
    return RunInfo(**values | changes)


def make_packed(layout: Layout, step: int) -> np.ndarray:
    """Numbers of a step: counts are whole, the rest is random but the same every time."""
    packed = np.random.default_rng(step).uniform(0.5, 2.0, layout.size)
    for entry in layout.entries:
        if entry.moment in ("count", "predictions"):
            packed[entry.start] = 8
        elif entry.moment in ("zeros", "correct"):
            packed[entry.start] = 2
        elif entry.moment.endswith("nonfinite"):
            packed[entry.start] = 0
    return packed


def make_host(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": (step - 1) // 3,
        "index": (step - 1) % 3,
        "batch_size": 2,
        "step_time": 0.25,
        "input_time": 0.125,
        "fingerprint": f"{step:016x}",
        "time": datetime(2026, 11, 22, 0, 0, step % 60, tzinfo=UTC),
    }


def write_run(path: Path, steps: int = 5, *, part_steps: int = 2, **options: Any) -> RunWriter:
    layout = Layout(SITES)
    graph = {"nodes": [{"name": "x"}]}
    writer = RunWriter(path, make_info(), graph, layout, part_steps=part_steps, **options)
    for step in range(1, steps + 1):
        writer.add(make_packed(layout, step), make_host(step))
    return writer


@pytest.fixture(scope="session")
def making() -> SimpleNamespace:
    """The functions above, for tests that make their own run."""
    return SimpleNamespace(
        info=make_info, packed=make_packed, host=make_host, run=write_run, layout=Layout(SITES)
    )


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished run of five steps in three parts, with keyframes at 0 and 4."""
    path = tmp_path / "run"
    writer = write_run(path, vectors_every=2)
    arrays = {"model/fc/kernel": np.arange(12, dtype=np.float32).reshape(4, 3)}
    for step in (0, 4):
        writer.keyframe(Keyframe(step, arrays, {"epoch": 0, "index": step}))
    writer.end(writer.info.ended("finished", steps=5))
    return path
