"""Putting the numbers of a step into one vector.

Owns the order of the vector and who each number belongs to; must not know what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import tensorflow as tf

from opgraph.record import NORM, TENSOR, Block, Layout, Site
from opgraph.runtime.kernels import Reductions, TensorFlowReductions

Tensor = Any


@dataclass
class Packing:
    """Numbers that are packed, and the sites they belong to.

    Tensors of one form are joined before they are flattened: each operation in the step has its
    price, whatever it does.
    """

    reductions: Reductions
    parts: list[tuple[Tensor, tuple[tuple[Site | None, Block], ...]]] = field(default_factory=list)
    shared: list[tuple[Site, Site]] = field(default_factory=list)

    def add(self, numbers: Tensor, *blocks: tuple[Site | None, Block]) -> None:
        """Take numbers that belong to several blocks, one behind the other; None for nobody's."""
        self.parts.append((tf.cast(numbers, tf.float64), blocks))

    def share(self, site: Site, other: Site) -> None:
        """Let a site have the numbers of another one."""
        self.shared.append((site, other))

    def packed(self) -> tuple[Tensor, Layout]:
        """One float64 vector, and what stands where in it."""
        forms: dict[tuple[int, ...], list[Tensor]] = {}
        owners: dict[tuple[int, ...], list[tuple[Site | None, Block]]] = {}
        for numbers, blocks in self.parts:
            form = (numbers.shape.rank, *numbers.shape[1:])
            forms.setdefault(form, []).append(numbers)
            owners.setdefault(form, []).extend(blocks)
        vectors = [_joined(numbers) for numbers in forms.values()]
        vector = tf.concat(vectors, 0) if vectors else tf.zeros((0,), tf.float64)
        placed: list[tuple[Site, Block, int]] = []
        start = 0
        for site, block in chain.from_iterable(owners.values()):
            if site is not None:
                placed.append((site, block, start))
            start += block.size
        known = {site: (block, at) for site, block, at in placed if block in (TENSOR, NORM)}
        for site, other in self.shared:
            known[site] = known[other]
            placed.append((site, *known[site]))
        return vector, Layout(tuple(placed), start)


def _joined(numbers: Sequence[Tensor]) -> Tensor:
    """Tensors of one form as one vector."""
    if numbers[0].shape.rank == 0:
        return tf.stack(list(numbers))
    joined = tf.concat(list(numbers), 0) if len(numbers) > 1 else numbers[0]
    return joined if joined.shape.rank == 1 else tf.reshape(joined, (-1,))


def pack_all(
    reductions: Reductions, pack: Callable[[Reductions], tuple[Tensor, Layout]]
) -> tuple[Tensor, Layout]:
    """Pack by the kernel; by TensorFlow's operations as if all were finite, and again if not.

    Where sums of squares are all that is asked for, they are made once, whatever they come to.

    Args:
        reductions: how tensors are reduced.
        pack: makes the moments by the reductions that it is given.
    """
    if not isinstance(reductions, TensorFlowReductions):
        return pack(reductions)
    plain, layout = pack(replace(reductions, assume_finite=True))
    if not layout.starts_of("nan"):
        return plain, layout
    # One call, not inlined: the executor visits every operation of a branch that is not taken.
    again = tf.function(
        lambda: pack(reductions)[0],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )
    squares = tf.gather(plain, layout.starts_of("sumsq"))
    finite = tf.reduce_all(tf.math.is_finite(squares))
    return tf.cond(finite, lambda: plain, again), layout
