"""The loop: batches in, numbers of each step out. Nothing is written here.

Owns the order of batches, the clock and the reasons to stop; must not know files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import keras
import numpy as np

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.record import Array, Keyframe, Layout
from opgraph.runtime.builder import Built, build
from opgraph.runtime.data import Batch, Data, batch_count, batches
from opgraph.runtime.recipe import Recipe
from opgraph.runtime.state import state_arrays
from opgraph.runtime.step import Step


@dataclass(frozen=True, eq=False)
class Measured:
    """One step that was taken.

    Attributes:
        step: its number, from 1.
        packed: its moments, in the order of the layout.
        host: what the loop itself knows about it.
        loss: mean loss of the batch.
        accuracy: share of the batch that was told rightly.
    """

    step: int
    packed: Array
    host: dict[str, Any]
    loss: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class Training:
    """A network, its step and its data, ready to go.

    Attributes:
        built: the network.
        step: the compiled step; its programs for all batch sizes are made.
        data: what it is trained on.
        recipe: how.
        total_steps: updates in the whole training.
    """

    built: Built
    step: Step
    data: Data
    recipe: Recipe
    total_steps: int

    def run(self, first: int = 1) -> Iterator[Measured]:
        """Take the steps from `first` on; its model must be in the state before it."""
        numbers = self._moments()
        waiting = time.perf_counter()
        for number, epoch, index, batch in self.schedule(first):
            started = time.perf_counter()
            packed = self.step.measured(batch.inputs, batch.labels)
            ended = time.perf_counter()
            loss, correct, predictions = packed[numbers]
            host = {
                "step": number,
                "epoch": epoch,
                "index": index,
                "batch_size": batch.size,
                "step_time": ended - started,
                "input_time": started - waiting,
                "fingerprint": f"{batch.fingerprint:016x}",
                "time": datetime.now(UTC),
            }
            yield Measured(number, packed, host, float(loss), float(correct / predictions))
            waiting = time.perf_counter()

    def schedule(self, first: int = 1) -> Iterator[tuple[int, int, int, Batch]]:
        """Step number, epoch, number within the epoch and batch of each step from `first` on."""
        per_epoch = batch_count(self.data.train.size, self.recipe.batch_size)
        number = first
        while number <= self.total_steps:
            epoch, start = divmod(number - 1, per_epoch)
            found = batches(
                self.data.train,
                self.recipe.batch_size,
                seed=self.recipe.seed,
                epoch=epoch,
                start=start,
            )
            for index, batch in enumerate(found, start):
                if number > self.total_steps:
                    return
                yield number, epoch, index, batch
                number += 1

    def keyframe(self, step: int) -> Keyframe:
        """The state after a step; the model must be in it."""
        per_epoch = batch_count(self.data.train.size, self.recipe.batch_size)
        epoch, index = divmod(step, per_epoch)
        arrays = state_arrays(self.built, self.step.core.optimizer)
        return Keyframe(step, arrays, {"epoch": epoch, "index": index})

    def _moments(self) -> list[int]:
        starts = {e.moment: e.start for e in self.step.layout.entries if e.site.kind == "steps"}
        return [starts[name] for name in ("loss", "correct", "predictions")]


def prepare(network: OpGraph | Built, data: Data, recipe: Recipe) -> Training:
    """Build the network and make all programs of its step.

    Raises:
        OpgraphError: the network cannot be built, or cannot be trained on labels.
    """
    built = network if isinstance(network, Built) else build(network, seed=recipe.seed)
    size = data.train.size
    total = recipe.total_steps(batch_count(size, recipe.batch_size))
    step = Step(built, recipe.make_optimizer(total))
    _check_classes(built, step, data)
    training = Training(built, step, data, recipe, total)
    step.prepare(batch_like(data, count) for count in batch_sizes(training))
    return training


def batch_sizes(training: Training) -> list[int]:
    """The sizes of batch that occur: the usual one, and that of a last one that is not full."""
    size, usual = training.data.train.size, training.recipe.batch_size
    per_epoch, rest = batch_count(size, usual), size % usual
    sizes = [usual] if size >= usual else []
    if rest and training.total_steps >= per_epoch:
        sizes.append(rest)
    return sizes


def batch_like(data: Data, count: int) -> tuple[Array, ...]:
    """Arrays of the shapes and types of a batch."""
    split = data.train
    return tuple(np.zeros((count, *x.shape[1:]), x.dtype) for x in (*split.inputs, split.labels))


def first_nonfinite(layout: Layout, packed: Array) -> str | None:
    """The first node, in topological order, whose output is not all finite; None if all are."""
    starts = {e.site: e.start for e in layout.entries if e.moment == "nonfinite"}
    for site in layout.of("output"):
        if packed[starts[site]]:
            return site.node
    return None


def dtype_policy() -> str:
    """Keras's policy for layers that do not say theirs."""
    return str(keras.config.dtype_policy().name)


def _check_classes(built: Built, step: Step, data: Data) -> None:
    """Refuse labels that the network has no output for: TensorFlow would give a loss of NaN."""
    objective = step.core.objective
    outputs = built.outputs[objective.endpoint].shape[-1]
    classes = 2 if objective.is_binary else outputs
    if classes is not None and data.num_classes > classes:
        raise TraceError(
            f"has {classes} classes to tell apart, the data have {data.num_classes}",
            where=objective.endpoint.node,
            node=objective.endpoint.node,
            hint=f"--set {objective.endpoint.node}.units={data.num_classes}"
            if built.graph[objective.endpoint.node].kind.kind == "Dense"
            else None,
        )
