"""Which ops have a reference, and asking one of them.

Owns the table of references and the checks of what goes in and out; the formulas stand in one file
for each family.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from opgraph.errors import ReferenceMissingError, ShapeError
from opgraph.ops import Op, kinds
from opgraph.reference.computed import Array, Computed, Given, Pulled
from opgraph.reference.functions import apply_function

Reference = Callable[[Given], Computed]
FAMILIES = (
    "activation",
    "adaptive",
    "attention",
    "convolution",
    "dense",
    "merge",
    "normalization",
    "pooling",
    "preprocessing",
    "recurrent",
    "regularization",
    "separable",
    "shaping",
    "source",
    "transposed",
    "wrapper",
)
_REFERENCES: dict[str, Reference] = {}


def reference(*names: str, activated: bool = False) -> Callable[[Reference], Reference]:
    """File a function as the reference of ops.

    Args:
        names: the kinds of the ops.
        activated: whether the function leaves the op's attribute `activation` to be applied.
    """

    def register(function: Reference) -> Reference:
        for name in names:
            _REFERENCES[name] = _with_activation(function) if activated else function
        return function

    return register


@cache
def _load() -> None:
    for family in FAMILIES:
        importlib.import_module(f"opgraph.reference.{family}")


def has_reference(kind: str) -> bool:
    """Whether an op can be computed without TensorFlow.

    >>> has_reference("Conv2D"), has_reference("Opaque")
    (True, False)
    """
    _load()
    return kind in _REFERENCES


def missing() -> list[str]:
    """The ops of the library that have no reference, in the order of the library."""
    return [kind.kind for kind in kinds() if not has_reference(kind.kind)]


def compute(given: Given) -> Computed:
    """Compute an op in float64, independently of TensorFlow.

    Raises:
        ReferenceMissingError: there is no formula for this op, or for these attributes of it, or
            it draws random numbers that are not given.
        ShapeError: inputs, weights or gradients have not the shapes that the op says.

    >>> from opgraph.ops import require
    >>> relu = Given(require("ReLU")(), (np.array([[-1.0, 2.0]]),))
    >>> computed = compute(relu)
    >>> computed.outputs[0], computed.pull([np.array([[5.0, 5.0]])]).inputs[0]
    (array([[0., 2.]]), array([[0., 5.]]))
    """
    kind = given.op.kind
    if not has_reference(kind):
        raise ReferenceMissingError(
            f"there is no independent computation of {kind}",
            hint="what was recorded can still be shown; add one with @opgraph.reference.reference",
        )
    _check(given.op, given.inputs, given.weights)
    weights = {name: np.asarray(array, np.float64) for name, array in given.weights.items()}
    inputs = tuple(_precise(array) for array in given.inputs)
    computed = _REFERENCES[kind](replace(given, inputs=inputs, weights=weights))
    return replace(computed, pull=_checked(computed))


def _precise(array: Array) -> Array:
    """The array in float64; whole numbers, which are looked up, stay what they are."""
    return array if np.issubdtype(array.dtype, np.integer) else np.asarray(array, np.float64)


def _check(op: Op, inputs: Sequence[Array], weights: Mapping[str, Array]) -> None:
    if op.category == "input":
        return
    _, fewest, most = op.slots()
    if len(inputs) < fewest or (most is not None and len(inputs) > most):
        raise ShapeError(f"{op.kind} takes {fewest} inputs or more, received {len(inputs)}")
    shapes = [array.shape[1:] for array in inputs]
    op.shape(*shapes)
    expected = {name: weight.shape for name, weight in (op.weights(*shapes) or {}).items()}
    received = {name: np.shape(array) for name, array in weights.items()}
    if received != expected:
        raise ShapeError(f"{op.kind} has the weights {expected}, received {received}")


def _checked(computed: Computed) -> Callable[[Sequence[Any]], Pulled]:
    """The pull with full gradients: zeros where there is none."""

    def pull(gradients: Sequence[Any]) -> Pulled:
        if len(gradients) != len(computed.outputs):
            expected, received = len(computed.outputs), len(gradients)
            raise ShapeError(f"expected a gradient for each of {expected} outputs, got {received}")
        return computed.pull(
            [_gradient(g, output) for g, output in zip(gradients, computed.outputs, strict=True)]
        )

    return pull


def _gradient(gradient: Array | None, output: Array) -> Array:
    if gradient is None:
        return np.zeros_like(output)
    if np.shape(gradient) != output.shape:
        raise ShapeError(
            f"a gradient has the shape of its output, {output.shape}, received {np.shape(gradient)}"
        )
    return np.asarray(gradient, np.float64)


def _with_activation(function: Reference) -> Reference:
    """The reference followed by the function that the op's `activation` names."""

    def activated(given: Given) -> Computed:
        plain = function(given)
        name = getattr(given.op, "activation", None)
        if name is None:
            return plain
        (before,) = plain.outputs
        output, back = apply_function(name, before)
        return Computed(
            (output,),
            lambda gradients: plain.pull([back(gradients[0])]),
            {**plain.parts, "before_activation": before},
            plain.moved,
        )

    return activated
