"""The core of a training step: one program that is the same whether or not anything is measured.

Makes every node output, the gradient of the loss at each, every weight before and after the update,
its gradient, and the statistics of batch normalisation available as tensors. Owns what is computed;
must not know what is reduced, recorded or shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import Endpoint
from opgraph.runtime.builder import Built
from opgraph.runtime.objective import Objective

Tensor = Any


class WeightTensors(NamedTuple):
    """A weight in one step; `grad` is None where the loss does not depend on it."""

    before: Tensor
    grad: Tensor | None
    after: Tensor
    update: Tensor


class BnTensors(NamedTuple):
    """The statistics of a batch normalisation in one step, each (channels,)."""

    batch_mean: Tensor
    batch_variance: Tensor
    moving_mean_before: Tensor
    moving_variance_before: Tensor
    moving_mean: Tensor
    moving_variance: Tensor


@dataclass(frozen=True)
class CoreTensors:
    """Everything that one step makes available.

    Attributes:
        inputs: names of the Input nodes.
        outputs: each node's outputs.
        output_grads: gradient of the loss at each; None where there is none.
        weights: trainable weights by `node/weight`.
        bn: statistics of batch normalisations, by node.
        loss: with regularisation.
        regularization: the part that regularisers add.
        correct: examples whose class was told rightly, before the update.
        predictions: how many were asked for.
        learning_rate: of this update.
    """

    inputs: frozenset[str]
    outputs: Mapping[Endpoint, Tensor]
    output_grads: Mapping[Endpoint, Tensor | None]
    weights: Mapping[str, WeightTensors]
    bn: Mapping[str, BnTensors]
    loss: Tensor
    regularization: Tensor
    correct: Tensor
    predictions: Tensor
    learning_rate: Tensor


@dataclass
class Watch:
    """What is seen inside layers while the step is traced: moments, by layer and input tensor."""

    moments: dict[tuple[int, int], tuple[Tensor, Tensor]] = field(default_factory=dict)
    reading: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Core:
    """The parts that a step is made of."""

    built: Built
    optimizer: Any
    objective: Objective
    network: Any
    endpoints: tuple[Endpoint, ...]

    def run(self, inputs: Sequence[Tensor], labels: Tensor) -> CoreTensors:
        """One update of all trainable weights; called while a `tf.function` is traced."""
        weights = self._trainable()
        before = {name: tf.convert_to_tensor(variable) for name, variable in weights.items()}
        moving = self._moving()
        rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        watch = Watch()
        with tf.GradientTape() as tape:
            tape.watch([x for x in inputs if x.dtype.is_floating])
            outputs = self._forward(inputs, watch)
            answer = outputs[self.objective.endpoint]
            data_loss = self.objective.value(labels, answer)
            regularization = _total(self.network.losses, data_loss)
            loss = data_loss + regularization
        output_grads, grads = self._gradients(tape, loss, outputs, weights)
        self._apply(grads, weights)
        after = {name: tf.convert_to_tensor(variable) for name, variable in weights.items()}
        found = self.objective.predictions(answer)
        graph = self.built.graph
        return CoreTensors(
            inputs=frozenset(node.name for node in graph if node.kind.category == "input"),
            outputs=outputs,
            output_grads=output_grads,
            weights={
                name: WeightTensors(before[name], grads[name], value, value - before[name])
                for name, value in after.items()
            },
            bn=self._statistics(outputs, watch, moving),
            loss=loss,
            regularization=regularization,
            correct=tf.math.count_nonzero(tf.equal(found, tf.cast(labels, found.dtype))),
            predictions=tf.size(labels, out_type=tf.int64),
            learning_rate=rate,
        )

    def _trainable(self) -> dict[str, Any]:
        """Keras variables that training changes, by `node/weight`."""
        return {n: v for n, v in self.built.weight_names.items() if v.trainable}

    def _forward(self, inputs: Sequence[Tensor], watch: Watch) -> dict[Endpoint, Tensor]:
        with ExitStack() as stack:
            for layer in _unique(self.built.layers.values()):
                stack.enter_context(_watched(layer, watch))
            given = inputs[0] if len(inputs) == 1 else list(inputs)
            results = self.network(given, training=True)
        results = results if isinstance(results, list | tuple) else [results]
        return dict(zip(self.endpoints, results, strict=True))

    def _gradients(
        self, tape: Any, loss: Tensor, outputs: Mapping[Endpoint, Tensor], weights: dict[str, Any]
    ) -> tuple[dict[Endpoint, Tensor | None], dict[str, Tensor | None]]:
        """Gradients at all outputs and of all weights, in one pass."""
        ends = [end for end, tensor in outputs.items() if tensor.dtype.is_floating]
        sources = [outputs[end] for end in ends] + [v.value for v in weights.values()]
        grads = tape.gradient(loss, sources)
        at_outputs = dict.fromkeys(outputs) | dict(zip(ends, grads[: len(ends)], strict=True))
        return at_outputs, dict(zip(weights, grads[len(ends) :], strict=True))

    def _apply(self, grads: Mapping[str, Tensor | None], weights: Mapping[str, Any]) -> None:
        pairs = [(grad, weights[name]) for name, grad in grads.items() if grad is not None]
        if not pairs:
            raise TraceError(
                "the loss does not depend on any trainable weight, so there is nothing to learn",
                where=self.built.graph.name,
            )
        self.optimizer.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])

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
            source = outputs[self.built.graph.inputs(name)[0]]
            batch = watch.moments.get((id(self.built.layers[name]), id(source)))
            if batch is not None:
                found[name] = BnTensors(*batch, *before[name], *after[name])
        return found


def make_core(built: Built, optimizer: Any, objective: Objective) -> Core:
    """The core of a step for a model; the optimizer's variables are made here."""
    network, endpoints = built.all_outputs_model()
    optimizer.build(built.model.trainable_variables)
    return Core(built, optimizer, objective, network, tuple(endpoints))


@contextmanager
def _watched(layer: Any, watch: Watch) -> Generator[None]:
    """Look into a layer while it is called; afterwards it is as it was.

    A layer that hands its input on as it is (`Identity`, dropout of nothing) gets an output of its
    own: the gradient at that output is not the gradient at its input, which others may read too.
    """
    replaced = {"call": _own_output(layer, layer.call, watch)}
    if isinstance(layer, keras.layers.BatchNormalization):
        replaced["_moments"] = _kept_moments(layer, layer._moments, watch)  # pyright: ignore[reportPrivateUsage]
    kept = {name: vars(layer)[name] for name in replaced if name in vars(layer)}
    for name, function in replaced.items():
        object.__setattr__(layer, name, function)
    try:
        yield
    finally:
        for name in replaced:
            object.__delattr__(layer, name)
        for name, function in kept.items():
            object.__setattr__(layer, name, function)


def _own_output(layer: Any, call: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        given = {id(x) for x in keras.tree.flatten((args, kwargs)) if x is not None}
        if args:
            watch.reading[id(layer)] = id(args[0])
        result = call(*args, **kwargs)
        return keras.tree.map_structure(lambda x: tf.identity(x) if id(x) in given else x, result)

    return called


def _kept_moments(layer: Any, moments: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    def called(inputs: Tensor, mask: Tensor | None) -> Any:
        mean, variance = moments(inputs, mask)
        watch.moments[id(layer), watch.reading[id(layer)]] = mean, variance
        return mean, variance

    return called


def _unique(layers: Iterable[Any]) -> list[Any]:
    """Each layer once; input layers are never called."""
    found = {id(layer): layer for layer in layers}
    return [x for x in found.values() if not isinstance(x, keras.layers.InputLayer)]


def _total(losses: Sequence[Tensor], like: Tensor) -> Tensor:
    if not losses:
        return tf.zeros_like(like)
    return tf.add_n([tf.cast(loss, like.dtype) for loss in losses])
