"""What an op computes from, and what came out, as data.

Owns the form in which references are asked and answer; knows no op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from opgraph.ops import Op

Array = npt.NDArray[Any]


def _no_arrays() -> dict[str, Array]:
    return {}


@dataclass(frozen=True)
class Given:
    """What an op computes from.

    Attributes:
        op: the op with its attributes.
        inputs: one array for each input, with the batch axis first; integers for an Embedding.
        weights: the arrays of the layer, by the names of `op.weights()`.
        training: whether batch statistics and masks are used.
        mask: what a dropout drew: not 0 where it kept its input, or an attention its weight. For
            Gaussian noise the numbers added, for Gaussian dropout the factors.
        steps: for a recurrent op, which steps of each example it reads, (batch, steps); all when
            left out. Those that `Masking` or `mask_zero` hide are passed over.
    """

    op: Op
    inputs: tuple[Array, ...]
    weights: Mapping[str, Array] = field(default_factory=_no_arrays)
    training: bool = True
    mask: Array | None = None
    steps: Array | None = None

    @property
    def x(self) -> Array:
        """The first input."""
        return self.inputs[0]


@dataclass(frozen=True)
class Pulled:
    """Gradients of a number (the loss) at the inputs and the trainable weights of an op.

    Attributes:
        inputs: one for each input; None for whole numbers, which have no gradient.
        weights: by the names of the weights.
        parts: at numbers on the way, by name, where a reader may ask for them.
    """

    inputs: tuple[Array | None, ...]
    weights: Mapping[str, Array] = field(default_factory=_no_arrays)
    parts: Mapping[str, Array] = field(default_factory=_no_arrays)


@dataclass(frozen=True)
class Computed:
    """What an op computes.

    Attributes:
        outputs: one array for each port.
        pull: from the gradients of the loss at the outputs (None: it does not depend on that one)
            to those at the inputs and weights. Gradients of shared arrays add up elsewhere.
        parts: numbers on the way that a reader may ask for, by name.
        moved: weights that the forward pass itself changes, after it.
    """

    outputs: tuple[Array, ...]
    pull: Callable[[Sequence[Any]], Pulled]
    parts: Mapping[str, Array] = field(default_factory=_no_arrays)
    moved: Mapping[str, Array] = field(default_factory=_no_arrays)


def single(
    output: Array, pull: Callable[[Array], Pulled], parts: Mapping[str, Array] | None = None
) -> Computed:
    """What an op with one output computes; `pull` takes the gradient at that output."""
    return Computed((output,), lambda gradients: pull(gradients[0]), parts or {})


def shrunk(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient at an array that was stretched: summed over the axes along which it was.

    >>> shrunk(np.ones((2, 3)), (1, 3)), shrunk(np.ones((2, 3)), ())
    (array([[2., 2., 2.]]), array(6.))
    """
    extra = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(at for at, size in enumerate(shape) if size == 1)
    return np.asarray(summed.sum(axis=stretched, keepdims=True))
