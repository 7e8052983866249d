"""Dense layers and look-up tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.story.checks import worked
from opgraph.story.families.activation import applied, before_function, grad_behind
from opgraph.story.families.linear import (
    before_normalisation,
    bias_gradient,
    kernel_gradient,
    pulled_back,
)
from opgraph.story.formula import Num, Over, Sym, add, times
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, say
from opgraph.story.terms import numbers, products
from opgraph.story.view import NodeView, named, wide


@forward("Dense")
def tell_dense(view: NodeView) -> Iterator[Item]:
    """The weighted sum behind one output."""
    if "kernel" not in view.weights:
        yield say("forward.weights_unknown")
        return
    unit = view.at[-1]
    row = view.read()[view.here[:-1]]
    offset = [float(view.weights["bias"][unit])] if "bias" in view.weights else []
    told = products(row, view.weights["kernel"][:, unit], *offset)
    yield say("forward.dense", inputs=len(row), units=view.output.shape[-1], unit=unit)
    if told.rest:
        yield say("forward.rest", shown=len(row) - told.rest, rest=told.rest)
    term = Over("i", times(Sym("x[i]"), Sym(f"kernel[i, {unit}]")))
    formula = add(term, Sym(f"bias[{unit}]")) if offset else term
    yield from applied(view, named(view.name, before_function(view), view.here), formula, told)


@backward("Dense")
def tell_dense_backward(view: NodeView) -> Iterator[Item]:
    """What goes back to one input, to one weight and to one offset."""
    delta = grad_behind(view)
    if delta is None or "kernel" not in view.weights:
        yield say("backward.by_reference")
        return
    if view.input_grad() is not None:
        at = view.input_at()
        told = products(delta[at[:-1]], view.weights["kernel"][at[-1]])
        yield say("backward.dense", units=told.terms, source=view.reads[0].node)
        formula = Over("j", times(Sym("grad[j]"), Sym(f"kernel[{at[-1]}, j]")))
        yield from pulled_back(view, at, formula, told)
    source, unit = at = view.weight_at("kernel")
    x, d = wide(view.read()[..., source]), wide(delta[..., unit])
    yield from kernel_gradient(view, "kernel", at, x, d)
    if "bias" in view.weights:
        (unit,) = view.weight_at("bias")
        yield say("backward.dense_bias", unit=unit)
        if before_normalisation(view):
            yield say("backward.bias_before_bn")
        yield from bias_gradient(view, delta[..., unit], (unit,))


@forward("Embedding")
def tell_embedding(view: NodeView) -> Iterator[Item]:
    """The row that a token stands for."""
    token = int(view.read()[view.here[:-1]])
    row = view.weights["embeddings"][token]
    yield say("forward.embedding", token=token, width=len(row), place=view.here[1:-1])
    value = float(row[view.at[-1]])
    yield worked(
        named(view.name, "output", view.here),
        Sym(f"embeddings[{token}, {view.at[-1]}]"),
        Num(value),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        unit=view.unit,
    )


@backward("Embedding")
def tell_embedding_backward(view: NodeView) -> Iterator[Item]:
    """The gradients of all places where a token stands, added."""
    if view.grad is None:
        yield say("backward.none")
        return
    token, column = at = view.weight_at("embeddings")
    found = np.argwhere(view.read() == token)
    parts = np.array([view.grad[(*place, column)] for place in found], np.float64)
    told = numbers(parts, ["#" + ", ".join(map(str, place)) for place in found.tolist()])
    yield say("backward.embedding", token=token, times=len(parts))
    grad = view.trained("embeddings")
    yield worked(
        named(view.name, "embeddings.grad_share" if view.is_shared else "embeddings.grad", at),
        Over("places", Sym("grad")),
        told.numbers,
        recorded=None if grad is None or view.is_shared else float(grad[at]),
        independent=view.pulled_weight("embeddings", at),
        terms=told.terms,
        scale=told.scale,
        unit=view.unit,
    )
