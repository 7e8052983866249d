"""SavedModels, run by TensorFlow; beside `keras` the only module here that imports it.

A SavedModel holds programs: it is run here because the user names it, and nowhere else. The
signature is frozen into one graph, whose tensors are then read by pruning it to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from opgraph.errors import ParityError
from opgraph.parity.model import Shape, Tensor
from opgraph.record import Array

SIGNATURE = "serving_default"
# What hands values on or feeds them, and is no operation of the network.
SILENT = {"Identity", "NoOp", "Const", "Placeholder"}


class SavedRunner:
    """A SavedModel directory.

    Raises:
        ParityError: it cannot be loaded or has no serving signature.
    """

    layers = False

    def __init__(self, path: Path) -> None:
        self.title = f"{path.name} (TensorFlow)"
        try:
            self._kept = tf.saved_model.load(str(path))
            signature = self._kept.signatures[SIGNATURE]
        except (OSError, ValueError, KeyError) as error:
            raise ParityError(f"TensorFlow cannot load it: {error}", where=str(path)) from None
        self._frozen: Any = convert_variables_to_constants_v2(signature)
        fed = [item for item in self._frozen.inputs if item.dtype != tf.resource]
        self.inputs = tuple(self._tensor(item, "Input") for item in fed)
        self._alias: dict[str, str] = {tensor.name: tensor.name for tensor in self.inputs}
        self.tensors = {t.name: t for t in (*self.inputs, *self._made())}
        self.outputs = tuple(self._alias[item.name] for item in self._frozen.outputs)

    def _made(self) -> Iterator[Tensor]:
        for op in self._frozen.graph.get_operations():
            if op.type == "Identity" and op.inputs[0].name in self._alias:
                self._alias[op.outputs[0].name] = self._alias[op.inputs[0].name]
            reads = tuple(self._alias[i.name] for i in op.inputs if i.name in self._alias)
            if op.type in SILENT or not reads:
                continue
            weights = tuple(i.name for i in op.inputs if i.name not in self._alias)
            for item in op.outputs:
                if item.dtype.is_floating:
                    self._alias[item.name] = item.name
                    yield self._tensor(item, op.type, reads, weights)

    def _tensor(
        self, item: Any, kind: str, reads: tuple[str, ...] = (), weights: tuple[str, ...] = ()
    ) -> Tensor:
        return Tensor(item.name, kind, reads, _shape(item), item.dtype.name, {}, weights)

    def run(self, feeds: Mapping[str, Array], wanted: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """The wanted tensors of one batch."""
        graph = self._frozen.graph
        made = [name for name in wanted if name not in feeds]
        program = self._frozen.prune(
            [graph.get_tensor_by_name(t.name) for t in self.inputs],
            [graph.get_tensor_by_name(name) for name in made],
        )
        values = program(*[tf.constant(feeds[t.name]) for t in self.inputs]) if made else []
        got = dict(zip(made, values, strict=True))
        for name in wanted:
            yield name, np.asarray(feeds[name] if name in feeds else got.pop(name))

    def isolate(self, given: Mapping[str, Array], wanted: str) -> Array:
        """A tensor computed from others alone."""
        graph = self._frozen.graph
        try:
            program = self._frozen.prune(
                [graph.get_tensor_by_name(name) for name in given],
                [graph.get_tensor_by_name(wanted)],
            )
            return np.asarray(program(*[tf.constant(array) for array in given.values()])[0])
        except (ValueError, KeyError, tf.errors.OpError) as error:
            raise ParityError(f"{wanted} cannot be computed on its own: {error}") from None

    def weight(self, name: str) -> Array:
        """A constant by its name."""
        program = self._frozen.prune([], [self._frozen.graph.get_tensor_by_name(name)])
        return np.asarray(program()[0])


def _shape(item: Any) -> Shape | None:
    if item.shape.rank is None:
        return None
    return tuple(None if axis is None else int(axis) for axis in item.shape.as_list())
