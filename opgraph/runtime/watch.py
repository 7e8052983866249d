"""Looking into layers while a step is traced: moments of batch normalisation, masks of dropout.

Owns what is replaced on a layer while it is called, and puts it back; changes nothing of what the
layer computes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
Call = tuple[int, int]
ATTENTION = (
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
    keras.layers.Attention,  # and AdditiveAttention
)
COMPARISON = "GreaterEqual"  # how Keras and TensorFlow make a mask out of random numbers


@dataclass
class Watch:
    """What was seen; a call is known by the layer and the tensor that it reads.

    Attributes:
        moments: batch mean and variance of batch normalisations.
        masks: true where a dropout kept its input.
        inside: true where an attention kept one of its weights.
        reading: the tensor that each layer reads now.
    """

    moments: dict[Call, tuple[Tensor, Tensor]] = field(default_factory=dict)
    masks: dict[Call, Tensor] = field(default_factory=dict)
    inside: dict[Call, Tensor] = field(default_factory=dict)
    reading: dict[int, int] = field(default_factory=dict)


@contextmanager
def watched(layer: Any, watch: Watch) -> Generator[None]:
    """Look into a layer while it is called; afterwards it is as it was.

    A layer that hands its input on as it is (`Identity`, dropout of nothing) gets an output of its
    own: the gradient at that output is not the gradient at its input, which others may read too.
    """
    call = layer.call
    if is_dropout(layer):
        call = _kept_mask(layer, call, watch.masks, watch.reading)
    elif isinstance(layer, ATTENTION) and layer.dropout > 0:
        call = _kept_mask(layer, call, watch.inside, watch.reading)
    replaced = {"call": _own_output(layer, call, watch)}
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


def is_dropout(layer: Any) -> bool:
    """Whether a layer draws a mask and hands on what it keeps."""
    return isinstance(layer, keras.layers.Dropout | keras.layers.AlphaDropout)


def _own_output(layer: Any, call: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        given = {id(x) for x in keras.tree.flatten((args, kwargs)) if x is not None}
        if args:
            watch.reading[id(layer)] = id(keras.tree.flatten(args[0])[0])
        result = call(*args, **kwargs)
        return keras.tree.map_structure(lambda x: tf.identity(x) if id(x) in given else x, result)

    return called


def _kept_mask(
    layer: Any, call: Callable[..., Any], masks: dict[Call, Tensor], reading: Mapping[int, int]
) -> Callable[..., Any]:
    """Keep the mask, which the operations that the call adds to the program hold.

    It is the last comparison: those of a causal mask come before the weights are dropped.
    """

    def called(*args: Any, **kwargs: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        before = len(graph.get_operations())
        result = call(*args, **kwargs)
        added = graph.get_operations()[before:]
        found = [operation.outputs[0] for operation in added if operation.type == COMPARISON]
        if found:
            masks[id(layer), reading[id(layer)]] = found[-1]
        return result

    return called


def _kept_moments(layer: Any, moments: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    def called(inputs: Tensor, mask: Tensor | None) -> Any:
        mean, variance = moments(inputs, mask)
        watch.moments[id(layer), watch.reading[id(layer)]] = mean, variance
        return mean, variance

    return called
