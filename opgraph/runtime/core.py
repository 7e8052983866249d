"""The core of a training step: one program that is the same whether or not anything is measured.

Makes every node output, the gradient of the loss at each, every weight before and after the update,
its gradient, the statistics of batch normalisation and the masks of dropout available as tensors.
A step is a forward and backward pass (`Core.batch`), one or several, and an update (`Core.update`).
Owns what is computed; must not know what is reduced, recorded or shown.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import Endpoint
from opgraph.runtime.builder import Built
from opgraph.runtime.objective import Judged, Objective
from opgraph.runtime.watch import Watch, watched

Tensor = Any


class WeightTensors(NamedTuple):
    """A weight in one step; `grad` is None where the loss does not depend on it."""

    before: Tensor
    grad: Tensor | None
    after: Tensor


class BnTensors(NamedTuple):
    """The statistics of a batch normalisation in one step, each (channels,).

    The first two are None for one that takes its moving statistics as they are.
    """

    batch_mean: Tensor | None
    batch_variance: Tensor | None
    moving_mean_before: Tensor
    moving_variance_before: Tensor
    moving_mean: Tensor
    moving_variance: Tensor


class BatchTensors(NamedTuple):
    """What a forward and backward pass makes.

    Attributes:
        outputs: each node's outputs.
        output_grads: gradient of the loss at each; None where there is none.
        grads: gradient of each trainable weight, times the loss scale; None where there is none.
        bn: statistics of batch normalisations, by node.
        masks: what each dropout kept, by node.
        inside: what an attention kept of its weights, by node.
        loss: with regularisation; this batch's share of the loss of the step.
        regularization: the part that regularisers add.
        judged: the loss of each output, and metrics.
    """

    outputs: Mapping[Endpoint, Tensor]
    output_grads: Mapping[Endpoint, Tensor | None]
    grads: Mapping[str, Tensor | None]
    bn: Mapping[str, BnTensors]
    masks: Mapping[str, Tensor]
    inside: Mapping[str, Tensor]
    loss: Tensor
    regularization: Tensor
    judged: Judged


class UpdateTensors(NamedTuple):
    """What the update of a step makes.

    Attributes:
        weights: trainable weights by `node/weight`.
        slots: the optimizer's slots after the update, by `node/weight` and name.
        learning_rate: of this update.
        clipped: the gradients as they were applied, where the optimizer clips them.
        loss_scale: factor on the loss in this step; None without loss scaling.
        skipped: whether the update was left out because a gradient is not finite.
    """

    weights: Mapping[str, WeightTensors]
    slots: Mapping[tuple[str, str], Tensor]
    learning_rate: Tensor
    clipped: Sequence[Tensor] | None
    loss_scale: Tensor | None
    skipped: Tensor | None


@dataclass(frozen=True, eq=False)
class Core:
    """The parts that a step is made of.

    Attributes:
        built: the network.
        optimizer: Keras's; a `LossScaleOptimizer` scales the loss.
        objective: what the network is trained for.
        network: the same network with every output.
        endpoints: what each of them is.
        slots: the optimizer's slots, by `node/weight` and name.
    """

    built: Built
    optimizer: Any
    objective: Objective
    network: Any
    endpoints: tuple[Endpoint, ...]
    slots: Mapping[tuple[str, str], Any]

    def batch(
        self, inputs: Sequence[Tensor], labels: Sequence[Tensor], share: Tensor | None = None
    ) -> BatchTensors:
        """Forward and backward through some examples; called while a `tf.function` is traced.

        Args:
            inputs: one tensor for each Input node.
            labels: one for each output that has a loss.
            share: how much of the step's examples these are; None for all of them.
        """
        moving = self._moving()
        watch = Watch()
        with tf.GradientTape() as tape:
            tape.watch([x for x in inputs if x.dtype.is_floating])
            outputs = self._forward(inputs, watch)
            judged = self.objective.judge(labels, outputs)
            regularization = _total(self.network.losses, judged.loss)
            loss = judged.loss + regularization
            loss = loss if share is None else loss * tf.cast(share, loss.dtype)
            scale = self._scale()
            target = loss if scale is None else loss * tf.cast(scale, loss.dtype)
        output_grads, grads = self._gradients(tape, target, outputs)
        if scale is not None:
            output_grads = {end: unscaled(grad, scale) for end, grad in output_grads.items()}
        return BatchTensors(
            outputs=outputs,
            output_grads=output_grads,
            grads=grads,
            bn=self._statistics(outputs, watch, moving),
            masks=self._masks(outputs, watch.masks),
            inside=self._masks(outputs, watch.inside),
            loss=loss,
            regularization=regularization,
            judged=judged,
        )

    def update(self, grads: Mapping[str, Tensor | None]) -> UpdateTensors:
        """Change the weights; called while a `tf.function` is traced."""
        variables = self.trainable
        before = {name: tf.convert_to_tensor(variable) for name, variable in variables.items()}
        rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        scale = self._scale()
        scale = None if scale is None else tf.identity(scale)
        real = self.of_the_loss(grads)
        iterations = tf.convert_to_tensor(self.optimizer.iterations)
        clipped = self._apply(grads, real)
        done = tf.convert_to_tensor(self.optimizer.iterations) > iterations
        return UpdateTensors(
            weights={
                name: WeightTensors(before[name], real[name], tf.convert_to_tensor(variable))
                for name, variable in variables.items()
            },
            slots={name: tf.convert_to_tensor(value) for name, value in self.slots.items()},
            learning_rate=rate,
            clipped=clipped,
            loss_scale=scale,
            skipped=None if scale is None else tf.logical_not(done),
        )

    def of_the_loss(self, grads: Mapping[str, Tensor | None]) -> Mapping[str, Tensor | None]:
        """Gradients of the reported loss, from those of the scaled one."""
        scale = self._scale()
        if scale is None:
            return grads
        scale = tf.identity(scale)
        return {name: unscaled(grad, scale) for name, grad in grads.items()}

    @property
    def trainable(self) -> dict[str, Any]:
        """Keras variables that training changes, by `node/weight`."""
        return {n: v for n, v in self.built.weight_names.items() if v.trainable}

    @property
    def input_nodes(self) -> frozenset[str]:
        """Names of the Input nodes."""
        return frozenset(node.name for node in self.built.graph if node.kind.category == "input")

    def _scale(self) -> Tensor | None:
        scaling = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        return tf.convert_to_tensor(self.optimizer.dynamic_scale) if scaling else None

    def _forward(self, inputs: Sequence[Tensor], watch: Watch) -> dict[Endpoint, Tensor]:
        with ExitStack() as stack:
            for layer in _unique(self.built.layers.values()):
                stack.enter_context(watched(layer, watch))
            given = inputs[0] if len(inputs) == 1 else list(inputs)
            results = self.network(given, training=True)
        results = results if isinstance(results, list | tuple) else [results]
        return dict(zip(self.endpoints, results, strict=True))

    def _gradients(
        self, tape: Any, loss: Tensor, outputs: Mapping[Endpoint, Tensor]
    ) -> tuple[dict[Endpoint, Tensor | None], dict[str, Tensor | None]]:
        """Gradients at all outputs and of all weights, in one pass."""
        weights = self.trainable
        ends = [end for end, tensor in outputs.items() if tensor.dtype.is_floating]
        sources = [outputs[end] for end in ends] + [v.value for v in weights.values()]
        grads = tape.gradient(loss, sources)
        at_outputs = dict.fromkeys(outputs) | dict(zip(ends, grads[: len(ends)], strict=True))
        return at_outputs, dict(zip(weights, grads[len(ends) :], strict=True))

    def _apply(
        self, grads: Mapping[str, Tensor | None], real: Mapping[str, Tensor | None]
    ) -> Sequence[Tensor] | None:
        """Let the optimizer change the weights; the gradients as clipped, if it clips."""
        known = [name for name, grad in grads.items() if grad is not None]
        if not known:
            raise TraceError(
                "the loss does not depend on any trainable weight, so there is nothing to learn",
                where=self.built.graph.name,
            )
        variables = self.trainable
        given = [grads[name] for name in known]
        with kept_clipping(self.optimizer, [real[name] for name in known]) as clipped:
            self.optimizer.apply(given, [variables[name] for name in known])
        return clipped[0] if clipped else None

    def _moving(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Moving mean and variance of every batch normalisation, by node."""
        return {
            name: (
                tf.convert_to_tensor(layer.moving_mean),
                tf.convert_to_tensor(layer.moving_variance),
            )
            for name, layer in self.built.layers.items()
            if isinstance(layer, keras.layers.BatchNormalization)
        }

    def _statistics(
        self,
        outputs: Mapping[Endpoint, Tensor],
        watch: Watch,
        before: Mapping[str, tuple[Tensor, Tensor]],
    ) -> dict[str, BnTensors]:
        after = self._moving()
        found: dict[str, BnTensors] = {}
        for name in before:
            batch = watch.moments.get(self._call(name, outputs), (None, None))
            found[name] = BnTensors(*batch, *before[name], *after[name])
        return found

    def _masks(
        self, outputs: Mapping[Endpoint, Tensor], masks: Mapping[tuple[int, int], Tensor]
    ) -> dict[str, Tensor]:
        """Masks of dropout, by node, in the order of the graph."""
        if not masks:
            return {}
        calls = {name: self._call(name, outputs) for name in self.built.layers}
        return {name: masks[call] for name, call in calls.items() if call in masks}

    def _call(self, node: str, outputs: Mapping[Endpoint, Tensor]) -> tuple[int, int]:
        """What tells one call of a layer from the others: the layer and what it reads."""
        read = self.built.graph.inputs(node)
        return id(self.built.layers[node]), id(outputs[read[0]]) if read else 0


def make_core(built: Built, optimizer: Any, objective: Objective) -> Core:
    """The core of a step for a model; the optimizer's variables are made here."""
    network, endpoints = built.all_outputs_model()
    optimizer.build(built.model.trainable_variables)
    return Core(
        built, optimizer, objective, network, tuple(endpoints), find_slots(built, optimizer)
    )


def find_slots(built: Built, optimizer: Any) -> dict[tuple[str, str], Any]:
    """The optimizer's variables that belong to a weight, by weight and name of the slot.

    Keras calls them by the path of the weight with `/` replaced, and the name of the slot.
    """
    trainable = {n: v for n, v in built.weight_names.items() if v.trainable}
    starts = {name: f"{v.path.replace('/', '_')}_" for name, v in trainable.items()}
    found: dict[tuple[str, str], Any] = {}
    for variable in optimizer.variables:
        own = [name for name, start in starts.items() if variable.name.startswith(start)]
        if own and variable.shape == trainable[max(own, key=lambda n: len(starts[n]))].shape:
            name = max(own, key=lambda n: len(starts[n]))
            found[name, variable.name.removeprefix(starts[name])] = variable
    return found


@contextmanager
def kept_clipping(optimizer: Any, real: Sequence[Tensor]) -> Generator[list[Sequence[Tensor]]]:
    """Keep what an optimizer makes of the gradients by clipping; nothing if it does not clip.

    With loss scaling the update is a branch of its own, so the clipping is made once more outside.
    """
    kept: list[Sequence[Tensor]] = []
    inner = getattr(optimizer, "inner_optimizer", None)
    clips = inner or optimizer
    if not any((clips.clipnorm, clips.global_clipnorm, clips.clipvalue)):
        yield kept
        return
    clip = clips._clip_gradients  # pyright: ignore[reportPrivateUsage]
    if inner is not None:
        kept.append(clip(real))
        yield kept
        return

    def clipping(grads: Any) -> Any:
        kept.append(clip(grads))
        return kept[-1]

    object.__setattr__(optimizer, "_clip_gradients", clipping)
    try:
        yield kept
    finally:
        object.__delattr__(optimizer, "_clip_gradients")


def unscaled(grad: Tensor | None, scale: Tensor) -> Tensor | None:
    """A gradient of the reported loss; the scale is a power of two, so nothing is rounded."""
    if grad is None:
        return None
    if isinstance(grad, tf.IndexedSlices):
        values: Any = unscaled(grad.values, scale)
        return tf.IndexedSlices(values, grad.indices, grad.dense_shape)
    wide = grad if grad.dtype == tf.float64 else tf.cast(grad, tf.float32)
    return wide / tf.cast(scale, wide.dtype)


def _unique(layers: Iterable[Any]) -> list[Any]:
    """Each layer once; input layers are never called."""
    found = {id(layer): layer for layer in layers}
    return [x for x in found.values() if not isinstance(x, keras.layers.InputLayer)]


def _total(losses: Sequence[Tensor], like: Tensor) -> Tensor:
    if not losses:
        return tf.zeros_like(like)
    return tf.add_n([tf.cast(loss, like.dtype) for loss in losses])
