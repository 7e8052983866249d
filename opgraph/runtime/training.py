"""The loop: batches in, numbers of each step out. Nothing is written here.

Owns the order of batches, the clock, validation, and what controllers decide between steps; must
not know files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import keras
import numpy as np

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.record import (
    STEPS,
    Array,
    Keyframe,
    Layout,
    StepRow,
    StepTensors,
    Survey,
    parse_measure,
)
from opgraph.runtime.builder import Built, build
from opgraph.runtime.controllers import Controllers
from opgraph.runtime.data import Batch, Data, Kind, Split, batch_count, hold_out
from opgraph.runtime.evaluation import Evaluator, evaluator_of, mark_objective
from opgraph.runtime.freezing import freeze
from opgraph.runtime.heads import Objective
from opgraph.runtime.kernels import reductions
from opgraph.runtime.objective import choose_objective
from opgraph.runtime.pipeline import Pipeline
from opgraph.runtime.recipe import Recipe
from opgraph.runtime.starting import Started, load_weights
from opgraph.runtime.state import restore_state, state_arrays
from opgraph.runtime.step import Programs, Step

VALIDATION = "val_"
OF_UPDATE = ("learning_rate", "loss_scale", "skipped")  # what a story is told of an update


@dataclass(frozen=True, eq=False)
class Measured:
    """One step that was taken.

    Attributes:
        step: its number, from 1.
        row: its numbers.
        figures: loss and metrics of the batch; those of validation, if there was any, begin with
            `val_`.
        is_best: whether the state after it is the best so far, as far as that was asked.
        is_last: whether a controller says that the training ends here.
        tensors: everything that the step computed, where that was asked for.
    """

    step: int
    row: StepRow
    figures: Mapping[str, float]
    is_best: bool = False
    is_last: bool = False
    tensors: StepTensors | None = None

    @property
    def loss(self) -> float:
        """Mean loss of the batch, regularisation included."""
        return self.figures["loss"]


@dataclass(frozen=True, eq=False)
class Training:
    """A network, its step and its data, ready to go.

    Attributes:
        built: the network.
        step: the compiled step; its programs for all batch sizes are made.
        data: what it is trained on.
        recipe: how.
        total_steps: updates in the whole training.
        controllers: what decides between steps.
        validation: examples set aside for validation, and what tests on them.
        frozen: nodes whose weights stay as they are.
        started: what became of the weights to start from.
    """

    built: Built
    step: Step
    data: Data
    recipe: Recipe
    total_steps: int
    controllers: Controllers
    validation: tuple[Split, Evaluator] | None = None
    frozen: tuple[str, ...] = ()
    started: Started | None = None

    @cached_property
    def pipeline(self) -> Pipeline:
        """The batches."""
        recipe = self.recipe
        seed = recipe.seed if recipe.order_seed is None else recipe.order_seed
        return Pipeline(self.data.train, recipe.batch_size, seed=seed, augment=self.data.augment)

    @property
    def survey(self) -> Survey:
        """What is measured where and when."""
        validated = ("loss", *self.step.survey.metrics) if self.validation else ()
        return replace(self.step.survey, validated=validated)

    @property
    def objective(self) -> Objective:
        """What the network is trained for."""
        return self.step.core.objective

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return self.pipeline.per_epoch

    @property
    def is_over(self) -> bool:
        """Whether early stopping has ended it."""
        stopping = self.controllers.early_stopping
        return stopping is not None and stopping.is_over

    def fresh_optimizer(self) -> Any:
        """The optimizer as it was at the beginning."""
        return _optimizer(self.recipe, self.total_steps)

    def run(self, first: int = 1, *, fetch: Container[int] = ()) -> Iterator[Measured]:
        """Take the steps from `first` on; its model must be in the state before it.

        Args:
            first: the number of the first step.
            fetch: the steps whose tensors are handed over.
        """
        with closing(self._batches(first)) as turns:
            for number in range(first, self.total_steps + 1):
                waiting = time.perf_counter()
                epoch, index, batch = next(turns)
                started = time.perf_counter()
                packed, layout, tensors = self._taken(number, batch, number in fetch)
                host = {
                    "step": number,
                    "epoch": epoch,
                    "index": index,
                    "batch_size": batch.size,
                    "micro_batches": min(self.recipe.accumulate, batch.size),
                    "calls": self.calls(number),
                    "step_time": time.perf_counter() - started,
                    "input_time": started - waiting,
                    "fingerprint": f"{batch.fingerprint:016x}",
                    "time": datetime.now(UTC),
                }
                measured = self._decided(number, packed, layout, host)
                yield measured if tensors is None else self._with_tensors(measured, tensors)
                if measured.is_last:
                    return

    def _taken(
        self, number: int, batch: Batch, fetch: bool
    ) -> tuple[Array, Layout, StepTensors | None]:
        """One step: its moments, what stands where among them, and its tensors if wanted."""
        if not fetch:
            return *self.step.measured(batch.inputs, batch.labels, step=number), None
        tensors = self.step.tensors(batch.inputs, batch.labels, step=number, indices=batch.indices)
        return tensors.packed, tensors.layout, tensors

    def _with_tensors(self, measured: Measured, tensors: StepTensors) -> Measured:
        starts = {name: tensors.layout.start(STEPS, name) for name in OF_UPDATE}
        known = {n: float(tensors.packed[at]) for n, at in starts.items() if at is not None}
        figures = {**measured.figures, **known}
        return replace(measured, tensors=replace(tensors, figures=figures))

    def batches(self, first: int = 1) -> Iterator[tuple[int, int, int, Batch]]:
        """Step number, epoch, number within the epoch and batch of each step from `first` on."""
        with closing(self._batches(first)) as turns:
            for number in range(first, self.total_steps + 1):
                epoch, index, batch = next(turns)
                yield number, epoch, index, batch

    def _batches(self, first: int) -> Any:
        epoch, index = divmod(first - 1, self.per_epoch)
        return self.pipeline.read(epoch, index)

    def calls(self, step: int) -> int:
        """How many batches the network has seen after a step."""
        parts, size = self.recipe.accumulate, self.recipe.batch_size
        rest = self.data.train.size % size or size
        epochs = step // self.per_epoch
        short = min(parts, size) - min(parts, rest)
        return step * min(parts, size) - epochs * short

    def _decided(
        self, number: int, packed: Array, layout: Layout, host: dict[str, Any]
    ) -> Measured:
        """What controllers make of a step, after a validation if one is due."""
        figures = self._figures(packed, layout)
        host |= dict.fromkeys((f"{VALIDATION}{name}" for name in self.survey.validated), None)
        if self._is_validated(number):
            tested = self._validate()
            host |= tested
            figures |= tested
        best = stop = False
        if self._observes(number):
            best, stop = self._observe(figures, number)
        return Measured(number, StepRow(packed, layout, host), figures, best, stop)

    def _figures(self, packed: Array, layout: Layout) -> dict[str, float]:
        def packed_at(name: str) -> float:
            return float(packed[layout.start(STEPS, name)])

        found = {"loss": packed_at("loss")}
        for name in self.step.survey.metrics:
            total, count = packed_at(f"{name}:total"), packed_at(f"{name}:count")
            found[name] = self.objective.metric_value(name, total, count)
        return found

    def _is_validated(self, number: int) -> bool:
        rule = self.controllers.validation
        per_epoch, total = self.per_epoch, self.total_steps
        return (
            self.validation is not None
            and rule is not None
            and rule.is_due(number, per_epoch=per_epoch, total=total)
        )

    def _observes(self, number: int) -> bool:
        """Controllers look after each validation; where there is none, after each epoch."""
        if self.controllers.validation is not None:
            return self._is_validated(number)
        return number % self.per_epoch == 0 or number == self.total_steps

    def _validate(self) -> dict[str, float]:
        assert self.validation is not None
        split, evaluator = self.validation
        return {f"{VALIDATION}{name}": value for name, value in evaluator.figures(split).items()}

    def _observe(self, figures: Mapping[str, float], number: int) -> tuple[bool, bool]:
        """Whether the state is the best so far, and whether the training ends."""
        controllers, optimizer = self.controllers, self.step.core.optimizer
        if controllers.plateau is not None:
            rate = float(optimizer.learning_rate)
            lower = controllers.plateau.observe(figures, number, rate)
            if lower is not None:
                optimizer.learning_rate = lower
        best = stop = False
        if controllers.keeper is not None:
            best = controllers.keeper.observe(figures, number)
        if controllers.early_stopping is not None:
            stop = controllers.early_stopping.observe(figures, number)
            restores = controllers.early_stopping.restore_best
            best = best or (restores and controllers.early_stopping.best.step == number)
        return best, stop

    def keyframe(self, step: int) -> Keyframe:
        """The state after a step; the model must be in it."""
        epoch, index = divmod(step, self.per_epoch)
        arrays = state_arrays(self.built, self.step.core.optimizer)
        cursor = {"epoch": epoch, "index": index}
        return Keyframe(step, arrays, cursor, state=self.controllers.state())

    def restore(self, keyframe: Keyframe) -> None:
        """Be in the state of a keyframe.

        Raises:
            RunError: it is that of another training.
        """
        restore_state(self.built, keyframe.arrays, self.step.core.optimizer)
        self.controllers.restore(keyframe.state)


def prepare(
    network: OpGraph | Built,
    data: Data,
    recipe: Recipe,
    adapt: Callable[[Any], Any] | None = None,
) -> Training:
    """Build the network and make all programs of its step.

    Args:
        network: a completed graph, or what `build` made of one.
        data: what to train on.
        recipe: how.
        adapt: handed the optimizer of the recipe before a program is made; what it returns is used.

    Raises:
        OpgraphError: the network cannot be built, or cannot be trained on these labels.
    """
    built, frozen = _built(network, recipe)
    started = None if recipe.weights is None else load_weights(built, recipe.weights)
    controllers = recipe.controllers()
    held_out = None
    if controllers.validation is not None:
        train, held_out = hold_out(data.train, data.targets, recipe.validation_share, recipe.seed)
        data = replace(data, train=train)
    total = recipe.total_steps(batch_count(data.train.size, recipe.batch_size))
    objective = _objective(built, data, recipe)
    mark_objective(built, objective)
    step = Step(
        built,
        _optimizer(recipe, total, adapt),
        objective=objective,
        measure=parse_measure(recipe.measure, recipe.sites),
        statistics=reductions(recipe.statistics),
        programs=Programs(recipe.jit, recipe.accumulate),
    )
    _check_classes(step, data)
    validation = None
    if held_out is not None:
        validation = (held_out, evaluator_of(built))
        validation[1].prepare(held_out)
    training = Training(built, step, data, recipe, total, controllers, validation, frozen, started)
    step.prepare(batch_like(data, count) for count in batch_sizes(training))
    return training


def _built(network: OpGraph | Built, recipe: Recipe) -> tuple[Built, tuple[str, ...]]:
    if isinstance(network, Built):
        if recipe.freeze or recipe.precision:
            what = "freeze" if recipe.freeze else "precision"
            raise TraceError(
                "a model that is there already is trained as it is",
                where=what,
                hint="set layer.trainable or the dtype policy before, or hand over the graph",
            )
        return network, ()
    names: tuple[str, ...] = ()
    if recipe.freeze:
        frozen = freeze(network, recipe.freeze)
        network, names = frozen.graph, frozen.nodes
    return build(network, seed=recipe.seed, precision=recipe.precision), names


def _objective(built: Built, data: Data, recipe: Recipe) -> Objective:
    named: dict[str, Kind] = {x.output: x.kind for x in data.targets if x.output}
    return choose_objective(
        built.graph, kinds=named or None, labels=data.train.labels, **recipe.objective_options()
    )


def _optimizer(recipe: Recipe, total: int, adapt: Callable[[Any], Any] | None = None) -> Any:
    optimizer = recipe.make_optimizer(total)
    if adapt is not None:
        optimizer = adapt(optimizer)
    if recipe.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


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
    return tuple(np.zeros((count, *x.shape[1:]), x.dtype) for x in (*split.inputs, *split.labels))


def first_nonfinite(survey: Survey, row: StepRow) -> str | None:
    """The first node, in topological order, whose output is not all finite; None if all are."""
    for site in survey.of("output"):
        starts = [row.layout.start(site, name) for name in ("nan", "inf")]
        if any(start is not None and row.packed[start] for start in starts):
            return site.node
    return None


def dtype_policy(recipe: Recipe) -> str:
    """Keras's policy for layers that do not say theirs."""
    return recipe.precision or str(keras.config.dtype_policy().name)


def _check_classes(step: Step, data: Data) -> None:
    """Refuse labels that the network has no output for: TensorFlow would give a loss of NaN."""
    for head, labels in zip(step.core.objective.heads, data.train.labels, strict=True):
        if head.kind != "classes" or head.classes is None or not labels.size:
            continue
        found = max(int(labels.max()) + 1, data.num_classes or 0)
        if len(step.core.objective.heads) > 1:
            found = int(labels.max()) + 1
        if found > head.classes:
            node = head.endpoint.node
            dense = step.core.built.graph[node].kind.kind == "Dense"
            raise TraceError(
                f"has {head.classes} classes to tell apart, the data have {found}",
                where=node,
                node=node,
                hint=f"--set {node}.units={found}" if dense else None,
            )
