"""The compiled training step: measured, bare, or handing over all its tensors.

One core, several things that are fetched from it. Each batch signature has programs of its own, all
made before the first step, so that nothing is traced while training goes on. Owns the programs and
how the parts of a step are put together; must not know data sources or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.record import Array, Layout, Measure, StepTensors, Survey, parse_measure
from opgraph.runtime.builder import Built
from opgraph.runtime.core import BatchTensors, Core, UpdateTensors, make_core
from opgraph.runtime.environment import prepare_grappler
from opgraph.runtime.fetch import (
    TensorName,
    batch_tensors,
    joined_tensors,
    missing_tensors,
    part_gradients,
    slots_before,
    update_tensors,
)
from opgraph.runtime.kernels import Reductions, reductions
from opgraph.runtime.norms import densify
from opgraph.runtime.objective import Objective, choose_objective
from opgraph.runtime.packing import pack_all
from opgraph.runtime.sites import make_sites
from opgraph.runtime.statistics import pack_batch, pack_update

Mode = Literal["every", "whole", "bare", "tensors"]
Part = Literal["step", "batch", "update"]
Signature = tuple[tuple[tuple[int, ...], str], ...]


@dataclass(frozen=True, eq=False)
class Programs:
    """How the programs of a step are compiled.

    Attributes:
        jit: whether the core is compiled by XLA; statistics then run outside of it.
        micro_batches: parts in which the batch of a step is taken.
    """

    jit: bool = False
    micro_batches: int = 1


class Step:
    """The programs of one training step.

    Attributes:
        core: what is computed, whatever is fetched.
        reductions: how tensors are reduced: by the kernel or by TensorFlow's own operations.
        traces: how many programs have been traced so far.
    """

    def __init__(
        self,
        built: Built,
        optimizer: Any,
        *,
        objective: Objective | None = None,
        measure: Measure | None = None,
        statistics: Reductions | None = None,
        programs: Programs | None = None,
    ) -> None:
        prepare_grappler()
        chosen = objective or choose_objective(built.graph)
        self.core: Core = make_core(built, optimizer, chosen)
        self.measure = measure or parse_measure()
        self.reductions = statistics or reductions()
        self.programs = programs or Programs()
        self.traces = 0
        self._survey: Survey | None = None
        self._layouts: dict[tuple[Mode, Part], Layout] = {}
        self._names: dict[Part, list[TensorName]] = {}
        self._made: dict[tuple[Mode, Part, Signature], Any] = {}
        self._sums: dict[str, Any] = {}
        if self.programs.micro_batches > 1:
            self._sums = {
                name: tf.Variable(tf.zeros(v.shape, v.dtype), trainable=False)
                for name, v in self.core.trainable.items()
            }

    @property
    def survey(self) -> Survey:
        """What is measured where; known once a program is made."""
        if self._survey is None:
            raise TraceError("the step has no program yet", hint="call prepare() first")
        return self._survey

    def prepare(self, batches: Iterable[Sequence[Array]], *modes: Mode) -> None:
        """Make the programs for batches like these: (*inputs, *labels) each."""
        wanted = modes or (("every", "whole") if self.measure.has_more else ("every",))
        for arrays in batches:
            for mode in wanted:
                for part in self._parts(arrays):
                    kind: Part = "step" if len(self._parts(arrays)) == 1 else "batch"
                    self._program(mode, kind, part)
                if self.programs.micro_batches > 1:
                    self._program(mode, "update", ())

    def measured(
        self, inputs: Sequence[Array], labels: Sequence[Array], *, step: int = 0
    ) -> tuple[Array, Layout]:
        """One step; its moments, and what stands where among them."""
        mode = self._mode(step)
        found = self._run(mode, (*inputs, *labels))
        return self._joined(mode, [packed.numpy() for packed in found])

    def bare(self, inputs: Sequence[Array], labels: Sequence[Array]) -> float:
        """The same step with nothing measured; its loss."""
        found = self._run("bare", (*inputs, *labels))
        return float(sum(loss.numpy() for loss in found[: max(1, len(found) - 1)]))

    def tensors(
        self,
        inputs: Sequence[Array],
        labels: Sequence[Array],
        *,
        step: int,
        indices: Array | None = None,
    ) -> StepTensors:
        """The same step with everything handed over."""
        slots, updates = slots_before(self.core.slots), self.core.optimizer.iterations.numpy()
        results = self._run("tensors", (*inputs, *labels))
        kinds: Sequence[Part] = ("step",)
        if self.programs.micro_batches > 1:
            kinds = (*("batch" for _ in results[1:]), "update")
        rows = [
            dict(zip(self._names[kind], (x.numpy() for x in values), strict=True))
            for kind, (_, *values) in zip(kinds, results, strict=True)
        ]
        packed, layout = self._joined("tensors", [first.numpy() for first, *_ in results])
        arrays = {**joined_tensors(rows), **slots, **missing_tensors(self.survey)}
        return StepTensors(
            step,
            arrays,
            tuple(inputs),
            tuple(labels),
            packed,
            layout,
            indices=indices,
            updates=int(updates),
        )

    def _joined(self, mode: Mode, found: Sequence[Array]) -> tuple[Array, Layout]:
        """The moments of a step from those of its programs, and what stands where."""
        if self.programs.micro_batches == 1:
            return found[0], self._layouts[mode, "step"]
        batch, update = self._layouts[mode, "batch"], self._layouts[mode, "update"]
        combined = batch.combine(np.stack(found[:-1]))
        return np.concatenate([combined, found[-1]]), batch.joined(update)

    def _mode(self, step: int) -> Mode:
        return "whole" if self.measure.is_whole(step) else "every"

    def _parts(self, arrays: Sequence[Array]) -> list[tuple[Array, ...]]:
        """The micro-batches of a batch, which may be fewer than asked for."""
        count = min(self.programs.micro_batches, len(arrays[0])) if arrays else 1
        if self.programs.micro_batches == 1:
            return [tuple(arrays)]
        split = [np.array_split(array, count) for array in arrays]
        return list(zip(*split, strict=True))

    def _run(self, mode: Mode, arrays: Sequence[Array]) -> list[Any]:
        """What each program of the step gives: one for all, or one a micro-batch and the update."""
        if self.programs.micro_batches == 1:
            return [self._call(mode, "step", arrays)]
        found = [
            self._call(mode, "batch", part, len(part[0]) / len(arrays[0]))
            for part in self._parts(arrays)
        ]
        return [*found, self._call(mode, "update", ())]

    def _call(self, mode: Mode, part: Part, arrays: Sequence[Array], *more: float) -> Any:
        given = (*map(tf.constant, arrays), *(tf.constant(x, tf.float32) for x in more))
        return self._program(mode, part, arrays)(*given)

    def _program(self, mode: Mode, part: Part, arrays: Sequence[Array]) -> Any:
        signature = tuple((array.shape, array.dtype.str) for array in arrays)
        key = mode, part, signature
        if key not in self._made:
            specs = [tf.TensorSpec(array.shape, array.dtype) for array in arrays]
            specs += [tf.TensorSpec((), tf.float32)] if part == "batch" else []
            make = self._make_split if self.programs.jit else self._make_fused
            self._made[key] = make(mode, part, specs)
        return self._made[key]

    def _make_fused(self, mode: Mode, part: Part, specs: Sequence[Any]) -> Any:
        """Core and statistics in one program."""

        def run(*tensors: Any) -> Any:
            return self._fetch(mode, part, *self._core(part, tensors), self._share(part, tensors))

        return tf.function(run, autograph=False, jit_compile=False).get_concrete_function(*specs)

    def _make_split(self, mode: Mode, part: Part, specs: Sequence[Any]) -> Any:
        """The core compiled by XLA, and the statistics of what it hands over outside of it."""
        key: Any = ("core", part, tuple(specs))
        if key not in self._made:
            program = tf.function(
                lambda *tensors: self._core(part, tensors), autograph=False, jit_compile=True
            )
            self._made[key] = program.get_concrete_function(*specs)
        core = self._made[key]
        handed = tf.nest.map_structure(_spec, core.structured_outputs)

        def fetch(batch: Any, update: Any, share: Any) -> Any:
            return self._fetch(mode, part, batch, update, share)

        share = tf.TensorSpec((), tf.float32) if part == "batch" else None
        statistics = tf.function(fetch, autograph=False, jit_compile=False)
        statistics.get_concrete_function(*handed, share)

        def run(*tensors: Any) -> Any:
            return statistics(*core(*tensors), self._share(part, tensors))

        return run

    def _core(
        self, part: Part, tensors: Sequence[Any]
    ) -> tuple[BatchTensors | None, UpdateTensors | None]:
        """The tensors of the core; the body of every program."""
        self.traces += 1
        if part == "update":
            update = self.core.update({name: sums.value() for name, sums in self._sums.items()})
            for sums in self._sums.values():
                sums.assign(tf.zeros_like(sums))
            return None, update
        inputs = tensors[: self._inputs]
        labels = tensors[self._inputs : self._inputs + self._labels]
        batch = self.core.batch(inputs, labels, self._share(part, tensors))
        self._note_sites(batch)
        if part == "step":
            return batch, self.core.update(batch.grads)
        for name, grad in batch.grads.items():
            if grad is not None:
                self._sums[name].assign_add(densify(grad))
        return batch, None

    @property
    def _inputs(self) -> int:
        return len(self.core.built.model.inputs)

    @property
    def _labels(self) -> int:
        return len(self.core.objective.heads)

    def _share(self, part: Part, tensors: Sequence[Any]) -> Any:
        return tensors[-1] if part == "batch" else None

    def _note_sites(self, batch: BatchTensors) -> None:
        sites = make_sites(self.core, batch, self.measure)
        objective = self.core.objective
        heads = objective.part_names if len(objective.heads) > 1 else ()
        survey = Survey(sites, self.measure, objective.metric_names, heads)
        if self._survey not in (None, survey):
            raise TraceError("what can be measured depends on the size of the batch")
        self._survey = survey

    def _fetch(
        self,
        mode: Mode,
        part: Part,
        batch: BatchTensors | None,
        update: UpdateTensors | None,
        share: Any,
    ) -> Any:
        """What a program hands over: loss, moments, or moments and all tensors."""
        if mode == "bare":
            return batch.loss if batch else tf.zeros(())
        measure = self.measure
        names = frozenset(measure.schedules) if mode != "every" else measure.at_every_step

        def pack(by: Reductions) -> tuple[Any, Layout]:
            packs: list[tuple[Any, Layout]] = []
            if batch is not None:
                packs.append(pack_batch(batch, self.survey, names, by, share))
            if update is not None:
                packs.append(pack_update(update, self.survey, names, by))
            vector = tf.concat([vector for vector, _ in packs], 0)
            layout = packs[0][1] if len(packs) == 1 else packs[0][1].joined(packs[1][1])
            return vector, layout

        packed, layout = pack_all(self.reductions, pack)
        self._layouts[mode, part] = layout
        if mode != "tensors":
            return packed
        named = {**batch_tensors(batch), **update_tensors(update)}
        if batch is not None and part == "batch":
            named |= part_gradients(self.core.of_the_loss(batch.grads))
        self._names[part] = list(named)
        return [packed, *named.values()]


def _spec(tensor: Any) -> Any:
    return None if tensor is None else tf.TensorSpec(tensor.shape, tensor.dtype)
