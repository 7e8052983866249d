"""What a training will take, before anything is trained.

Takes a few steps with a copy of the network that is thrown away, and writes their rows to memory:
times and sizes are measured, not guessed. What cannot be measured that way says `estimated`.
"""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np
import pyarrow.parquet as pq

from opgraph.analysis import analyze
from opgraph.graph import OpGraph
from opgraph.record import StepRow, make_tables
from opgraph.runtime.data import Data
from opgraph.runtime.recipe import Recipe, Settings
from opgraph.runtime.training import Training, prepare

TRIAL_STEPS = 8
WARM_UP = 3
PART_STEPS = 100


@dataclass(frozen=True)
class Plan:
    """What a training will take.

    Attributes:
        steps: optimizer updates.
        sites: places that are measured at every step, by kind.
        numbers_per_step: moments that a step hands over.
        memory_bytes: estimated, beyond TensorFlow itself: weights, optimizer, outputs and their
            gradients of one batch, and the data. None when the sizes of outputs are not known.
        disk_bytes_per_step: rows of the tables, measured on a few steps.
        keyframe_bytes: one full state.
        keyframes: how many will be written.
        step_seconds: median of a few steps.
        prepare_seconds: building the network and its programs.
    """

    steps: int
    sites: Mapping[str, int]
    numbers_per_step: int
    memory_bytes: int | None
    disk_bytes_per_step: int
    keyframe_bytes: int
    keyframes: int
    step_seconds: float
    prepare_seconds: float

    @property
    def disk_bytes(self) -> int:
        """The whole run."""
        return self.steps * self.disk_bytes_per_step + self.keyframes * self.keyframe_bytes

    @property
    def seconds(self) -> float:
        """The whole training, without importing TensorFlow and testing."""
        return self.prepare_seconds + self.steps * self.step_seconds

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, totals included."""
        return {**asdict(self), "disk_bytes": self.disk_bytes, "seconds": self.seconds}


def plan(network: OpGraph, data: Data, **settings: Unpack[Settings]) -> Plan:
    """Say what a training will take.

    Args:
        network: a completed graph.
        data: what it would be trained on.
        settings: the fields of `Recipe`, as for `trace`.

    Raises:
        OpgraphError: the network or a setting is wrong.
    """
    recipe = Recipe(**settings)
    started = time.perf_counter()
    training = prepare(network, data, recipe)
    prepared = time.perf_counter() - started
    rows, times = _try(training)
    survey, total = training.survey, training.total_steps
    policy = recipe.keyframes
    taken = 1 + -(-total // policy.interval(total))
    state = sum(array.nbytes for array in training.keyframe(0).arrays.values())
    return Plan(
        steps=total,
        sites=dict(Counter(site.kind for site in survey.sites)),
        numbers_per_step=min(len(row.packed) for row in rows),
        memory_bytes=_memory(training, state),
        disk_bytes_per_step=_row_bytes(training, rows),
        keyframe_bytes=state,
        keyframes=min(taken, policy.keep or taken),
        step_seconds=float(np.median(times)),
        prepare_seconds=prepared,
    )


def _try(training: Training) -> tuple[list[StepRow], list[float]]:
    """A few steps on the first batches: their rows, and the times of all but the first ones."""
    rows: list[StepRow] = []
    times: list[float] = []
    for measured in training.run():
        rows.append(measured.row)
        if measured.step > min(WARM_UP, training.total_steps - 1):
            times.append(measured.row.host["step_time"])
        if measured.step >= TRIAL_STEPS:
            break
    return rows, times


def _row_bytes(training: Training, rows: list[StepRow]) -> int:
    """Bytes of the tables for a step, from a part as long as parts usually are.

    The rows of the few steps are repeated with a little noise, for equal numbers would be packed
    into nothing.
    """
    random = np.random.default_rng(0)
    made: list[StepRow] = []
    for step in range(1, PART_STEPS + 1):
        whole = training.step.measure.is_whole(step)
        like = [row for row in rows if training.step.measure.is_whole(row.host["step"]) == whole]
        row = (like or rows)[step % len(like or rows)]
        noise = random.normal(1.0, 1e-3, row.packed.shape)
        host = {
            **row.host,
            "step": step,
            "index": step,
            "step_time": float(noise[0]),
            "input_time": float(noise[-1]),
            "fingerprint": f"{step * 0x9E3779B97F4A7C15 % 2**64:016x}",
        }
        made.append(StepRow(row.packed * noise, row.layout, host))
    return sum(map(_parquet_bytes, make_tables(training.survey, made).values())) // PART_STEPS


def _parquet_bytes(table: Any) -> int:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.tell()


def _memory(training: Training, state: int) -> int | None:
    """State, gradients and updates of weights; outputs and gradients of a batch; the data."""
    totals = analyze(training.built.graph).totals
    if totals.activation_bytes.unknown or totals.weight_bytes.unknown:
        return None
    weights = 3 * totals.weight_bytes.value
    outputs = 2 * totals.activation_bytes.value * training.recipe.batch_size
    splits = (training.data.train, training.data.test)
    examples = sum(x.nbytes for split in splits for x in (*split.inputs, *split.labels))
    return state + weights + outputs + examples
