"""Hypotheses on why two results differ, each tried on the numbers of one batch.

A hypothesis takes a `Case` and returns a cause where the second result follows from it, else None.
Channels are the last axis. Knows no runtime and no names of other packages' ops but Keras's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opgraph.parity.model import Cause
from opgraph.record import Array

NEAR = 1e-3
MOST_ORDERS = 4
# A share of the range that must be cut off before one speaks of clipping.
CUT = 1e-3


@dataclass(frozen=True)
class Case:
    """A node's two results with what the first model made its own from, all in float64."""

    kind: str
    attributes: Mapping[str, Any]
    left: Array
    right: Array
    reads: Sequence[Array]
    weights: Mapping[str, Array]

    def close(self, one: Array, other: Array) -> bool:
        """Whether two arrays are equal for this purpose: 1e-3 of the largest magnitude."""
        top = max(float(np.abs(self.left).max(initial=0)), 1e-30)
        return one.shape == other.shape and bool(np.abs(one - other).max(initial=0) <= NEAR * top)

    def explains(self, result: Array) -> bool:
        """Whether the second result is this one."""
        return self.close(result, self.right)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softmax": _softmax,
    "silu": lambda x: x * _sigmoid(x),
}


def activation(case: Case) -> Cause | None:
    """An activation that one of the two lacks."""
    for name, function in ACTIVATIONS.items():
        if case.close(function(case.right), case.left):
            return Cause("activation", f"the second lacks {name}: equal once it is applied")
        if case.explains(function(case.left)):
            return Cause("activation", f"the second applies {name} once more than the first")
    return None


def clipped(case: Case) -> Cause | None:
    """A range that cuts off what lies outside."""
    low, high = case.right.min(initial=0), case.right.max(initial=0)
    cut = np.clip(case.left, low, high)
    outside = float(np.abs(case.left - cut).max(initial=0))
    span = float(np.ptp(case.left)) or 1.0
    if outside < 0.05 * span:
        return None
    noise = float(np.sqrt(np.square(cut - case.right).mean()))
    if noise <= 0.05 * outside:
        return Cause(
            "clipped",
            f"values end at {low:.4g} and {high:.4g}: a quantisation range that is too narrow",
        )
    return None


def bias(case: Case) -> Cause | None:
    """A constant for each channel."""
    apart = case.right - case.left
    flat = apart.reshape(-1, apart.shape[-1]) if apart.ndim > 1 else apart[:, None]
    if len(flat) < 2 or not case.close(flat, np.broadcast_to(flat.mean(axis=0), flat.shape)):
        return None
    constant = flat.mean(axis=0)
    own = case.weights.get("bias")
    if own is not None and own.shape == constant.shape and np.allclose(constant, -own, atol=1e-4):
        return Cause(
            "bias", "the second lacks the bias: the difference is the bias of each channel"
        )
    return Cause("bias", "the two differ by a constant for each channel: a bias, a beta or a shift")


def transposed(case: Case) -> Cause | None:
    """A square kernel of a dense layer the wrong way round."""
    kernel = case.weights.get("kernel")
    if kernel is None or kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not case.reads:
        return None
    result = case.reads[0] @ kernel.T + case.weights.get("bias", 0.0)
    named = str(case.attributes.get("activation") or "linear")
    function = ACTIVATIONS.get(named, lambda x: x)
    if case.explains(function(result)):
        return Cause("transposed", "the second multiplies with the transposed kernel")
    return None


def normalization(case: Case) -> Cause | None:
    """What can go wrong in a batch normalisation, tried on its own input and statistics."""
    parts = _statistics(case)
    if parts is None or not case.reads:
        return None
    x, (gamma, beta, mean, variance) = case.reads[0], parts
    epsilon = float(case.attributes.get("epsilon", 1e-3))
    straight = (x - mean) / np.sqrt(variance + epsilon)
    if case.explains(beta * straight + gamma):
        return Cause("swapped", "gamma and beta are swapped in the second")
    axes = tuple(range(x.ndim - 1))
    own = (x - x.mean(axis=axes)) / np.sqrt(x.var(axis=axes) + epsilon)
    if case.explains(gamma * own + beta):
        return Cause(
            "training", "the second normalises by the statistics of the batch: training mode"
        )
    return _refitted(case, straight, parts, epsilon)


def _statistics(case: Case) -> tuple[Array, Array, Array, Array] | None:
    w = case.weights
    if "moving_mean" not in w or "moving_variance" not in w:
        return None
    ones = np.ones_like(w["moving_mean"])
    return w.get("gamma", ones), w.get("beta", 0 * ones), w["moving_mean"], w["moving_variance"]


def _refitted(
    case: Case, straight: Array, parts: tuple[Array, Array, Array, Array], epsilon: float
) -> Cause | None:
    """Epsilon or statistics of the second, told from the line that it draws for each channel."""
    gamma, beta, mean, variance = parts
    fitted = line(case.reads[0], case.right)
    if fitted is None:
        return None
    slope, shift = fitted
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs = np.square(gamma / slope) - variance
        means = (beta - shift) / slope
    good = np.isfinite(theirs) & np.isfinite(means)
    if not good.any():
        return None
    spread = float(np.ptp(theirs[good]))
    if spread < 0.2 * abs(float(np.median(theirs[good]))) + 1e-7 and np.allclose(
        means[good], mean[good], atol=1e-3
    ):
        found = float(np.median(theirs[good]))
        return Cause("epsilon", f"the second adds epsilon {found:.3g}, the first {epsilon:.3g}")
    return Cause(
        "statistics", "the second normalises by other moving statistics: stale or mixed up"
    )


def line(x: Array, y: Array) -> tuple[Array, Array] | None:
    """Slope and shift of each channel where y is a line of x; None where it is none."""
    if x.shape != y.shape or x.ndim < 2:
        return None
    a, b = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    centred = a - a.mean(axis=0)
    power = np.square(centred).sum(axis=0)
    slope = np.where(power > 0, (centred * b).sum(axis=0) / np.maximum(power, 1e-300), 0.0)
    shift = b.mean(axis=0) - slope * a.mean(axis=0)
    top = max(float(np.abs(b).max(initial=0)), 1e-30)
    fits = float(np.abs(a * slope + shift - b).max(initial=0)) <= NEAR * top
    return (slope, shift) if fits else None


def scaled(case: Case) -> Cause | None:
    """Each channel scaled and shifted."""
    if line(case.left, case.right) is None or _statistics(case) is not None:
        return None
    return Cause("scaled", "each channel is scaled and shifted: a normalisation or a wrong scale")


def padding(case: Case) -> Cause | None:
    """Differences at the border alone, or a shift by a pixel."""
    if case.left.ndim != 4 or min(case.left.shape[1:3]) < 4:
        return None
    a, b = case.left, case.right
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        inner = (slice(None), slice(1, -1), slice(1, -1))
        moved = np.roll(a, (down, right), axis=(1, 2))
        if case.close(moved[inner], b[inner]):
            words = f"shifted by ({down}, {right})" if down or right else "equal"
            return Cause("padding", f"{words} but at the border: another padding")
    return None


def padded(case: Case) -> Cause | None:
    """A convolution with other numbers of rows and columns added at the top and at the left."""
    kernel = case.weights.get("kernel")
    if case.kind != "Conv2D" or kernel is None or not case.reads or kernel.ndim != 4:
        return None
    steps = _pair(case.attributes.get("strides", 1))
    named = str(case.attributes.get("activation") or "linear")
    function = ACTIVATIONS.get(named, lambda x: x)
    for top, left in itertools.product(range(kernel.shape[0]), range(kernel.shape[1])):
        result = _convolved(case.reads[0], kernel, steps, (top, left), case.left.shape[1:3])
        if result is None:
            return None
        result = function(result + case.weights.get("bias", 0.0))
        if case.explains(result) and not case.close(result, case.left):
            return Cause(
                "padding", f"the padding of the second adds {top} at the top, {left} at the left"
            )
    return None


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _convolved(
    x: Array, kernel: Array, steps: tuple[int, int], before: tuple[int, int], size: tuple[int, ...]
) -> Array | None:
    """A convolution whose output has a size, with zeros before and as many behind as it takes."""
    if kernel.shape[2] != x.shape[-1]:
        return None
    needed = [(size[i] - 1) * steps[i] + kernel.shape[i] for i in (0, 1)]
    behind = [max(needed[i] - before[i] - x.shape[i + 1], 0) for i in (0, 1)]
    wide = np.pad(x, ((0, 0), (before[0], behind[0]), (before[1], behind[1]), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, kernel.shape[:2], axis=(1, 2))
    windows = windows[:, :: steps[0], :: steps[1]][:, : size[0], : size[1]]
    return np.einsum("bijcuv,uvcf->bijf", windows, kernel)


def order(case: Case) -> Cause | None:
    """Inputs that are joined in another order, or channels that are."""
    if 2 <= len(case.reads) <= MOST_ORDERS:
        for turn in itertools.permutations(range(len(case.reads))):
            parts = [case.reads[i] for i in turn]
            joined = _joined(parts)
            if turn != tuple(range(len(turn))) and joined is not None and case.explains(joined):
                return Cause("order", f"the second joins its inputs in the order {list(turn)}")
    turned = case.left[..., ::-1]
    if case.left.shape[-1] > 1 and case.explains(turned):
        return Cause("order", "the channels of the second are in reverse order")
    return None


def _joined(parts: Sequence[Array]) -> Array | None:
    try:
        return np.concatenate(parts, axis=-1)
    except ValueError:
        return None


def pooled(case: Case) -> Cause | None:
    """Mean for maximum or the other way round."""
    size = case.attributes.get("pool_size")
    if "Pooling" not in case.kind or not case.reads or case.reads[0].ndim != 4:
        return None
    x = case.reads[0]
    axes: tuple[int, ...] = (-2, -1)
    if size is None:
        windows, axes = x, (1, 2)
    else:
        sizes = _pair(size)
        steps = _pair(case.attributes.get("strides") or sizes)
        windows = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=(1, 2))
        windows = windows[:, :: steps[0], :: steps[1]]
    for words, function in (("mean", np.mean), ("maximum", np.max)):
        result = function(windows, axis=axes)
        if case.explains(result) and not case.close(result, case.left):
            return Cause("pool", f"the second takes the {words} of each window")
    return None


HYPOTHESES: tuple[Callable[[Case], Cause | None], ...] = (
    normalization,
    transposed,
    pooled,
    padded,
    order,
    activation,
    bias,
    scaled,
    clipped,
    padding,
)
