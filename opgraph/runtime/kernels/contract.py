"""What every way of reducing tensors can do, and what it makes of its inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.record import TENSOR_MOMENTS

Tensor = Any

MOMENTS = TENSOR_MOMENTS
FIGURES = ("finite", "sum", "sumsq", "positive")
LARGE = 1 << 16  # elements
FLOATS = (tf.float32, tf.float64, tf.float16, tf.bfloat16)


@dataclass(frozen=True)
class Reductions(ABC):
    """Functions that reduce tensors, while a `tf.function` is traced or eagerly.

    All take float16, bfloat16, float32 and float64; integers and booleans are cast to float64. All
    give float64. Elements that are not finite are counted and left out of the rest. Sums are made
    in float64; those of no element are 0, the least and the greatest of no element are NaN.

    Attributes:
        name: which way of reducing it is.
        notice: one line that says why it is not the kernel, where the kernel was wanted.
    """

    name: Literal["kernel", "tensorflow"]
    notice: str | None

    @property
    def reads_together(self) -> bool:
        """Whether what is made of a tensor costs little beside reading it."""
        return self.name == "kernel"

    @abstractmethod
    def moments(self, tensor: Tensor) -> Tensor:
        """The numbers named by `MOMENTS`, (8,)."""

    @abstractmethod
    def moments_of_many(self, tensors: Sequence[Tensor]) -> Tensor:
        """Moments of each of several tensors in one call, (n, 8); meant for small ones."""

    @abstractmethod
    def moments_and_relu(self, tensor: Tensor) -> Tensor:
        """Moments of x and of relu(x), (2, 8); NaN stays NaN, -Inf becomes 0."""

    @abstractmethod
    def moments_and_affine(
        self, tensor: Tensor, scale: Tensor, shift: Tensor, *, relu: bool
    ) -> Tensor:
        """Moments of x, of y = x * scale + shift, and of relu(y) where it is wanted: (2 or 3, 8).

        Float32 or float64; `scale` and `shift` have one number for each index of the last axis.
        """

    @abstractmethod
    def moments_of_gate(
        self, gate: Tensor, grad: Tensor, *, with_gate: bool, zeros: int = 0
    ) -> Tensor:
        """Moments of gate, grad, grad among zeros, and what relu hands back among zeros: (4, 8).

        A relu hands back `grad` where `gate` is above zero, and `grad` times zero elsewhere.

        Args:
            gate: what the relu gave.
            grad: the gradient at it, of the same shape.
            with_gate: whether the first row is wanted; it is NaN where not.
            zeros: how many zeros the last two rows have on top.
        """

    @abstractmethod
    def weights(
        self,
        before: Sequence[Tensor],
        grads: Sequence[Tensor | None],
        after: Sequence[Tensor],
        taken: Sequence[Tensor | None] = (),
    ) -> Tensor:
        """Moments of weights, of their gradients and of after - before, (n, 3, 8).

        The difference is made in the weight's own dtype. Where a gradient is None, its row is all
        NaN.

        Args:
            before: the weights.
            grads: their gradients.
            after: the weights after the update.
            taken: what the update takes from each weight, where that is known; `after` need not be
                read then.

        Raises:
            TraceError: the lists do not fit each other.
        """

    @abstractmethod
    def channels(self, tensor: Tensor) -> Tensor:
        """The numbers named by `FIGURES` for each index of the last axis, (4, channels).

        Raises:
            TraceError: the tensor has no axes.
        """

    @abstractmethod
    def histogram(self, tensor: Tensor) -> Tensor:
        """Elements in each bin of `opgraph.record.histogram`, (136,)."""


def as_float(tensor: Tensor) -> Tensor:
    """A tensor of one of the four float types, cast to float64 if it is of another.

    Raises:
        TraceError: its elements are not numbers.
    """
    x = tf.convert_to_tensor(tensor)
    if x.dtype in FLOATS:
        return x
    if x.dtype.is_complex or not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool):
        raise TraceError(f"received a tensor of {x.dtype.name}, expected real numbers")
    return tf.cast(x, tf.float64)


def with_channels(tensor: Tensor) -> Tensor:
    """A float tensor that has a last axis.

    Raises:
        TraceError: it has no axes.
    """
    x = as_float(tensor)
    if x.shape.rank == 0:
        raise TraceError("received a single number, expected a tensor with a last axis")
    return x


def in_groups(tensors: Sequence[Tensor], reduce: Callable[[list[int]], Tensor]) -> Tensor:
    """Reduce small tensors of one dtype together, and give the rows in the order of the tensors.

    A large one is reduced alone, so that nobody waits for it and it is let go soon.

    Args:
        tensors: at least one.
        reduce: makes the rows of the tensors at some places.
    """
    groups: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        size = tensor.shape.num_elements()
        alone = size is not None and size >= LARGE
        groups.setdefault((tensor.dtype, place if alone else None), []).append(place)
    rows = [reduce(group) for group in groups.values()]
    if len(rows) == 1:
        return rows[0]
    order = [place for group in groups.values() for place in group]
    return tf.gather(tf.concat(rows, 0), [order.index(place) for place in range(len(order))])


def check_weights(
    before: Sequence[Tensor], grads: Sequence[Tensor | None], after: Sequence[Tensor]
) -> None:
    """See that the lists of weights fit each other.

    Raises:
        TraceError: they differ in length, or a weight differs in dtype.
    """
    lengths = (len(before), len(grads), len(after))
    if len(set(lengths)) > 1:
        raise TraceError(f"received {lengths} weights, gradients and updated weights, not as many")
    for place, (old, grad, new) in enumerate(zip(before, grads, after, strict=True)):
        dtypes = [x.dtype for x in (old, grad, new) if x is not None]
        if len(set(dtypes)) > 1:
            names = ", ".join(dtype.name for dtype in dtypes)
            raise TraceError(f"received {names} for weight {place}, expected one dtype")
