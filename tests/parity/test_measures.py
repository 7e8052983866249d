"""Measures against arithmetic by hand and NumPy on whole arrays; names; orders of axes."""

import numpy as np
import pytest

from opgraph.parity.axes import fitting, to_first, to_second
from opgraph.parity.match import fingerprint
from opgraph.parity.measures import Gatherer, Tolerance, measure
from opgraph.parity.names import layers_of


def test_measures_by_hand():
    found = measure(np.array([[3.0, 4.0]]), np.array([[3.0, 4.5]]))
    assert found.max_abs == 0.5
    assert found.mean_abs == 0.25
    assert found.max_rel == 0.125
    assert found.snr == pytest.approx(10 * np.log10(25 / 0.25))
    assert found.cosine == pytest.approx((9 + 18) / (5 * np.sqrt(9 + 4.5**2)))
    assert found.argmax == 1.0


def test_batches_add_up_to_the_whole():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12, 5))
    gatherer = Gatherer()
    for start in range(0, 12, 5):
        gatherer.add(a[start : start + 5], b[start : start + 5])
    whole, parts = measure(a, b), gatherer.result()
    for name in ("max_abs", "mean_abs", "cosine", "snr", "argmax", "largest", "count"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name))
    assert whole.cosine == pytest.approx(
        float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    )


def test_nan_on_one_side_is_never_equal():
    a = np.array([1.0, np.nan, np.inf])
    assert measure(a, a).broken == 0
    found = measure(a, np.array([1.0, 2.0, np.inf]))
    assert found.broken == 1
    assert not found.within(1.0, quantised=False)
    assert measure(a, np.array([1.0, np.nan, -np.inf])).broken == 1


def test_limits():
    assert Tolerance().limit(("float32", "float16"), None)[0] == 1e-2
    assert Tolerance(10).limit(("float32", "float32"), None)[0] == pytest.approx(1e-3)
    assert Tolerance().limit(("float32", "int8"), 0.1) == (20.0, "SNR >= 20 dB")
    just = measure(np.array([1.0, -100.0]), np.array([1.01, -100.0]))
    assert just.within(1e-4 * 1.01, quantised=False)
    assert not just.within(1e-4 * 0.99, quantised=False)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 4, 5, 3), (2, 4, 5, 6, 3)])
def test_orders_of_axes_come_back(shape):
    array = np.random.default_rng(0).normal(size=shape)
    first = np.moveaxis(array, -1, 1)
    (order,) = fitting(array.shape, first.shape)
    assert np.array_equal(to_second(array, order), first)
    assert np.array_equal(to_first(first, order), array)


def test_fingerprints_know_values_and_not_places():
    a = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    assert fingerprint(a).like(fingerprint(np.moveaxis(a, -1, 1)))
    assert fingerprint(a).like(fingerprint(a[:, None]))
    assert not fingerprint(a).like(fingerprint(np.maximum(a, 0)))
    assert not fingerprint(a).like(fingerprint(a.reshape(2, -1)))


def test_names_that_exporters_make():
    known = {"conv2d-1", "bn", "relu"}
    fused = "net/relu_1/Relu;net/bn_2/add_1;net/conv2d-1_1/BiasAdd"
    assert layers_of(fused, known) == ["relu", "bn", "conv2d-1"]
    assert layers_of("Identity:0", known) == []
