"""Layers in which every output sees every input, and look-up tables."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, shrunk, single
from opgraph.reference.registry import reference


def all_but_last(x: Array) -> tuple[int, ...]:
    """Every axis but the last one."""
    return tuple(range(x.ndim - 1))


@reference("Dense", activated=True)
def dense(given: Given) -> Computed:
    """Each output is x W + b; its gradient goes back through W^T (Bishop 2006, section 5.3)."""
    x, kernel = given.x, given.weights["kernel"]
    y = x @ kernel
    if "bias" in given.weights:
        y = y + given.weights["bias"]

    def pull(g: Array) -> Pulled:
        rest = all_but_last(x)
        weights = {"kernel": np.tensordot(x, g, (rest, rest))}
        if "bias" in given.weights:
            weights["bias"] = g.sum(axis=rest)
        return Pulled((g @ kernel.T,), weights)

    return single(y, pull)


@reference("EinsumDense", activated=True)
def einsum_dense(given: Given) -> Computed:
    """A sum of products over named axes; each gradient is the sum over the other names."""
    x, kernel = given.x, given.weights["kernel"]
    inputs, rest = cast("Any", given.op).equation.split(",")
    letters, outputs = rest.split("->")
    y = np.einsum(f"{inputs},{letters}->{outputs}", x, kernel, optimize=True)
    if "bias" in given.weights:
        y = y + given.weights["bias"]

    def pull(g: Array) -> Pulled:
        at_input = np.einsum(f"{outputs},{letters}->{inputs}", g, kernel, optimize=True)
        at_kernel = np.einsum(f"{inputs},{outputs}->{letters}", x, g, optimize=True)
        weights = {"kernel": at_kernel}
        if "bias" in given.weights:
            weights["bias"] = shrunk(g, given.weights["bias"].shape)
        return Pulled((at_input,), weights)

    return single(y, pull)


@reference("Embedding")
def embedding(given: Given) -> Computed:
    """The row of each token; a row collects the gradients of all places where it stands."""
    tokens, rows = given.x.astype(np.int64), given.weights["embeddings"]

    def pull(g: Array) -> Pulled:
        gradient = np.zeros_like(rows)
        np.add.at(gradient, tokens, g)
        return Pulled((None,), {"embeddings": gradient})

    return single(rows[tokens], pull)
