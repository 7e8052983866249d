"""Layers that let each position look at all others.

Scores say how well a query fits a key, their softmax says how much of each value is taken (Vaswani
et al. 2017, arXiv:1706.03762, equation 1).
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled, shrunk
from opgraph.reference.functions import sigmoid, softmax
from opgraph.reference.registry import reference
from opgraph.reference.regularization import drawn


class Attended(NamedTuple):
    """Weighted values, the weights before any is dropped, and the pull.

    `back` takes gradients at the output and the weights to those at scores, value and weights.
    """

    output: Array
    weights: Array
    back: Callable[[Array, Array], tuple[Array, Array, Array]]


def _slots(given: Given) -> tuple[int, int, int]:
    """Which inputs are query, value and key; one that is left out is the one before it."""
    many = len(given.inputs)
    value = min(1, many - 1)
    return 0, value, 2 if many > 2 else value


def _gathered(given: Given, parts: Mapping[int, Array] | list[tuple[int, Array]]) -> Any:
    """Gradients at the inputs; an input in two slots collects both."""
    rows = list(parts.items()) if isinstance(parts, Mapping) else parts
    totals = [np.zeros_like(x) for x in given.inputs]
    for at, gradient in rows:
        totals[at] = totals[at] + gradient
    return tuple(totals)


def _factor(given: Given) -> Array:
    """What the weights are multiplied by: 0 where one was dropped, or else 1 / (1 - rate).

    Raises:
        ReferenceMissingError: it draws, and it is not given what.
    """
    rate = cast("Any", given.op).dropout
    mask = drawn(given, rate)
    return np.ones(1) if mask is None else (np.asarray(mask) != 0) / (1 - rate)


def _visible(op: Any, queries: int, keys: int) -> Array:
    """Which position may look at which: not ahead, and not too far."""
    row, column = np.arange(queries)[:, None], np.arange(keys)
    seen = np.ones((queries, keys), bool)
    if op.use_causal_mask:
        seen &= row >= column
    window = getattr(op, "sliding_window", None)
    return seen if window is None else seen & (np.abs(row - column) < window)


def _attend(
    scores: Array, value: Array, equation: str, axes: tuple[int, ...], factor: Array
) -> Attended:
    """Softmax of the scores, times what dropout makes of it, and the values weighted by it."""
    weights, softmax_back = softmax(scores, axes)
    taken = weights * factor
    left, output = equation.split("->")
    of_weights, of_value = left.split(",")

    def back(g: Array, at_weights: Array) -> tuple[Array, Array, Array]:
        through = np.einsum(f"{output},{of_value}->{of_weights}", g, value, optimize=True)
        at_value = np.einsum(f"{output},{of_weights}->{of_value}", g, taken, optimize=True)
        whole = through * factor + at_weights
        return softmax_back(whole), at_value, whole

    return Attended(np.einsum(equation, taken, value, optimize=True), weights, back)


class _Projection:
    """An inner EinsumDense: the last axes of its input times a kernel, plus a bias."""

    def __init__(self, given: Given, name: str, x: Array, axes: int = 1) -> None:
        self.name, self.x, self.axes = name, x, axes
        self.kernel = given.weights[f"{name}/kernel"]
        self.bias = given.weights.get(f"{name}/bias")
        y = np.tensordot(x, self.kernel, axes)
        self.y = y if self.bias is None else y + self.bias

    def back(self, g: Array) -> tuple[Array, dict[str, Array]]:
        """Gradients at the input and the weights."""
        outer = tuple(range(self.x.ndim - self.axes))
        weights = {f"{self.name}/kernel": np.tensordot(self.x, g, (outer, outer))}
        if self.bias is not None:
            weights[f"{self.name}/bias"] = shrunk(g, self.bias.shape)
        last = self.kernel.ndim - self.axes
        places = list(range(g.ndim - last, g.ndim)), list(range(self.axes, self.kernel.ndim))
        return np.tensordot(g, self.kernel, places), weights


def _letters(op: Any, rank: int) -> tuple[str, str, str, int]:
    """Letters of query, key and scores, as (batch, positions, heads, channels); attended axes."""
    query = string.ascii_lowercase[:rank]
    chosen = getattr(op, "attention_axes", None)
    numbers = chosen if isinstance(chosen, tuple) else (chosen,)
    given: list[int] = [a if a >= 0 else rank - 1 + a for a in numbers if a is not None]
    axes = given if chosen is not None else list(range(1, rank - 2))
    key = "".join(c.upper() if at in axes else c for at, c in enumerate(query))
    outer = [c for at, c in enumerate(query[:-1]) if at not in axes]
    scores = "".join([*outer, *(query[a] for a in axes), *(key[a] for a in axes)])
    return query, key, scores, len(axes)


def _hidden(op: Any, scores: Array, axes: int) -> Array:
    """The scores, -inf where a position may not look."""
    if axes == 1:
        return np.where(_visible(op, *scores.shape[-2:]), scores, -np.inf)
    if op.use_causal_mask or op.sliding_window:
        raise ReferenceMissingError(
            f"there is no independent computation of {op!r}: a mask over several axes"
        )
    return scores


def _multi_head(given: Given, depth: int, repeats: int) -> Computed:
    """Projected query, key and value, attention in each head, and the output projection."""
    op, factor = cast("Any", given.op), _factor(given)
    slots = _slots(given)
    inputs = [given.inputs[at] for at in slots]
    query, value, key = (
        _Projection(given, name, x)
        for name, x in zip(("query", "value", "key"), inputs, strict=True)
    )
    k, v = (np.repeat(p.y, repeats, axis=-2) for p in (key, value))
    of_query, of_key, of_scores, many = _letters(op, query.y.ndim)
    scale = 1 / math.sqrt(depth)
    scores = np.einsum(f"{of_query},{of_key}->{of_scores}", query.y * scale, k, optimize=True)
    scores = _hidden(op, scores, many)
    axes = tuple(range(-many, 0))
    attended = _attend(scores, v, f"{of_scores},{of_key}->{of_query}", axes, factor)
    gate = _Projection(given, "gate", inputs[0]) if op.use_gate else None
    opened = sigmoid(gate.y) if gate else np.ones(1)
    output = _Projection(given, "attention_output", attended.output * opened, axes=2)

    def pull(gradients: Any) -> Pulled:
        at_context, weights = output.back(gradients[0])
        at_weights = gradients[1] if op.return_attention_scores else np.zeros(1)
        at_scores, at_v, at_p = attended.back(at_context * opened, at_weights)
        at_q = np.einsum(f"{of_scores},{of_key}->{of_query}", at_scores, k, optimize=True) * scale
        at_k = np.einsum(f"{of_scores},{of_query}->{of_key}", at_scores, query.y, optimize=True)
        pulls = [(slots[0], query, at_q)]
        pulls += [(slots[1], value, _unrepeated(at_v, repeats))]
        pulls += [(slots[2], key, _unrepeated(at_k * scale, repeats))]
        if gate:
            pulls.append((0, gate, at_context * attended.output * opened * (1 - opened)))
        inside = {"scores": at_scores, "probabilities": at_p}
        return _pull_projections(given, pulls, weights, inside)

    parts = {"query": query.y, "key": key.y, "value": value.y, "scores": scores}
    parts |= {"probabilities": attended.weights, "context": attended.output}
    shown = (attended.weights,) if op.return_attention_scores else ()
    return Computed((output.y, *shown), pull, parts)


def _pull_projections(
    given: Given,
    pulls: list[tuple[int, _Projection, Array]],
    weights: dict[str, Array],
    inside: dict[str, Array],
) -> Pulled:
    """Gradients at the inputs and weights from those behind the projections of some inputs."""
    rows: list[tuple[int, Array]] = []
    for slot, projection, g in pulls:
        at_input, own = projection.back(g)
        rows.append((slot, at_input))
        weights |= own
        inside[projection.name] = g
    return Pulled(_gathered(given, rows), weights, inside)


def _unrepeated(g: Array, repeats: int) -> Array:
    """The gradient at heads that were repeated."""
    return g.reshape(*g.shape[:-2], -1, repeats, g.shape[-1]).sum(axis=-2)


@reference("MultiHeadAttention")
def multi_head_attention(given: Given) -> Computed:
    """Weighted means of values, in several heads (Vaswani et al. 2017).

    Parts: `query`, `key`, `value` after their projections, `scores` (already divided by the root of
    `key_dim`; -inf where a position may not look), `probabilities`, `context`. Those of the pull:
    `query`, `key`, `value`, `scores`, `probabilities`.
    """
    return _multi_head(given, cast("Any", given.op).key_dim, 1)


@reference("GroupedQueryAttention")
def grouped_query_attention(given: Given) -> Computed:
    """Attention whose queries share keys and values in groups (Ainslie et al. 2023).

    Parts: as for MultiHeadAttention.
    """
    op = cast("Any", given.op)
    return _multi_head(given, op.head_dim, op.num_query_heads // op.num_key_value_heads)


Scored = tuple[Array, Callable[[Array], tuple[Array, Array, dict[str, Array]]]]


def _dot_scores(given: Given, query: Array, key: Array) -> Scored:
    """The query times the key, times a learned number (Luong et al. 2015)."""
    scale = given.weights.get("scale", np.ones(()))
    plain = query @ np.swapaxes(key, -1, -2)

    def back(g: Array) -> tuple[Array, Array, dict[str, Array]]:
        weights = {"scale": np.asarray((g * plain).sum())} if "scale" in given.weights else {}
        return (g @ key) * scale, (np.swapaxes(g, -1, -2) @ query) * scale, weights

    return plain * scale, back


def _tanh_scores(given: Given, query: Array, key: Array) -> Scored:
    """The sum over channels of tanh(query + key), weighted (Bahdanau et al. 2015).

    AdditiveAttention weighs each channel by `scale`; Attention with `concat` multiplies query + key
    by `scale` and the sum by `concat_score_weight`.
    """
    scale = given.weights.get("scale", np.ones(()))
    outer = given.weights.get("concat_score_weight")
    within = np.ones(()) if outer is None else scale
    weight = scale if outer is None else outer
    added = query[..., :, None, :] + key[..., None, :, :]
    squashed = np.tanh(within * added)

    def back(g: Array) -> tuple[Array, Array, dict[str, Array]]:
        at_squashed = g[..., None] * weight
        inner = at_squashed * (1 - squashed**2)
        weights: dict[str, Array] = {}
        if outer is not None:
            weights["concat_score_weight"] = np.asarray((g[..., None] * squashed).sum())
        if "scale" in given.weights:
            at_scale = g[..., None] * squashed if outer is None else inner * added
            weights["scale"] = shrunk(at_scale, scale.shape)
        at_added = inner * within
        return at_added.sum(axis=-2), at_added.sum(axis=-3), weights

    return (weight * squashed).sum(axis=-1), back


@reference("Attention", "AdditiveAttention")
def attention(given: Given) -> Computed:
    """Weighted means of values, by the products or by a learned sum of query and key.

    Parts, and those of the pull: `scores`, `probabilities`.
    """
    op, slots, factor = cast("Any", given.op), _slots(given), _factor(given)
    query, value, key = (given.inputs[at] for at in slots)
    dots = op.kind == "Attention" and op.score_mode == "dot"
    scores, score_back = (_dot_scores if dots else _tanh_scores)(given, query, key)
    scores = np.where(_visible(op, *scores.shape[-2:]), scores, -np.inf)
    attended = _attend(scores, value, "...qk,...kc->...qc", (-1,), factor)

    def pull(gradients: Any) -> Pulled:
        at_weights = gradients[1] * factor if op.return_attention_scores else np.zeros(1)
        at_scores, at_value, at_p = attended.back(gradients[0], at_weights)
        at_query, at_key, weights = score_back(at_scores)
        rows = [(slots[0], at_query), (slots[1], at_value), (slots[2], at_key)]
        own = {"scores": at_scores, "probabilities": at_p}
        return Pulled(_gathered(given, rows), weights, own)

    shown = (attended.weights * factor,) if op.return_attention_scores else ()
    parts = {"scores": scores, "probabilities": attended.weights}
    return Computed((attended.output, *shown), pull, parts)
