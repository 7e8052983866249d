"""Reductions by TensorFlow's own ops: slower, and on every device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import tensorflow as tf

from opgraph.record.histogram import BINS, LEAST_POWER, NAN_BIN, POWERS, ZERO_BIN
from opgraph.runtime.kernels.contract import (
    MOMENTS,
    Reductions,
    Tensor,
    as_float,
    check_weights,
    with_channels,
)

EXACT_IN_FLOAT32 = 1 << 24
ENDS = ("min", "max")


@dataclass(frozen=True)
class TensorFlowReductions(Reductions):
    """The same numbers as the kernel's, up to rounding.

    TensorFlow's threads read subnormal numbers as zero: they add nothing to sums, but they are
    told from zeros by their bits.

    Attributes:
        assume_finite: reduce in a tensor's own arithmetic (float16 and bfloat16 in float32) and
            look for no NaN or Inf. Some two to four times faster. If any is there, or a square
            overflows, `sumsq` is not finite; nothing else can then be relied upon.
    """

    name: Literal["kernel", "tensorflow"] = field(default="tensorflow", init=False)
    notice: str | None = None
    assume_finite: bool = False

    def moments(self, tensor: Tensor) -> Tensor:  # noqa: D102
        parts = self.parts(tensor)
        return tf.stack([parts[name] for name in MOMENTS])

    def parts(self, tensor: Tensor) -> Mapping[str, Tensor]:
        """The moments one by one, each made when it is asked for; no others cost anything."""
        x = as_float(tensor)
        return _Parts(_finite_makers(x) if self.assume_finite else _masked_makers(x))

    def moments_of_many(self, tensors: Sequence[Tensor]) -> Tensor:  # noqa: D102
        if not tensors:
            return tf.zeros((0, len(MOMENTS)), tf.float64)
        return tf.stack([self.moments(tensor) for tensor in tensors])

    def moments_and_relu(self, tensor: Tensor) -> Tensor:  # noqa: D102
        x = as_float(tensor)
        return tf.stack([self.moments(x), self.moments(tf.nn.relu(x))])

    def moments_and_affine(  # noqa: D102
        self, tensor: Tensor, scale: Tensor, shift: Tensor, *, relu: bool
    ) -> Tensor:
        x = as_float(tensor)
        y = x * scale + shift
        made = [y, tf.nn.relu(y)] if relu else [y]
        return tf.stack([self.moments(each) for each in (x, *made)])

    def moments_of_gate(  # noqa: D102
        self, gate: Tensor, grad: Tensor, *, with_gate: bool, zeros: int = 0
    ) -> Tensor:
        gate, grad = as_float(gate), as_float(grad)
        back = grad * tf.cast(gate > 0, grad.dtype)
        first = self.moments(gate) if with_gate else _unknown()
        rows = [self.moments(grad), *(_among_zeros(self.moments(x), zeros) for x in (grad, back))]
        return tf.stack([first, *rows])

    def weights(  # noqa: D102
        self,
        before: Sequence[Tensor],
        grads: Sequence[Tensor | None],
        after: Sequence[Tensor],
        taken: Sequence[Tensor | None] = (),
    ) -> Tensor:
        old, new = [as_float(x) for x in before], [as_float(x) for x in after]
        grad = [None if x is None else as_float(x) for x in grads]
        check_weights(old, grad, new)
        rows: list[Tensor] = []
        for a, g, b, less in zip(old, grad, new, taken or [None] * len(old), strict=True):
            rows += [self.moments(a), _unknown() if g is None else self.moments(g)]
            rows.append(self.moments((b if less is None else a - as_float(less)) - a))
        return tf.reshape(tf.stack(rows), (-1, 3, len(MOMENTS))) if rows else _no_weights()

    def channels(self, tensor: Tensor) -> Tensor:  # noqa: D102
        x = with_channels(tensor)
        rows = tf.reshape(x, (tf.reduce_prod(tf.shape(x)[:-1]), tf.shape(x)[-1]))
        finite = tf.math.is_finite(rows)
        kept = tf.where(finite, tf.cast(rows, tf.float64), _wide(0))
        figures = tf.stack(
            [
                tf.reduce_sum(tf.cast(finite, tf.float64), 0),
                tf.reduce_sum(kept, 0),
                tf.reduce_sum(kept * kept, 0),
                tf.reduce_sum(tf.cast(finite & (_bits(rows) > 0), tf.float64), 0),
            ]
        )
        figures.set_shape((4, x.shape[-1] if x.shape.rank else None))
        return figures

    def histogram(self, tensor: Tensor) -> Tensor:  # noqa: D102
        numbers = tf.reshape(_bin_numbers(as_float(tensor)), (-1,))
        counts = tf.math.bincount(numbers, minlength=BINS, maxlength=BINS, dtype=tf.int64)
        return tf.ensure_shape(tf.cast(counts, tf.float64), (BINS,))


class _Parts(Mapping[str, Tensor]):
    """Values that are made when they are looked up."""

    def __init__(self, makers: Mapping[str, Callable[[], Tensor]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> Tensor:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _finite_makers(x: Tensor) -> Mapping[str, Callable[[], Tensor]]:
    x = x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)
    return {
        "count": lambda: _size(x),
        "nan": lambda: _wide(0),
        "inf": lambda: _wide(0),
        "zeros": lambda: _count(_is_zero(x)),
        "sum": lambda: tf.cast(tf.reduce_sum(x), tf.float64) + 0.0,
        # twice the half: the fastest of TensorFlow's ways to a sum of squares
        "sumsq": lambda: tf.cast(2 * tf.nn.l2_loss(x), tf.float64),
        "min": lambda: _end(tf.cast(tf.reduce_min(x), tf.float64), tf.size(x)),
        "max": lambda: _end(tf.cast(tf.reduce_max(x), tf.float64), tf.size(x)),
    }


def _masked_makers(x: Tensor) -> Mapping[str, Callable[[], Tensor]]:
    finite = tf.math.is_finite(x)
    wide = tf.cast(x, tf.float64)
    kept = tf.where(finite, wide, _wide(0))
    left = tf.math.count_nonzero(finite)
    return {
        "count": lambda: _size(x),
        "nan": lambda: _count(tf.math.is_nan(x)),
        "inf": lambda: _count(tf.math.is_inf(x)),
        "zeros": lambda: _count(_is_zero(x)),
        "sum": lambda: tf.reduce_sum(kept) + 0.0,  # no sum is -0
        "sumsq": lambda: tf.reduce_sum(kept * kept),
        "min": lambda: _end(tf.reduce_min(tf.where(finite, wide, _wide("inf"))), left),
        "max": lambda: _end(tf.reduce_max(tf.where(finite, wide, _wide("-inf"))), left),
    }


def _end(value: Tensor, left: Tensor) -> Tensor:
    """A least or greatest element: NaN if there is none, and no sign of zero."""
    return tf.where(left > 0, value, _wide("nan")) + 0.0


def _bin_numbers(x: Tensor) -> Tensor:
    """The bin of each element, by the bits of its exponent."""
    x = tf.cast(x, tf.float32) if x.dtype in (tf.float16, tf.bfloat16) else x
    digits, bias = (23, 127) if x.dtype == tf.float32 else (52, 1023)
    bits = _bits(x)
    exponent = tf.bitwise.right_shift(_magnitude(x), tf.cast(digits, bits.dtype))
    power = tf.cast(exponent, tf.int32) - bias - LEAST_POWER
    away = tf.clip_by_value(power, -1, POWERS) + 2
    away = tf.where(tf.math.is_inf(x), ZERO_BIN, away)
    numbers = ZERO_BIN + tf.where(bits < 0, -away, away)
    numbers = tf.where(_is_zero(x), ZERO_BIN, numbers)
    return tf.where(tf.math.is_nan(x), NAN_BIN, numbers)


def _bits(x: Tensor) -> Tensor:
    """The bits as signed integers: positive numbers are positive."""
    return tf.bitcast(x, {8: tf.int64, 4: tf.int32, 2: tf.int16}[x.dtype.size])


def _magnitude(x: Tensor) -> Tensor:
    """The bits without the sign."""
    bits = _bits(x)
    return tf.bitwise.bitwise_and(bits, tf.constant(bits.dtype.max, bits.dtype))


def _is_zero(x: Tensor) -> Tensor:
    """Whether each element is 0 or -0: by its bits, as comparisons flush subnormal numbers."""
    return tf.equal(_magnitude(x), 0)


def _count(flags: Tensor) -> Tensor:
    """Exact number of true elements: float32 counts up to 2**24."""
    size = flags.shape.num_elements()
    if size is not None and size <= EXACT_IN_FLOAT32:
        return tf.cast(tf.reduce_sum(tf.cast(flags, tf.float32)), tf.float64)
    return tf.reduce_sum(tf.cast(flags, tf.float64))


def _size(x: Tensor) -> Tensor:
    return tf.cast(tf.size(x, out_type=tf.int64), tf.float64)


def _wide(value: Any) -> Tensor:
    return tf.constant(float(value), tf.float64)


def _unknown() -> Tensor:
    return tf.fill((len(MOMENTS),), _wide("nan"))


def _among_zeros(moments: Tensor, zeros: int) -> Tensor:
    """Moments of a tensor with so many zeros more."""
    if not zeros:
        return moments
    row = dict(zip(map(str, MOMENTS), tf.unstack(moments), strict=True))
    least, most = (tf.where(tf.math.is_nan(row[name]), _wide(0), row[name]) for name in ENDS)
    row |= {"count": row["count"] + zeros, "zeros": row["zeros"] + zeros}
    row |= {"min": tf.minimum(least, _wide(0)), "max": tf.maximum(most, _wide(0))}
    return tf.stack([row[name] for name in MOMENTS])


def _no_weights() -> Tensor:
    return tf.zeros((0, 3, len(MOMENTS)), tf.float64)
