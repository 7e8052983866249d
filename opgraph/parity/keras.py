"""Keras models; the only module of this package that imports TensorFlow and Keras.

Layers are told from each other by name; of a layer that is called several times each call is a
tensor of its own. Code inside a file is never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from opgraph.errors import ParityError
from opgraph.parity.model import Shape, Tensor
from opgraph.record import Array

# What every configuration has and no result depends on.
UNTOLD = {"name", "trainable", "dtype", "build_config", "batch_shape", "ragged", "sparse"}


class KerasRunner:
    """A functional or sequential Keras model, live or from a `.keras` file.

    Raises:
        ParityError: it cannot be loaded without running code, or it is no graph of layers.
    """

    layers = True

    def __init__(self, model: Any, title: str = "") -> None:
        self._model = model
        self.title = title or f"{model.name} (Keras)"
        if not getattr(model, "inputs", None) or not getattr(model, "operations", None):
            raise ParityError(
                "is no graph of layers: a subclassed model shows no values in between",
                where=self.title,
            )
        self._values: dict[str, Any] = {}
        self._weights: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self.tensors: dict[str, Tensor] = {t.name: t for t in self._collect()}
        self.inputs = tuple(self.tensors[self._names[id(item)]] for item in model.inputs)
        self.outputs = tuple(self._names[id(item)] for item in model.outputs)

    @classmethod
    def from_file(cls, path: Path) -> KerasRunner:
        """The model of a `.keras` or `.h5` file."""
        try:
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise ParityError(f"Keras cannot load it: {words[0]}", where=str(path)) from None
        return cls(model, f"{path.name} (Keras)")

    def _collect(self) -> Iterator[Tensor]:
        """Every output of every layer call that belongs to the model."""
        mine = {id(item) for node in _nodes(self._model) for item in node.outputs}
        for node in _nodes(self._model):
            layer = node.operation
            calls = [n for n in layer._inbound_nodes if any(id(o) in mine for o in n.outputs)]
            call = calls.index(node)
            weights = tuple(self._weigh(layer))
            for port, item in enumerate(node.outputs):
                name = layer.name + (f"@{call}" if call else "") + (f".{port}" if port else "")
                self._values[name] = item
                self._names[id(item)] = name
                reads = tuple(self._names[id(i)] for i in node.input_tensors)
                yield Tensor(
                    name,
                    type(layer).__name__,
                    reads,
                    _shape(item),
                    str(item.dtype),
                    _attributes(layer),
                    weights,
                )

    def _weigh(self, layer: Any) -> Iterator[str]:
        for weight in getattr(layer, "weights", ()):
            name = f"{layer.name}/{weight.path.rsplit('/', 1)[-1]}"
            self._weights[name] = weight
            yield name

    def run(self, feeds: Mapping[str, Array], wanted: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """The wanted tensors of one batch, in inference."""
        made = [name for name in wanted if name not in feeds]
        if made:
            part = keras.Model(self._model.inputs, [self._values[name] for name in made])
            values = part([feeds[t.name] for t in self.inputs], training=False)
            values = values if isinstance(values, list | tuple) else [values]
        else:
            values = []
        got = dict(zip(made, values, strict=True))
        for name in wanted:
            value = feeds[name] if name in feeds else got.pop(name)
            yield name, np.asarray(value)

    def isolate(self, given: Mapping[str, Array], wanted: str) -> Array:
        """A tensor computed from others alone."""
        try:
            part = keras.Model([self._values[name] for name in given], self._values[wanted])
            return np.asarray(part(list(given.values()), training=False))
        except (ValueError, KeyError) as error:
            raise ParityError(f"{wanted} cannot be computed on its own: {error}") from None

    def weight(self, name: str) -> Array:
        """A weight by its name, such as `conv/kernel`."""
        return np.asarray(self._weights[name])


def _nodes(model: Any) -> Iterator[Any]:
    """The calls of a functional model, in topological order."""
    by_depth = getattr(model, "_nodes_by_depth", None)
    if by_depth is None:
        by_depth = model._functional._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def _shape(item: Any) -> Shape:
    return tuple(None if axis is None else int(axis) for axis in item.shape)


def _attributes(layer: Any) -> dict[str, Any]:
    """What of a layer's configuration its result depends on."""
    try:
        config = layer.get_config()
    except (NotImplementedError, TypeError, AttributeError):
        return {}
    return {
        key: value
        for key, value in config.items()
        if key not in UNTOLD
        and not key.endswith(("_initializer", "_regularizer", "_constraint"))
        and isinstance(value, str | int | float | bool | list | tuple | None)
    }
