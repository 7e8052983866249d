"""Each quantity against arithmetic by hand, and the table against itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opgraph.record import BINS, KINDS, QUANTITIES, quantities

BY_NAME = {q.full_name: q for q in quantities("steps", metrics=["accuracy", "rmse"], heads=["a"])}
BY_NAME |= {q.full_name: q for q in QUANTITIES}


def finish(name: str, **moments: float) -> float:
    arrays = {key: np.array([[value]], dtype=np.float64) for key, value in moments.items()}
    arrays = {key.replace("__", ":"): value for key, value in arrays.items()}
    return float(BY_NAME[name].finish(arrays)[0, 0])


# of the six elements 3, -1, 0, 0, nan, inf
COUNTED = {"count": 6, "nan": 1, "inf": 1}


@pytest.mark.parametrize(
    ("name", "moments", "expected"),
    [
        ("output.mean", {"sum": 2, **COUNTED}, 0.5),
        ("output.rms", {"sumsq": 10, **COUNTED}, math.sqrt(2.5)),
        ("output.norm", {"sumsq": 10}, math.sqrt(10)),
        ("output.min", {"min": -1, **COUNTED}, -1),
        ("output.max", {"max": 3, **COUNTED}, 3),
        ("output.zero_fraction", {"zeros": 2, **COUNTED}, 0.5),
        ("output.nan", {"nan": 1}, 1),
        ("output.inf", {"inf": 1}, 1),
        ("output.nonfinite", {"nan": 1, "inf": 1}, 2),
        ("output.count", {"count": 6}, 6),
        ("output_grad.norm", {"sumsq": 25}, 5),
        ("output_grad.rms", {"sumsq": 25, **COUNTED}, 2.5),
        ("weight.value_norm", {"value_sumsq": 16}, 4),
        ("weight.grad_mean", {"grad_sum": 8, "grad_count": 4, "grad_nan": 0, "grad_inf": 0}, 2),
        ("weight.update_norm", {"update_sumsq": 4}, 2),
        ("weight.update_ratio", {"update_sumsq": 4, "value_sumsq": 16}, 0.5),
        ("slot.rms", {"sumsq": 16, "count": 4, "nan": 0, "inf": 0}, 2),
        ("bn.initial_weight", {"momentum": 0.5, "calls": 3}, 0.125),
        (
            "bn.moving_mean",
            {"moving_mean_sum": 6, "moving_mean_count": 3, "moving_mean_nan": 1,
             "moving_mean_inf": 0},
            3,
        ),
        ("dropout.kept_fraction", {"kept": 3, "drawn": 12}, 0.25),
        ("steps.grad_norm", {"grad_norm_sumsq": 9}, 3),
        ("steps.accuracy", {"accuracy__total": 24, "accuracy__count": 32}, 0.75),
        ("steps.rmse", {"rmse__total": 36, "rmse__count": 4}, 3),
        ("steps.loss_a", {"loss__a": 0.5}, 0.5),
    ],
)  # fmt: skip
def test_quantity_equals_arithmetic_by_hand(
    name: str, moments: dict[str, float], expected: float
) -> None:
    assert finish(name, **moments) == expected


@pytest.mark.parametrize("name", ["mean", "rms", "min", "max", "zero_fraction"])
def test_output_quantity_is_nan_where_no_element_is_finite(name: str) -> None:
    moments = {"sum": 0, "sumsq": 0, "min": np.nan, "max": np.nan, "zeros": 0}
    assert math.isnan(finish(f"output.{name}", **moments, count=3, nan=2, inf=1))


def test_channels_of_an_array() -> None:
    x = np.array([[1.0, -2.0, np.nan], [3.0, -2.0, np.inf], [5.0, 1.0, np.nan]])
    kept = np.where(np.isfinite(x), x, 0.0)
    moments = {
        "channel_count": np.isfinite(x).sum(axis=0)[None],
        "channel_sum": kept.sum(axis=0)[None],
        "channel_sumsq": (kept**2).sum(axis=0)[None],
        "channel_positive": (kept > 0).sum(axis=0)[None],
    }
    mean = BY_NAME["output.channel_mean"].finish(moments)[0]
    assert mean[:2].tolist() == [3, -1]
    assert np.isnan(mean[2])
    variance = BY_NAME["output.channel_variance"].finish(moments)[0]
    assert variance[:2] == pytest.approx([8 / 3, 2])
    active = BY_NAME["output_grad.channel_active"].finish(moments)[0]
    assert active[:2] == pytest.approx([1, 1 / 3])


def test_a_power_has_the_same_bits_for_any_number_of_rows() -> None:
    """A replayed step is one row, where the training wrote many."""
    moments = {"momentum": np.full((99, 3), 0.8), "calls": np.arange(1.0, 298).reshape(99, 3)}
    whole = BY_NAME["bn.initial_weight"].finish(moments)
    for row in range(99):
        one = {name: values[row : row + 1, :1] for name, values in moments.items()}
        assert BY_NAME["bn.initial_weight"].finish(one)[0, 0] == whole[row, 0]


def test_every_quantity_is_said_in_words() -> None:
    for quantity in QUANTITIES:
        assert (
            quantity.doc[0].islower()
            or quantity.doc[0].isdigit()
            or quantity.doc.startswith(("NaN", "Euclidean"))
        ), quantity.full_name
        assert quantity.moments
        assert BINS == 136


def test_names_are_unique_within_a_kind() -> None:
    for kind in KINDS:
        names = [quantity.name for quantity in quantities(kind)]
        assert len(names) == len(set(names))
