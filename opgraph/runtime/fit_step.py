"""The program that `model.fit` runs instead of its own: the same step, measured.

Keras makes the function, so that iterators, partial batches and callbacks are treated as ever; we
hand it a step that gives back its numbers beside its logs. Owns the two programs (what is measured
at every step, and all of it) and what stands in their vectors; must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.record import STEPS, Array, Block, Layout, Measure, Survey
from opgraph.runtime.fit_core import FitCore, FitPass, batch_size
from opgraph.runtime.kernels import Reductions
from opgraph.runtime.packing import Packing
from opgraph.runtime.sites import make_sites
from opgraph.runtime.statistics import pack_batch, pack_update

Mode = Literal["every", "whole"]
LOSSES = ("loss", "data_loss", "regularization")


@dataclass(frozen=True, eq=False)
class Taken:
    """What one step gave.

    Attributes:
        logs: for Keras: what its own step gives.
        packed: the step's vector.
        layout: what stands where in it.
        size: examples in the batch.
        fingerprint: hash of the batch.
    """

    logs: Any
    packed: Array
    layout: Layout
    size: int
    fingerprint: str


class FitStep:
    """The measured train functions of a model.

    Attributes:
        core: what is computed.
        measure: what is measured when.
        reductions: how tensors are reduced.
        traces: how many programs have been traced so far.
        log_names: what Keras's step tells, in its order.
        signatures: shapes and types of the batches that were traced.
    """

    def __init__(self, core: FitCore, measure: Measure, reductions: Reductions) -> None:
        self.core = core
        self.measure = measure
        self.reductions = reductions
        self.traces = 0
        self.log_names: tuple[str, ...] = ()
        self.signatures: list[Any] = []
        self._survey: Survey | None = None
        self._layouts: dict[Mode, Layout] = {}
        self._functions: dict[Mode, Callable[[Any], Any]] = {}

    @property
    def survey(self) -> Survey:
        """What is measured where; known once a step was taken."""
        if self._survey is None:
            raise TraceError("no step was taken yet", where="attach")
        return self._survey

    def take(self, iterator: Any, step: int) -> Taken:
        """Take the next batch of an iterator and train on it.

        Raises:
            StopIteration: there is none.
        """
        mode: Mode = "whole" if self.measure.is_whole(step) else "every"
        if mode not in self._functions:
            self._functions[mode] = self._function(mode)
        found = self._functions[mode](iterator)
        return Taken(
            logs=found["logs"],
            packed=found["packed"].numpy(),
            layout=self._layouts[mode],
            size=int(found["size"]),
            fingerprint=found["fingerprint"].numpy().tobytes().hex(),
        )

    def forget(self) -> None:
        """Make the programs anew: the model was compiled again."""
        self._functions.clear()

    def _function(self, mode: Mode) -> Callable[[Any], Any]:
        def train_step(data: Any) -> dict[str, Any]:
            return self._step(mode, data)

        return self.core.model._make_function(train_step)

    def _step(self, mode: Mode, data: Any) -> dict[str, Any]:
        """The body of a program."""
        self.traces += 1
        taken = self.core.step(data)
        self._note(taken, data)
        names = self.measure.at_every_step if mode == "every" else frozenset(self.measure.schedules)
        packs = [self._loss_pack(taken), *self._packs(taken, names)]
        layout = Layout((), 0)
        for _, part in packs:
            layout = layout.joined(part)
        if self._layouts.setdefault(mode, layout) != layout:
            raise TraceError("what can be measured depends on the shape of the batch")
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        return {
            "logs": taken.logs,
            "packed": tf.concat([vector for vector, _ in packs], 0),
            "size": batch_size(x),
            "fingerprint": fingerprint(data),
        }

    def _packs(self, taken: FitPass, names: frozenset[str]) -> list[tuple[Any, Layout]]:
        update = pack_update(taken.update, self.survey, names, self.reductions)
        if not self.core.whole:
            return [update]
        batch = pack_batch(taken.batch, self.survey, names, self.reductions)
        return [(batch[0], without(batch[1], LOSSES)), update]

    def _loss_pack(self, taken: FitPass) -> tuple[Any, Layout]:
        """What is known of the loss, and the metrics of the batch."""
        batch = taken.batch
        known = {"data_loss": batch.judged.loss, "regularization": batch.regularization}
        numbers: dict[str, Any] = {"loss": batch.loss, **known} if taken.loss else {}
        if not self.core.whole:
            for name, (total, count) in batch.judged.metrics.items():
                numbers |= {f"{name}:total": total, f"{name}:count": count}
        packing = Packing(self.reductions)
        if numbers:
            values = tf.stack([tf.cast(value, tf.float64) for value in numbers.values()])
            packing.add(values, (STEPS, Block(tuple(numbers))))
        return packing.packed()

    def _note(self, taken: FitPass, data: Any) -> None:
        """Keep what is the same at every step, and see that it is."""
        core = self.core
        if not any(grad is not None for grad in taken.batch.grads.values()):
            raise TraceError(
                "the train step hands no gradients to the optimizer that the model was compiled"
                " with, so no update can be measured",
                where=core.model.name,
                hint="opgraph.attach measures what model.optimizer is given",
            )
        sites = make_sites(core, taken.batch, self.measure)
        logs: Mapping[str, Any] = taken.logs if isinstance(taken.logs, dict) else {}
        metrics = tuple(taken.batch.judged.metrics)
        validated = ("loss", *(name for name in logs if name != "loss"))
        survey = Survey(sites, self.measure, metrics, validated=validated)
        if self._survey not in (None, survey):
            raise TraceError(
                "what can be measured is not what it was at the first step",
                where=core.model.name,
                hint="was the model compiled anew with other metrics? detach, and attach to another"
                " directory",
            )
        self._survey, self.log_names = survey, tuple(logs)
        signature = keras.tree.map_structure(_spec, data)
        if signature not in self.signatures:
            self.signatures.append(signature)


def without(layout: Layout, names: tuple[str, ...]) -> Layout:
    """A layout in which some numbers of the step itself are nobody's."""
    blocks: list[Any] = []
    for site, block, start in layout.blocks:
        if site != STEPS:
            blocks.append((site, block, start))
            continue
        kept = [(name, place) for place, name in enumerate(block.names) if name not in names]
        blocks += [(site, Block((name,)), start + place) for name, place in kept]
    return Layout(tuple(blocks), layout.size)


def fingerprint(data: Any) -> Any:
    """A hash of a batch as it arrives, 8 bytes: inputs, labels and weights, row by row."""
    rows: list[Any] = []
    for part in keras.tree.flatten(data):
        if part is None:
            continue
        tensor = tf.convert_to_tensor(part)
        tensor = tf.expand_dims(tensor, 0) if tensor.shape.rank == 0 else tensor
        rows.append(tf.reshape(tf.fingerprint(tensor), (-1,)))
    return tf.fingerprint(tf.concat(rows, 0)[tf.newaxis])[0]


def _spec(part: Any) -> Any:
    if part is None:
        return None
    shape = None if part.shape.rank is None else list(part.shape)
    return {"shape": shape, "dtype": tf.as_dtype(part.dtype).name}
