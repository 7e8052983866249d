"""The core of a step that `model.fit` takes: Keras's own `train_step`, seen from inside.

The same calls in the same order as Keras makes them, so that weights come out the same; what a
`Core` hands over is gathered on the way. Where the step is the user's own code, only what reaches
the optimizer can be seen. Must not know what is reduced or recorded.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from opgraph.runtime.builder import Built
from opgraph.runtime.core import (
    BatchTensors,
    BnTensors,
    Core,
    UpdateTensors,
    WeightTensors,
    find_slots,
    unscaled,
)
from opgraph.runtime.fit_metrics import Figures, Pair, figures_of, named_pairs
from opgraph.runtime.heads import Judged, Objective
from opgraph.runtime.lookout import Seen, complete, looking, replaced

Tensor = Any


class FitPass(NamedTuple):
    """What one train step made.

    Attributes:
        logs: what Keras's step gives back.
        batch: of forward and backward; without outputs where the step is the user's own.
        update: of the optimizer.
        loss: whether the loss of the batch could be seen.
    """

    logs: Any
    batch: BatchTensors
    update: UpdateTensors
    loss: bool


@dataclass(frozen=True, eq=False)
class FitCore(Core):
    """What a step of `fit` is made of.

    Attributes:
        model: the user's model, compiled.
        whole: whether every node is seen; else weights alone.
    """

    model: Any
    whole: bool

    @cached_property
    def _names(self) -> dict[str, Any]:
        """Trainable weights in the order in which Keras hands them to the optimizer."""
        names = {id(v): name for name, v in self.built.weight_names.items()}
        return {
            names.get(id(v), f"{self.built.graph.name}/{v.path}"): v
            for v in self.model.trainable_variables
        }

    @property
    def trainable(self) -> dict[str, Any]:
        """Keras variables that training changes, by `node/weight`."""
        return self._names

    def step(self, data: Any) -> FitPass:
        """One train step; called while a `tf.function` is traced."""
        return self._whole_step(data) if self.whole else self._weights_step(data)

    def _whole_step(self, data: Any) -> FitPass:
        """`TensorFlowTrainer.train_step` of Keras, with everything kept."""
        model = self.model
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        moving = self._moving()
        with figures_of(model) as figures:
            with tf.GradientTape() as tape:
                with looking(model, self.built.graph, self._parts, tape.watch) as seen:
                    answer = model(x, training=True)
                loss = model._compute_loss(
                    x=x, y=y, y_pred=answer, sample_weight=weight, training=True
                )
                model._loss_tracker.update_state(loss, sample_weight=batch_size(x))
                target = self.optimizer.scale_loss(loss)
            complete(seen, self.built.graph)
            batch = self._batch(tape, target, loss, seen, moving, figures)
            update = self.update(batch.grads)
            logs = model.compute_metrics(x, y, answer, sample_weight=weight)
        return FitPass(logs, self._judged(batch, figures), update, True)

    @property
    def _parts(self) -> Mapping[str, Any]:
        return self.built.layers

    def _batch(
        self,
        tape: Any,
        target: Tensor,
        loss: Tensor,
        seen: Seen,
        moving: Mapping[str, tuple[Tensor, Tensor]],
        figures: Figures,
    ) -> BatchTensors:
        outputs = {end: seen.outputs[end] for end in self.endpoints}
        output_grads, grads = self._gradients(tape, target, outputs)
        scale = self._scale()
        if scale is not None:
            output_grads = {end: unscaled(grad, scale) for end, grad in output_grads.items()}
        after = self._moving()
        bn = {
            name: BnTensors(*seen.moments.get(name, (None, None)), *moving[name], *after[name])
            for name in moving
        }
        order = [name for name in self.built.layers if name in seen.masks]
        return BatchTensors(
            outputs=outputs,
            output_grads={e: g for e, g in output_grads.items() if e not in seen.joined},
            grads=grads,
            bn=bn,
            masks={name: seen.masks[name] for name in order},
            inside={},
            loss=loss,
            regularization=_total(self.model.losses, loss),
            judged=Judged(_data_loss(figures, loss), {}, {}),
        )

    def _judged(self, batch: BatchTensors, figures: Figures) -> BatchTensors:
        metrics: dict[str, Pair] = named_pairs(self.model, figures)
        return batch._replace(judged=batch.judged._replace(metrics=metrics))

    def update(self, grads: Mapping[str, Tensor | None]) -> UpdateTensors:
        """Change the weights; an update that is only accumulated is not one that was skipped."""
        counter = _counter(self.optimizer)
        before = tf.convert_to_tensor(counter)
        found = super().update(grads)
        done = tf.convert_to_tensor(counter) > before
        skipped = None if found.skipped is None else tf.logical_not(done)
        return found._replace(skipped=skipped)

    def _scale(self) -> Tensor | None:
        factor = getattr(self.optimizer, "loss_scale_factor", None)
        if factor is not None and not _scales(self.optimizer):
            return tf.constant(factor, tf.float32)
        return super()._scale()

    def _weights_step(self, data: Any) -> FitPass:
        """The user's own step; weights before and after, and what the optimizer is given."""
        before = {name: tf.convert_to_tensor(v) for name, v in self.trainable.items()}
        rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        scale = self._scale()
        scale = None if scale is None else tf.identity(scale)
        counter = _counter(self.optimizer)
        count = tf.convert_to_tensor(counter)
        with figures_of(self.model) as figures, _given(self.optimizer) as given:
            logs = type(self.model).train_step(self.model, data)
        grads = self._known(given, scale)
        done = tf.convert_to_tensor(counter) > count
        update = UpdateTensors(
            weights=self._changes(before, grads),
            slots={name: tf.convert_to_tensor(value) for name, value in self.slots.items()},
            learning_rate=rate,
            clipped=None,
            loss_scale=scale,
            skipped=None if scale is None else tf.logical_not(done),
        )
        seen = [x for x in figures.losses if _is_here(x)]
        loss = seen[0] if len(seen) == 1 else tf.constant(float("nan"))
        judged = Judged(_data_loss(figures, loss), {}, named_pairs(self.model, figures))
        total = _total(self.model.losses, loss)
        batch = BatchTensors({}, {}, grads, {}, {}, {}, loss, total, judged)
        return FitPass(logs, batch, update, len(seen) == 1)

    def _known(self, given: Mapping[int, Tensor], scale: Tensor | None) -> dict[str, Tensor | None]:
        """The gradients that the optimizer was given, unscaled; None for what it was not."""
        found: dict[str, Tensor | None] = {}
        for name, variable in self.trainable.items():
            grad = given.get(id(variable))
            known = grad if grad is not None and _is_here(grad) else None
            found[name] = known if scale is None else unscaled(known, scale)
        return found

    def _changes(
        self, before: Mapping[str, Tensor], grads: Mapping[str, Tensor | None]
    ) -> dict[str, WeightTensors]:
        return {
            name: WeightTensors(before[name], grads[name], tf.convert_to_tensor(variable))
            for name, variable in self.trainable.items()
        }


def make_fit_core(model: Any, built: Built, *, whole: bool) -> FitCore:
    """The core of a step of `fit`; the optimizer's variables are there already."""
    ends = tuple(built.outputs) if whole else ()
    slots = find_slots(built, model.optimizer)
    return FitCore(built, model.optimizer, Objective(()), model, ends, slots, model, whole)


def batch_size(x: Any) -> Tensor:
    """Number of examples, as Keras counts them."""
    return tf.shape(next(part for part in keras.tree.flatten(x) if part is not None))[0]


@contextmanager
def _given(optimizer: Any) -> Generator[dict[int, Tensor]]:
    """Keep the gradients that an optimizer is given, by the id of the variable."""
    kept: dict[int, Tensor] = {}
    apply = optimizer.apply

    def applied(grads: Sequence[Tensor], variables: Sequence[Any] | None = None) -> Any:
        grads = list(grads)
        known = optimizer._trainable_variables if variables is None else variables
        kept.update({id(v): g for v, g in zip(known, grads, strict=True) if g is not None})
        return apply(grads, variables)

    with replaced(optimizer, "apply", applied):
        yield kept


def _is_here(tensor: Any) -> bool:
    """Whether a tensor can be read outside of the branch or loop that may have made it."""
    values = tensor.values if isinstance(tensor, tf.IndexedSlices) else tensor
    if tf.executing_eagerly():
        return True
    return getattr(values, "graph", None) is tf.compat.v1.get_default_graph()


def _data_loss(figures: Figures, loss: Tensor) -> Tensor:
    seen = [x for x in figures.data_losses if _is_here(x)]
    return (
        seen[0]
        if len(seen) == 1
        else tf.fill(tf.shape(loss), tf.constant(float("nan"), loss.dtype))
    )


def _total(losses: Sequence[Tensor], like: Tensor) -> Tensor:
    if not losses:
        return tf.zeros_like(like)
    return tf.add_n([tf.cast(tf.reduce_sum(loss), like.dtype) for loss in losses])


def _scales(optimizer: Any) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _counter(optimizer: Any) -> Any:
    """The variable that counts what the optimizer was given, also if it only accumulates."""
    inner = optimizer.inner_optimizer if _scales(optimizer) else optimizer
    return inner._iterations
