"""What is measured: one table of quantities, the moments each is made from, and how.

The compiled step hands over *moments* (sums, extremes, counts); a quantity is finished from them
here, in float64. Owns names, units and formulas; knows neither TensorFlow nor files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SiteKind = Literal["output", "output_grad", "weight", "slot", "bn", "dropout", "steps"]
Array = NDArray[Any]
Moments = Mapping[str, Array]
Finish = Callable[[Moments], Array]

KINDS: tuple[SiteKind, ...] = (
    *("output", "output_grad", "weight", "slot", "bn", "dropout", "steps"),
)
# What one pass over a tensor tells, in this order.
TENSOR_MOMENTS = ("count", "nan", "inf", "zeros", "sum", "sumsq", "min", "max")
# The same for each index of the last axis: finite elements, their sums, those above zero.
CHANNEL_MOMENTS = ("channel_count", "channel_sum", "channel_sumsq", "channel_positive")
WEIGHT_PARTS = ("value", "grad", "update")
BN_MOMENTS = (
    *("batch_mean", "batch_variance", "moving_mean_before", "moving_variance_before"),
    *("moving_mean", "moving_variance"),
)
_LEFT_OUT = "non-finite elements left out"


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
        vector: a list of numbers at each site, not one.
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

    @property
    def full_name(self) -> str:
        """Kind and name, as settings and curves say it: `output.rms`."""
        return f"{self.kind}.{self.name}"


def moment(name: str) -> Finish:
    """The moment itself."""
    return lambda moments: moments[name]


def update_ratio(moments: Moments) -> Array:
    """Size of the update over size of the weight; not defined for a weight that is all zero."""
    return np.sqrt(_ratio(moments["update_sumsq"], moments["value_sumsq"]))


def channel_variance(moments: Moments) -> Array:
    """Population variance of each channel, of the finite elements."""
    mean = _ratio(moments["channel_sum"], moments["channel_count"])
    square = _ratio(moments["channel_sumsq"], moments["channel_count"])
    return np.maximum(square - mean * mean, 0.0)


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def _over(above: str, below: str) -> Finish:
    return lambda moments: _ratio(moments[above], moments[below])


def _finite(moments: Moments) -> Array:
    return moments["count"] - moments["nan"] - moments["inf"]


def _if_any(name: str) -> Finish:
    """An extreme, NaN if no finite element is left."""
    return lambda moments: np.where(_finite(moments) > 0, moments[name], np.nan)


def _per_element(name: str) -> Finish:
    return lambda moments: _ratio(moments[name], _finite(moments))


def _tensor(kind: SiteKind) -> list[Quantity]:
    """What is said about any tensor."""
    counted = ("count", "nan", "inf")

    def plain(name: str, doc: str, finish: Finish, *needed: str, unit: str = "") -> Quantity:
        return Quantity(name, unit, doc, kind, needed, finish)

    def count(name: str, doc: str, finish: Finish, *needed: str) -> Quantity:
        return Quantity(name, "elements", doc, kind, needed, finish, "int64")

    return [
        plain("mean", f"mean, {_LEFT_OUT}", _per_element("sum"), "sum", *counted),
        plain(
            "rms",
            f"root mean square, {_LEFT_OUT}",
            lambda moments: np.sqrt(_per_element("sumsq")(moments)),
            *("sumsq", *counted),
        ),
        plain(
            "norm",
            f"Euclidean norm, {_LEFT_OUT}",
            lambda moments: np.sqrt(moments["sumsq"]),
            "sumsq",
        ),
        plain("min", "smallest finite element", _if_any("min"), "min", *counted),
        plain("max", "largest finite element", _if_any("max"), "max", *counted),
        plain(
            "zero_fraction",
            "exact zeros among the finite elements",
            _per_element("zeros"),
            *("zeros", *counted),
            unit="1",
        ),
        count("nan", "elements that are NaN", moment("nan"), "nan"),
        count("inf", "elements that are infinite", moment("inf"), "inf"),
        count(
            "nonfinite", "NaN and infinite elements", lambda m: m["nan"] + m["inf"], "nan", "inf"
        ),
        count("count", "elements", moment("count"), "count"),
    ]


def _lists(kind: SiteKind) -> list[Quantity]:
    """Lists of numbers for an output or the gradient at it."""

    def channel(name: str, doc: str, finish: Finish, *needed: str) -> Quantity:
        return Quantity(
            f"channel_{name}", "", f"{doc}, for each index of the last axis", kind, needed, finish,
            vector=True,
        )  # fmt: skip

    counted = "channel_count"
    return [
        channel("mean", "mean", _over("channel_sum", counted), "channel_sum", counted),
        channel(
            *("variance", "population variance", channel_variance),
            *("channel_sum", "channel_sumsq", counted),
        ),
        channel(
            *("active", "share of elements above zero", _over("channel_positive", counted)),
            *("channel_positive", counted),
        ),
        _histogram(kind, "histogram"),
    ]


def _histogram(kind: SiteKind, name: str) -> Quantity:
    doc = "elements in each bin of the fixed signed log2 scale"
    return Quantity(name, "elements", doc, kind, (name,), moment(name), "int64", vector=True)


def _about(part: str, quantity: Quantity) -> Quantity:
    """A quantity of a tensor as one of the value, gradient or update of a weight."""
    needed = tuple(f"{part}_{name}" for name in quantity.moments)

    def finish(moments: Moments) -> Array:
        return quantity.finish({n: moments[f"{part}_{n}"] for n in quantity.moments})

    what = {
        "value": "of the weight before the update",
        "grad": "of the gradient of the loss",
        "update": "of the true update: after minus before",
    }[part]
    return replace(
        quantity,
        name=f"{part}_{quantity.name}",
        doc=f"{quantity.doc}; {what}",
        moments=needed,
        finish=finish,
    )


def _weight() -> list[Quantity]:
    about = [
        _about(part, quantity)
        for part in WEIGHT_PARTS
        for quantity in _tensor("weight")
        if quantity.name != "count"
    ]
    ratio = Quantity(
        "update_ratio",
        "1",
        "update_norm / value_norm; null for a weight that is all zero",
        "weight",
        ("update_sumsq", "value_sumsq"),
        update_ratio,
        undefined="value_sumsq",
    )
    return [*about, ratio, *(_histogram("weight", f"{part}_histogram") for part in WEIGHT_PARTS)]


_BN = {
    "batch_mean": "mean of the batch",
    "batch_variance": "population variance of the batch",
    "moving_mean_before": "moving mean before the step",
    "moving_variance_before": "moving variance before the step",
    "moving_mean": "moving mean after the step",
    "moving_variance": "moving variance after the step",
}


def _bn() -> list[Quantity]:
    scalars = [
        Quantity(
            *(name, "", f"{doc}, averaged over the finite channels", "bn"),
            tuple(f"{name}_{moment}" for moment in ("sum", "count", "nan", "inf")),
            _mean_of(name),
        )
        for name, doc in _BN.items()
    ]
    vectors = [
        Quantity(
            *(f"{name}_channels", "", f"{doc}, for each channel", "bn", (name,), moment(name)),
            vector=True,
        )
        for name, doc in _BN.items()
    ]
    carried = Quantity(
        "initial_weight",
        "1",
        "share of the moving statistics that still comes from their initial values: momentum^calls",
        "bn",
        ("momentum", "calls"),
        lambda moments: _powers(moments["momentum"], moments["calls"]),
    )
    return [*scalars, carried, *vectors]


def _powers(bases: Array, exponents: Array) -> Array:
    """One by one: NumPy rounds a power otherwise where it takes several at once."""
    pairs = zip(bases.reshape(-1).tolist(), exponents.reshape(-1).tolist(), strict=True)
    return np.array([base**exponent for base, exponent in pairs]).reshape(bases.shape)


def _mean_of(name: str) -> Finish:
    def finish(moments: Moments) -> Array:
        count = moments[f"{name}_count"] - moments[f"{name}_nan"] - moments[f"{name}_inf"]
        return _ratio(moments[f"{name}_sum"], count)

    return finish


def _dropout() -> list[Quantity]:
    doc = "share of the mask that was kept"
    kept = Quantity("kept_fraction", "1", doc, "dropout", ("kept", "drawn"), _over("kept", "drawn"))
    drawn = "numbers that were drawn for the mask"
    return [
        kept,
        Quantity("drawn", "elements", drawn, "dropout", ("drawn",), moment("drawn"), "int64"),
    ]


def _step() -> list[Quantity]:
    def plain(name: str, unit: str, doc: str, dtype: str = "float64") -> Quantity:
        return Quantity(name, unit, doc, "steps", (name,), moment(name), dtype)

    def norm(name: str, doc: str) -> Quantity:
        finish: Finish = lambda moments: np.sqrt(moments[f"{name}_sumsq"])  # noqa: E731
        return Quantity(name, "", doc, "steps", (f"{name}_sumsq",), finish)

    scaled = "null without loss scaling"
    return [
        plain("epoch", "", "pass over the training data, from 0", "int64"),
        plain("index", "", "number of the batch within its epoch, from 0", "int64"),
        plain("loss", "", "mean loss of the batch, regularisation included"),
        plain("data_loss", "", "the part of the loss that the labels decide"),
        plain("regularization", "", "the part of the loss that regularisers add"),
        plain("learning_rate", "", "learning rate of this update"),
        norm(
            "grad_norm",
            "norm of all weight gradients together, before clipping; NaN if one is not finite",
        ),
        norm("clipped_grad_norm", "the same after clipping"),
        plain("loss_scale", "", f"factor on the loss in this step; {scaled}"),
        plain("skipped", "", f"1 where the update was left out; {scaled}"),
        plain("batch_size", "examples", "examples in the batch", "int64"),
        plain("micro_batches", "", "parts that the batch was taken in", "int64"),
        plain("step_time", "s", "time from handing over the batch to having the numbers"),
        plain("input_time", "s", "time spent waiting for the batch"),
        plain("fingerprint", "", "hash of the batch: indices, inputs and labels", "string"),
        plain("time", "", "when the step was finished", "timestamp"),
    ]


def metric_quantity(name: str) -> Quantity:
    """The column of a metric: a total over a count.

    >>> metric_quantity("accuracy").moments
    ('accuracy:total', 'accuracy:count')
    """
    total, count = f"{name}:total", f"{name}:count"
    doc = f"{name} of the batch, before the update"
    finish = _root_over(total, count) if name.split("_")[-1] == "rmse" else _over(total, count)
    return Quantity(name, "", doc, "steps", (total, count), finish)


def head_quantity(name: str) -> Quantity:
    """The column of the mean loss of one of several outputs."""
    doc = f"mean loss at output {name!r}"
    return Quantity(f"loss_{name}", "", doc, "steps", (f"loss:{name}",), moment(f"loss:{name}"))


def validated_quantity(name: str) -> Quantity:
    """The column of a figure of validation; null where none was made."""
    doc = f"{name} of the examples set aside for validation, after the update"
    return Quantity(f"val_{name}", "", doc, "steps", (f"val_{name}",), moment(f"val_{name}"))


def _root_over(above: str, below: str) -> Finish:
    return lambda moments: np.sqrt(_ratio(moments[above], moments[below]))


QUANTITIES: tuple[Quantity, ...] = (
    *(*_tensor("output"), *_lists("output")),
    *(*_tensor("output_grad"), *_lists("output_grad")),
    *_weight(),
    *(quantity for quantity in _tensor("slot") if quantity.name in ("norm", "rms", "nonfinite")),
    *(*_bn(), *_dropout(), *_step()),
)


def quantities(
    kind: SiteKind,
    *,
    metrics: Iterable[str] = (),
    heads: Iterable[str] = (),
    validated: Iterable[str] = (),
) -> tuple[Quantity, ...]:
    """The quantities of one kind of site, in column order.

    Args:
        kind: the kind of site.
        metrics: for `steps`, names of the metrics of a run.
        heads: for `steps`, names of the outputs of a run that have a loss of their own.
        validated: for `steps`, names of the figures of validation.

    >>> [quantity.name for quantity in quantities("dropout")]
    ['kept_fraction', 'drawn']
    """
    known = [quantity for quantity in QUANTITIES if quantity.kind == kind]
    if kind != "steps":
        return tuple(known)
    more = [*map(head_quantity, heads), *map(metric_quantity, metrics)]
    more += map(validated_quantity, validated)
    place = next(i for i, quantity in enumerate(known) if quantity.name == "learning_rate")
    return (*known[:place], *more, *known[place:])
