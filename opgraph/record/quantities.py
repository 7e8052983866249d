"""What is measured: one table of quantities, the moments each is made from, and how.

The compiled step hands over *moments* (sums, extremes, counts); a quantity is finished from them
here, in float64. Owns names, units and formulas; knows neither TensorFlow nor files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SiteKind = Literal["output", "output_grad", "weight", "bn", "steps"]
Array = NDArray[Any]
Moments = Mapping[str, Array]
Finish = Callable[[Moments], Array]

KINDS: tuple[SiteKind, ...] = ("output", "output_grad", "weight", "bn", "steps")


@dataclass(frozen=True)
class Quantity:
    """One column of a run.

    Attributes:
        name: column name.
        unit: what it is counted in; empty for the numbers of the network itself.
        doc: one line for tables and help.
        kind: the kind of site it belongs to.
        moments: what it is made from.
        finish: how, over arrays of moments; NaN where the quantity is not defined.
        dtype: type of the column on disk.
        undefined: moment that leaves the quantity undefined, hence null, where it is zero.
        vector: one number for each channel, written only at some steps.
    """

    name: str
    unit: str
    doc: str
    kind: SiteKind
    moments: tuple[str, ...]
    finish: Finish
    dtype: str = "float64"
    undefined: str | None = None
    vector: bool = False


def moment(name: str) -> Finish:
    """The moment itself."""
    return lambda moments: moments[name]


def norm(sumsq: str) -> Finish:
    """Square root of a sum of squares."""
    return lambda moments: np.sqrt(moments[sumsq])


def mean(moments: Moments) -> Array:
    """Sum over count, of the finite elements."""
    return _ratio(moments["sum"], _finite(moments))


def rms(moments: Moments) -> Array:
    """Root of the mean square, of the finite elements."""
    return np.sqrt(_ratio(moments["sumsq"], _finite(moments)))


def smallest(moments: Moments) -> Array:
    """Smallest finite element; NaN if none is left."""
    return np.where(_finite(moments) > 0, moments["min"], np.nan)


def largest(moments: Moments) -> Array:
    """Largest finite element; NaN if none is left."""
    return np.where(_finite(moments) > 0, moments["max"], np.nan)


def zero_fraction(moments: Moments) -> Array:
    """Exact zeros over finite elements."""
    return _ratio(moments["zeros"], _finite(moments))


def update_ratio(moments: Moments) -> Array:
    """Size of the update over size of the weight; not defined for a weight that is all zero."""
    return np.sqrt(_ratio(moments["update_sumsq"], moments["value_sumsq"]))


def over_channels(name: str) -> Finish:
    """Mean over the finite channels of a vector moment (steps, channels); NaN if none is left."""

    def finish(moments: Moments) -> Array:
        channels = moments[name]
        finite = np.isfinite(channels)
        return _ratio(np.where(finite, channels, 0.0).sum(axis=-1), finite.sum(axis=-1))

    return finish


def _finite(moments: Moments) -> Array:
    return moments["count"] - moments["nonfinite"]


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


_LEFT_OUT = "non-finite elements left out"


def _output() -> list[Quantity]:
    counted = ("count", "nonfinite")
    return [
        Quantity("mean", "", f"mean, {_LEFT_OUT}", "output", ("sum", *counted), mean),
        Quantity("rms", "", f"root mean square, {_LEFT_OUT}", "output", ("sumsq", *counted), rms),
        Quantity("min", "", "smallest finite element", "output", ("min", *counted), smallest),
        Quantity("max", "", "largest finite element", "output", ("max", *counted), largest),
        Quantity(
            "zero_fraction",
            "1",
            "exact zeros among the finite elements",
            "output",
            ("zeros", *counted),
            zero_fraction,
        ),
        _count("nonfinite", "NaN and Inf elements", "output"),
        _count("count", "elements in the batch", "output"),
    ]


def _output_grad() -> list[Quantity]:
    counted = ("count", "nonfinite")
    return [
        Quantity(
            "norm",
            "",
            f"Euclidean norm of the gradient of the loss at the output, {_LEFT_OUT}",
            "output_grad",
            ("sumsq",),
            norm("sumsq"),
        ),
        Quantity(
            "rms", "", f"root mean square, {_LEFT_OUT}", "output_grad", ("sumsq", *counted), rms
        ),
        _count("nonfinite", "NaN and Inf elements", "output_grad"),
        _count("count", "elements in the batch", "output_grad"),
    ]


def _count(name: str, doc: str, kind: SiteKind) -> Quantity:
    return Quantity(name, "elements", doc, kind, (name,), moment(name), "int64")


def _weight() -> list[Quantity]:
    return [
        Quantity(
            "value_norm",
            "",
            "Euclidean norm of the weight before the update",
            "weight",
            ("value_sumsq",),
            norm("value_sumsq"),
        ),
        Quantity(
            "grad_norm",
            "",
            "Euclidean norm of the gradient of the loss",
            "weight",
            ("grad_sumsq",),
            norm("grad_sumsq"),
        ),
        Quantity(
            "update_norm",
            "",
            "Euclidean norm of the true update: after minus before",
            "weight",
            ("update_sumsq",),
            norm("update_sumsq"),
        ),
        Quantity(
            "update_ratio",
            "1",
            "update_norm / value_norm; null for a weight that is all zero",
            "weight",
            ("update_sumsq", "value_sumsq"),
            update_ratio,
            undefined="value_sumsq",
        ),
        *(
            _count(f"{what}_nonfinite", f"NaN and Inf elements of the {what}", "weight")
            for what in ("value", "grad", "update")
        ),
    ]


_BN = {
    "batch_mean": "mean of the batch",
    "batch_variance": "population variance of the batch",
    "moving_mean_before": "moving mean before the step",
    "moving_variance_before": "moving variance before the step",
    "moving_mean": "moving mean after the step",
    "moving_variance": "moving variance after the step",
}
_BN_VECTORS = ("batch_mean", "batch_variance", "moving_mean", "moving_variance")


def _bn() -> list[Quantity]:
    scalars = [
        Quantity(name, "", f"{doc}, averaged over the channels", "bn", (name,), over_channels(name))
        for name, doc in _BN.items()
    ]
    vectors = [
        Quantity(
            f"{name}_channels",
            "",
            f"{_BN[name]}, for each channel; written at some steps only",
            "bn",
            (name,),
            moment(name),
            "float32",
            vector=True,
        )
        for name in _BN_VECTORS
    ]
    return scalars + vectors


def _step() -> list[Quantity]:
    def plain(name: str, unit: str, doc: str, dtype: str = "float64") -> Quantity:
        return Quantity(name, unit, doc, "steps", (name,), moment(name), dtype)

    return [
        plain("epoch", "", "pass over the training data, from 0", "int64"),
        plain("index", "", "number of the batch within its epoch, from 0", "int64"),
        plain("loss", "nats", "mean loss of the batch, regularisation included"),
        plain("regularization", "nats", "the part of the loss that regularisers add"),
        Quantity(
            "accuracy",
            "1",
            "share of the batch that is classified rightly, before the update",
            "steps",
            ("correct", "predictions"),
            lambda moments: _ratio(moments["correct"], moments["predictions"]),
        ),
        plain("learning_rate", "", "learning rate of this update"),
        plain("batch_size", "examples", "examples in the batch", "int64"),
        plain("step_time", "s", "time from handing over the batch to having the numbers"),
        plain("input_time", "s", "time spent waiting for the batch"),
        plain("fingerprint", "", "hash of the batch: indices, inputs and labels", "string"),
        plain("time", "", "when the step was finished", "timestamp"),
    ]


QUANTITIES: tuple[Quantity, ...] = (*_output(), *_output_grad(), *_weight(), *_bn(), *_step())

MOMENTS: Mapping[SiteKind, tuple[str, ...]] = {
    "output": ("count", "nonfinite", "sum", "sumsq", "min", "max", "zeros"),
    "output_grad": ("count", "nonfinite", "sumsq"),
    "weight": (
        *("value_sumsq", "value_nonfinite", "grad_sumsq", "grad_nonfinite"),
        *("update_sumsq", "update_nonfinite"),
    ),
    "bn": tuple(_BN),
    "steps": ("loss", "regularization", "correct", "predictions", "learning_rate"),
}


def quantities(kind: SiteKind) -> tuple[Quantity, ...]:
    """The quantities of one kind of site, in column order.

    >>> [quantity.name for quantity in quantities("output_grad")]
    ['norm', 'rms', 'nonfinite', 'count']
    """
    return tuple(quantity for quantity in QUANTITIES if quantity.kind == kind)
