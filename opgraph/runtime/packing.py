"""Putting the numbers of a step into one vector.

Owns the order of the vector and who each number belongs to; must not know what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

import tensorflow as tf

from opgraph.record import NORM, TENSOR, Block, Layout, Site
from opgraph.runtime.kernels import Reductions, TensorFlowReductions

Tensor = Any


class _Part(NamedTuple):
    """Numbers, and what they are the numbers of."""

    numbers: Tensor
    blocks: tuple[tuple[Site | None, Block], ...]
    halved: bool

    @property
    def form(self) -> tuple[Any, ...]:
        """What tensors that are joined have in common."""
        shape = self.numbers.shape
        return (self.halved, self.numbers.dtype, shape.rank, *shape[1:])


@dataclass
class Packing:
    """Numbers that are packed, and the sites they belong to.

    Tensors of one form are joined before they are flattened: each operation in the step has its
    price, whatever it does.
    """

    reductions: Reductions
    parts: list[_Part] = field(default_factory=list[_Part])
    shared: list[tuple[Site, Site]] = field(default_factory=list)

    def add(
        self, numbers: Tensor, *blocks: tuple[Site | None, Block], halved: bool = False
    ) -> None:
        """Take numbers that belong to several blocks, one behind the other.

        Args:
            numbers: of any float type.
            blocks: site and block; None for nobody's.
            halved: whether twice the numbers are meant.
        """
        self.parts.append(_Part(numbers, blocks, halved))

    def share(self, site: Site, other: Site) -> None:
        """Let a site have the numbers of another one."""
        self.shared.append((site, other))

    def packed(self) -> tuple[Tensor, Layout]:
        """One float64 vector, and what stands where in it."""
        forms: dict[Any, list[_Part]] = {}
        for part in self.parts:
            forms.setdefault(part.form, []).append(part)
        vectors = [_joined(parts) for parts in forms.values()]
        vector = tf.concat(vectors, 0) if vectors else tf.zeros((0,), tf.float64)
        placed: list[tuple[Site, Block, int]] = []
        start = 0
        for site, block in (owner for part in chain(*forms.values()) for owner in part.blocks):
            if site is not None:
                placed.append((site, block, start))
            start += block.size
        known = {site: (block, at) for site, block, at in placed if block in (TENSOR, NORM)}
        for site, other in self.shared:
            known[site] = known[other]
            placed.append((site, *known[site]))
        return vector, Layout(tuple(placed), start)


def _joined(parts: Sequence[_Part]) -> Tensor:
    """Tensors of one form as one vector."""
    numbers = [part.numbers for part in parts]
    if numbers[0].shape.rank == 0:
        joined = tf.stack(numbers)
    else:
        joined = tf.concat(numbers, 0) if len(numbers) > 1 else numbers[0]
        joined = joined if joined.shape.rank == 1 else tf.reshape(joined, (-1,))
    wide = tf.cast(joined, tf.float64)
    return 2 * wide if parts[0].halved else wide


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
