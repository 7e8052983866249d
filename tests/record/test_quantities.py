"""Each quantity against arithmetic by hand, and the table against itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opgraph.record import KINDS, MOMENTS, QUANTITIES, quantities

BY_NAME = {(q.kind, q.name): q for q in QUANTITIES}


def finish(kind: str, name: str, **moments: float) -> float:
    arrays = {key: np.array([[value]], dtype=np.float64) for key, value in moments.items()}
    return float(BY_NAME[kind, name].finish(arrays)[0, 0])


@pytest.mark.parametrize(
    ("kind", "name", "moments", "expected"),
    [
        # of the five elements 3, -1, 0, 0, nan
        ("output", "mean", {"sum": 2, "count": 5, "nonfinite": 1}, 0.5),
        ("output", "rms", {"sumsq": 10, "count": 5, "nonfinite": 1}, math.sqrt(2.5)),
        ("output", "min", {"min": -1, "count": 5, "nonfinite": 1}, -1),
        ("output", "max", {"max": 3, "count": 5, "nonfinite": 1}, 3),
        ("output", "zero_fraction", {"zeros": 2, "count": 5, "nonfinite": 1}, 0.5),
        ("output", "nonfinite", {"nonfinite": 1}, 1),
        ("output", "count", {"count": 5}, 5),
        ("output_grad", "norm", {"sumsq": 25}, 5),
        ("output_grad", "rms", {"sumsq": 25, "count": 5, "nonfinite": 1}, 2.5),
        ("weight", "value_norm", {"value_sumsq": 16}, 4),
        ("weight", "grad_norm", {"grad_sumsq": 9}, 3),
        ("weight", "update_norm", {"update_sumsq": 4}, 2),
        ("weight", "update_ratio", {"update_sumsq": 4, "value_sumsq": 16}, 0.5),
        ("steps", "accuracy", {"correct": 24, "predictions": 32}, 0.75),
    ],
)
def test_quantity_equals_arithmetic_by_hand(
    kind: str, name: str, moments: dict[str, float], expected: float
) -> None:
    assert finish(kind, name, **moments) == expected


@pytest.mark.parametrize("name", ["mean", "rms", "min", "max", "zero_fraction"])
def test_output_quantity_is_nan_where_no_element_is_finite(name: str) -> None:
    moments = {"sum": 0, "sumsq": 0, "min": np.inf, "max": -np.inf, "zeros": 0}
    assert math.isnan(finish("output", name, **moments, count=3, nonfinite=3))


def test_bn_scalars_average_over_channels_and_vectors_do_not() -> None:
    channels = np.array([[1.0, 2.0, 6.0]])
    assert BY_NAME["bn", "batch_mean"].finish({"batch_mean": channels}) == [3.0]
    partly = np.array([[1.0, np.nan, 5.0], [np.inf, np.nan, -np.inf]])
    means = BY_NAME["bn", "batch_mean"].finish({"batch_mean": partly})
    assert means[0] == 3.0
    assert np.isnan(means[1])
    kept = BY_NAME["bn", "batch_mean_channels"].finish({"batch_mean": channels})
    assert kept.tolist() == [[1.0, 2.0, 6.0]]


def test_every_quantity_is_said_in_words_and_made_of_known_moments() -> None:
    host = {"epoch", "index", "batch_size", "step_time", "input_time", "fingerprint", "time"}
    for quantity in QUANTITIES:
        assert quantity.doc[0].islower() or quantity.doc.startswith(("NaN", "Euclidean"))
        known = {*MOMENTS[quantity.kind], *(host if quantity.kind == "steps" else ())}
        assert known.issuperset(quantity.moments), quantity.name


def test_names_are_unique_within_a_kind_and_every_moment_is_used() -> None:
    for kind in KINDS:
        names = [quantity.name for quantity in quantities(kind)]
        assert len(names) == len(set(names))
        used = {moment for quantity in quantities(kind) for moment in quantity.moments}
        assert used.issuperset(MOMENTS[kind])
