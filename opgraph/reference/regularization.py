"""Layers that disturb or restrain training on purpose, and hand on their input at inference."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.registry import reference

# Klambauer et al. 2017: -scale * alpha of SELU, what a dropped number is set to.
ALPHA_P = -1.6732632423543772 * 1.0507009873554805


def drawn(given: Given, rate: float) -> Array | None:
    """What a layer drew, or None where it draws nothing.

    Raises:
        ReferenceMissingError: it draws, and it is not given what.
    """
    if not given.training or rate <= 0:
        return None
    if given.mask is None:
        raise ReferenceMissingError(
            f"{given.op!r} draws random numbers in training",
            hint="give what it drew as the mask, or compute with training=False",
        )
    return given.mask


def _line(given: Given, factor: Array | float, offset: Array | float = 0.0) -> Computed:
    """X * factor + offset."""
    return single(given.x * factor + offset, lambda g: Pulled((g * factor,)))


@reference("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def dropout(given: Given) -> Computed:
    """What is kept is divided by 1 - rate, so that the mean stays (Srivastava et al. 2014).

    Parts: `kept` (1 or 0) and `factor`, by which each number was multiplied.
    """
    rate = cast("Any", given.op).rate
    mask = drawn(given, rate)
    if mask is None:
        return _line(given, 1.0)
    kept = np.broadcast_to(np.asarray(mask) != 0, given.x.shape).astype(np.float64)
    factor = kept / (1 - rate) if rate < 1 else np.zeros_like(kept)
    plain = _line(given, factor)
    return Computed(plain.outputs, plain.pull, {"kept": kept, "factor": factor})


@reference("AlphaDropout")
def alpha_dropout(given: Given) -> Computed:
    """What is dropped goes to SELU's lowest value; a line restores mean and variance.

    a = ((1 - rate) (1 + rate p^2))^-1/2 and b = -a rate p (Klambauer et al. 2017, section 3).
    """
    rate = cast("Any", given.op).rate
    mask = drawn(given, rate)
    if mask is None:
        return _line(given, 1.0)
    kept = np.broadcast_to(np.asarray(mask) != 0, given.x.shape).astype(np.float64)
    a = 1 / math.sqrt((1 - rate) * (1 + rate * ALPHA_P**2))
    b = -a * rate * ALPHA_P
    plain = _line(given, a * kept, a * ALPHA_P * (1 - kept) + b)
    return Computed(plain.outputs, plain.pull, {"kept": kept})


@reference("GaussianDropout")
def gaussian_dropout(given: Given) -> Computed:
    """Each number times a factor around 1 (Srivastava et al. 2014, section 10)."""
    factor = drawn(given, cast("Any", given.op).rate)
    return _line(given, 1.0 if factor is None else np.asarray(factor, np.float64))


@reference("GaussianNoise")
def gaussian_noise(given: Given) -> Computed:
    """Each number plus another one around 0."""
    noise = drawn(given, cast("Any", given.op).stddev)
    return _line(given, 1.0, 0.0 if noise is None else np.asarray(noise, np.float64))


@reference("StochasticDepth")
def stochastic_depth(given: Given) -> Computed:
    """Examples whose branch is kept are divided by 1 - rate (Huang et al. 2016)."""
    rate = cast("Any", given.op).drop_path_rate
    mask = drawn(given, rate)
    if mask is None:
        return _line(given, 1.0)
    kept = (np.asarray(mask) != 0).astype(np.float64)
    return _line(given, kept / (1 - rate))


@reference("ActivityRegularization")
def activity_regularization(given: Given) -> Computed:
    """The input; what it adds to the loss is no output (see `losses.penalty`)."""
    return _line(given, 1.0)


@reference("Masking")
def masking(given: Given) -> Computed:
    """Steps that hold only the mask value become 0 (keras.layers.Masking).

    Parts: `steps`, 1 where a step is kept. Later layers that skip the others are not told so here.
    """
    kept = (given.x != cast("Any", given.op).mask_value).any(axis=-1, keepdims=True)
    plain = _line(given, kept.astype(np.float64))
    return Computed(plain.outputs, plain.pull, {"steps": kept[..., 0].astype(np.float64)})
