"""The forecast of a training: sizes and times that come true."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opgraph.graph import OpGraph
from opgraph.runtime import plan, trace

pytestmark = pytest.mark.tf
SETTINGS: dict[str, Any] = {"steps": 200, "batch_size": 16, "keyframe_every": 50, "measure": "full"}


def test_plan_says_what_the_training_then_takes(
    networks: Callable[[str], OpGraph], making: SimpleNamespace, tmp_path: Path
) -> None:
    data = making.blobs(160)
    graph = networks("tiny")
    planned = plan(graph, data, **SETTINGS)
    assert planned.steps == 200
    assert planned.sites == {"steps": 1, "output": 6, "output_grad": 5, "weight": 4,
                             "slot": 8, "dropout": 1}  # fmt: skip
    assert planned.keyframes == 5
    record = trace(graph, data, run_dir=tmp_path, graph_json={}, **SETTINGS)
    # outputs, gradients that exist, weights, Adam's slots, the mask, and what is one a step
    wanted = 6 * 8 + 4 * 8 + 4 * 24 + 8 * 8 + 2 + 8
    by_kernel = record.info.statistics == "kernel"  # relu and its gradient: two rows are nobody's
    assert planned.numbers_per_step == wanted + (2 * 8 if by_kernel else 0)
    assert len(record.keyframe_steps) == planned.keyframes
    tables = sum(path.stat().st_size for path in tmp_path.glob("*/part-*.parquet"))
    assert 0.3 < planned.disk_bytes_per_step * 200 / tables < 3
    keyframe = (tmp_path / "keyframes" / "step-000050.safetensors").stat().st_size
    assert planned.keyframe_bytes <= keyframe < planned.keyframe_bytes + 4096
    times = record.steps["step_time"].to_numpy()
    assert 0.1 < planned.step_seconds / sorted(times)[100] < 10


def test_plan_counts_memory_by_hand(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    data = making.blobs(160)
    planned = plan(networks("tiny"), data, **SETTINGS)
    weights = (4 * 8 + 8 + 8 * 4 + 4) * 4
    state = 3 * weights + 8 + 16  # Adam: two slots; iteration; seed of the dropout
    outputs = (4 + 8 + 8 + 8 + 4 + 4) * 4 * 16
    examples = (160 + 80) * (4 * 4 + 4)
    assert planned.keyframe_bytes == state
    assert planned.memory_bytes == state + 3 * weights + 2 * outputs + examples


def test_plan_is_plain_data(networks: Callable[[str], OpGraph], making: SimpleNamespace) -> None:
    planned = plan(networks("tiny"), making.blobs(40), steps=2, batch_size=16)
    data = json.loads(json.dumps(planned.as_dict()))
    assert data["disk_bytes"] == planned.disk_bytes
    assert data["seconds"] == planned.prepare_seconds + 2 * planned.step_seconds
