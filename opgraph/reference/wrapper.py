"""Layers around another layer: the reference of the inner op, called once or for each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled
from opgraph.reference.registry import compute, reference


def _inner(given: Given, op: Any, inputs: tuple[Array, ...], scope: str) -> Computed:
    """The wrapped op with its own weights, whose names begin with the scope."""
    weights = {
        name.removeprefix(scope): array
        for name, array in given.weights.items()
        if name.startswith(scope)
    }
    return compute(replace(given, op=op, inputs=inputs, weights=weights, mask=None))


def _scope(given: Given, start: str = "") -> str:
    """What the names of the inner weights begin with: the first part that begins like this."""
    found = [name.split("/")[0] for name in given.weights if name.startswith(start)]
    return f"{found[0]}/" if found else "/"


def _below(scope: str, arrays: Any) -> dict[str, Array]:
    return {f"{scope}{name}": array for name, array in arrays.items()}


@reference("TimeDistributed")
def time_distributed(given: Given) -> Computed:
    """The inner op on each step, as if the steps were further examples.

    Raises:
        ReferenceMissingError: the inner op knows its batch: Keras calls it for each step in turn.
    """
    inner, x = cast("Any", given.op).inner, given.x
    if inner.kind == "BatchNormalization" and given.training:
        raise ReferenceMissingError(
            f"there is no independent computation of {given.op!r} in training",
            hint="compute with training=False",
        )
    scope = _scope(given)
    once = replace(given, steps=None)
    computed = _inner(once, inner, (x.reshape(-1, *x.shape[2:]),), scope)
    (y,) = computed.outputs

    def pull(gradients: Any) -> Pulled:
        pulled = computed.pull([gradients[0].reshape(y.shape)])
        (at_input,) = pulled.inputs
        back = None if at_input is None else at_input.reshape(x.shape)
        return Pulled((back,), _below(scope, pulled.weights))

    return Computed((y.reshape(*x.shape[:2], *y.shape[1:]),), pull)


MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": np.add,
    "ave": lambda a, b: (a + b) / 2,
    "mul": np.multiply,
}


def _unmerged(mode: str, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Gradients at the outputs of both ways."""
    if mode == "concat":
        return g[..., : a.shape[-1]], g[..., a.shape[-1] :]
    if mode == "mul":
        return g * b, g * a
    return (g / 2, g / 2) if mode == "ave" else (g, g)


def _both(there: Any, back: Any) -> dict[str, Array]:
    return _below("forward_", there) | _below("backward_", back)


@reference("Bidirectional")
def bidirectional(given: Given) -> Computed:
    """A sequence read in both directions (Schuster & Paliwal 1997).

    Parts: those of both ways, behind `forward_` and `backward_`, each in its order of reading.
    """
    op = cast("Any", given.op)
    back_op = op.backward or type(op.inner)(**{**op.inner.values(), "go_backwards": True})
    half = (len(given.inputs) - 1) // 2
    states = given.inputs[1 : 1 + half], given.inputs[1 + half :]
    scopes = _scope(given, "forward_"), _scope(given, "backward_")
    ways = [
        _inner(given, inner, (given.x, *start), scope)
        for inner, start, scope in zip((op.inner, back_op), states, scopes, strict=True)
    ]
    turn = op.inner.return_sequences
    first, second = ways[0].outputs[0], ways[1].outputs[0]
    second = second[:, ::-1] if turn else second
    merged = (MERGES[op.merge_mode](first, second),) if op.merge_mode else (first, second)
    more = len(ways[0].outputs) - 1

    def pull(gradients: Any) -> Pulled:
        heads = gradients[: len(merged)]
        a, b = _unmerged(op.merge_mode, heads[0], first, second) if op.merge_mode else heads
        rest = gradients[len(merged) :]
        there = ways[0].pull([a, *rest[:more]])
        back = ways[1].pull([b[:, ::-1] if turn else b, *rest[more:]])
        total = cast("Array", there.inputs[0]) + cast("Array", back.inputs[0])
        weights = _below(scopes[0], there.weights) | _below(scopes[1], back.weights)
        parts = _both(there.parts, back.parts)
        return Pulled((total, *there.inputs[1:], *back.inputs[1:]), weights, parts)

    parts = _both(ways[0].parts, ways[1].parts)
    return Computed((*merged, *ways[0].outputs[1:], *ways[1].outputs[1:]), pull, parts)
