"""What the reductions say of tensors, against NumPy in float64; kernel and TensorFlow alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tf

FLOATS = ("float32", "float16", "bfloat16", "float64")
SHAPES = ((), (0,), (1,), (7,), (1000,), (3, 5, 7, 11), (16385,), (64, 33, 40))
EXACT = [0, 1, 2, 3, 6, 7]
COUNT, NAN, INF, ZEROS, SUM, SUMSQ, MIN, MAX = range(8)


def typed(values: Any, dtype: str) -> np.ndarray:
    """An array of a dtype that NumPy may know only through TensorFlow."""
    import tensorflow as tf

    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values).astype(tf.as_dtype(dtype).as_numpy_dtype)


def sample(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Numbers of many sizes, an eighth of them zero."""
    random = np.random.default_rng(seed)
    x = random.normal(size=shape) * 2.0 ** random.integers(-8, 8, shape)
    return typed(np.where(random.random(shape) < 1 / 8, 0.0, x), dtype)


def by_hand(array: np.ndarray) -> np.ndarray:
    """Moments in float64."""
    x = np.asarray(array, np.float64).reshape(-1)
    kept = x[np.isfinite(x)]
    ends = (kept.min() + 0.0, kept.max() + 0.0) if kept.size else (np.nan, np.nan)
    counts = (x.size, np.isnan(x).sum(), np.isinf(x).sum(), (kept == 0).sum())
    with np.errstate(over="ignore"):
        return np.array([*counts, kept.sum(), (kept * kept).sum(), *ends])


def assert_moments(found: Any, array: np.ndarray, tolerance: float = 1e-13) -> None:
    found, expected = np.asarray(found), by_hand(array)
    assert found.dtype == np.float64
    assert found.shape == (8,)
    np.testing.assert_array_equal(found[EXACT], expected[EXACT])
    kept = np.asarray(array, np.float64).reshape(-1)
    size = np.abs(kept[np.isfinite(kept)]).sum()
    assert abs(found[SUM] - expected[SUM]) <= tolerance * size
    np.testing.assert_allclose(found[SUMSQ], expected[SUMSQ], rtol=tolerance)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
def test_moments_are_those_of_numpy(reduced, dtype, shape):
    x = sample(shape, dtype)
    assert_moments(reduced.moments(x), x)


@pytest.mark.parametrize("size", range(34))
def test_each_element_counts_once_whatever_the_size(reduced, size):
    assert_moments(
        reduced.moments(sample((size,), "float32", size)), sample((size,), "float32", size)
    )


def test_three_million_elements(reduced):
    for dtype in ("float32", "bfloat16"):
        x = sample((3_000_017,), dtype)
        assert_moments(reduced.moments(x), x)


@pytest.mark.parametrize("where", [0, 5, 15, 16, 100, 16383, 16384, 19999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_not_finite_is_counted_and_left_out(reduced, dtype, value, where):
    x = sample((20_000,), dtype)
    x[where] = value
    assert_moments(reduced.moments(x), x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_where_nothing_is_finite_there_is_no_least_and_no_greatest(reduced, dtype):
    for values in ([np.nan] * 40, [np.inf, -np.inf, np.nan] * 7, [-np.inf]):
        x = typed(values, dtype)
        assert_moments(reduced.moments(x), x)
        found = np.asarray(reduced.moments(x))
        assert np.isnan(found[[MIN, MAX]]).all()
        assert found[[SUM, SUMSQ]].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_minus_zero_is_zero_and_has_no_sign_afterwards(reduced, dtype):
    for values in ([-0.0], [-0.0] * 50, [0.0, -0.0] * 20, [-0.0, 0.0]):
        found = np.asarray(reduced.moments(typed(values, dtype)))
        assert found.tolist() == [len(values), 0, 0, len(values), 0, 0, 0, 0]
        assert not np.signbit(found).any()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "function"])
def test_subnormal_numbers_are_not_zero(reduced, dtype, compiled):
    """TensorFlow's own threads flush them to zero; the second moment tells who looks."""
    import tensorflow as tf

    least = np.asarray(np.finfo(np.float16).smallest_subnormal if dtype == "float16" else 0)
    if dtype != "float16":
        bits = np.ones((), np.int64 if dtype == "float64" else np.int32)
        least = bits.view(np.float64 if dtype == "float64" else np.float32)
        least = least if dtype != "bfloat16" else np.float32(2.0**-133)
    x = typed(np.concatenate([[0.0, -0.0, 1, -1], np.repeat([least, -least], 50)]), dtype)
    assert (np.asarray(x, np.float64) == 0).sum() == 2
    moments = tf.function(reduced.moments) if compiled else reduced.moments
    assert np.asarray(moments(tf.constant(x)))[ZEROS] == 2


def test_the_kernel_adds_up_subnormal_numbers_in_tensorflows_threads_too(kernel):
    import tensorflow as tf

    x = np.full(100_000, 1e-40, np.float32)
    expected = by_hand(x)
    for found in (kernel.moments(x), tf.function(kernel.moments)(tf.constant(x))):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-13)


def test_squares_of_huge_numbers_do_not_overflow(reduced):
    x = np.array([1e38, -3e38, 2.0] * 9, np.float32)
    assert_moments(reduced.moments(x), x)
    assert_moments(reduced.moments(typed(x, "bfloat16")), typed(x, "bfloat16"))
    wide = np.array([1e200, -2e200, 1.0] * 9)
    assert_moments(reduced.moments(wide), wide)
    assert np.isinf(np.asarray(reduced.moments(wide))[SUMSQ])


def test_small_numbers_are_not_lost_beside_large_ones(reduced):
    """In float32 the ones would vanish beside 2^26."""
    x = np.ones(200_001, np.float32)
    x[7] = 2.0**26
    assert np.asarray(reduced.moments(x))[SUM] == 2.0**26 + 200_000


def test_integers_and_booleans_are_cast(reduced):
    tokens = np.random.default_rng(0).integers(-5, 30_000, (32, 17)).astype(np.int32)
    assert_moments(reduced.moments(tokens), tokens)
    assert_moments(reduced.moments(tokens % 3 == 0), tokens % 3 == 0)
    assert np.asarray(reduced.channels(tokens)).shape == (4, 17)
    assert np.asarray(reduced.histogram(tokens > 3)).sum() == tokens.size


def test_nothing_that_is_read_is_changed(reduced):
    import tensorflow as tf

    x, y = sample((5000, 3), "float32"), sample((5000, 3), "float32", 1)
    x[5] = np.nan
    a, b = tf.constant(x), tf.constant(y)
    for name in ("moments", "moments_and_relu", "channels", "histogram"):
        getattr(reduced, name)(a)
    reduced.weights([a], [b], [b])
    reduced.moments_of_many([a, b])
    assert a.numpy().tobytes() == x.tobytes()
    assert b.numpy().tobytes() == y.tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
def test_many_tensors_have_the_bits_of_each(reduced, dtype):
    arrays = [sample(shape, dtype, i) for i, shape in enumerate(SHAPES)]
    found = np.asarray(reduced.moments_of_many(arrays))
    alone = np.stack([np.asarray(reduced.moments(x)) for x in arrays])
    np.testing.assert_array_equal(found, alone)


def test_many_tensors_of_several_dtypes_come_in_their_order(reduced):
    dtypes = ("float32", "float64", "float32", "float16", "int32", "float64")
    arrays = [np.full(i + 1, i, dtype) for i, dtype in enumerate(dtypes)]
    found = np.asarray(reduced.moments_of_many(arrays))
    assert found[:, COUNT].tolist() == [1, 2, 3, 4, 5, 6]
    assert found[:, MAX].tolist() == [0, 1, 2, 3, 4, 5]
    assert np.asarray(reduced.moments_of_many([])).shape == (0, 8)


@pytest.mark.parametrize("planted", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_relu_is_reduced_in_the_same_pass(reduced, dtype, planted):
    import tensorflow as tf

    for shape in ((0,), (1,), (7,), (33, 1000)):
        x = sample(shape, dtype)
        if planted is not None and x.size:
            x[..., -1] = planted
        both = np.asarray(reduced.moments_and_relu(x))
        np.testing.assert_array_equal(both[0], np.asarray(reduced.moments(x)))
        np.testing.assert_array_equal(both[1], np.asarray(reduced.moments(tf.nn.relu(x))))
        assert_moments(both[1], typed(np.maximum(np.asarray(x, np.float64), 0), dtype))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-1, -2, -3], [3, 0, 0, 3, 0, 0, 0, 0]),
        ([1, 2, 4], [3, 0, 0, 0, 7, 21, 1, 4]),
        ([-1, 5], [2, 0, 0, 1, 5, 25, 0, 5]),
        ([-np.inf, 5], [2, 0, 0, 1, 5, 25, 0, 5]),
        ([-np.inf], [1, 0, 0, 1, 0, 0, 0, 0]),
        ([-np.inf, np.nan, np.inf], [3, 1, 1, 1, 0, 0, 0, 0]),
        ([np.inf, -1, 2], [3, 0, 1, 1, 2, 4, 0, 2]),
        ([-0.0, 3], [2, 0, 0, 1, 3, 9, 0, 3]),
    ],
)
@pytest.mark.parametrize("times", [1, 20])
def test_relu_by_hand(reduced, values, expected, times):
    x = np.array(values * times, np.float32)
    scaled = [number * times for number in expected[:6]] + expected[6:]
    found = np.asarray(reduced.moments_and_relu(x))[1]
    assert found.tolist() == scaled
    assert not np.signbit(found).any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_weights_are_reduced_with_gradient_and_update(reduced, dtype):
    import tensorflow as tf

    shapes = ((3, 3, 4, 8), (8,), (), (40_000,), (0, 5))
    before = [tf.constant(sample(shape, dtype, i)) for i, shape in enumerate(shapes)]
    grads = [tf.constant(sample(shape, dtype, i + 9)) for i, shape in enumerate(shapes)]
    after = [b - tf.cast(0.01, b.dtype) * g for b, g in zip(before, grads, strict=True)]
    grads[1] = None
    found = np.asarray(reduced.weights(before, grads, after))
    assert found.shape == (5, 3, 8)
    for i, (b, g, a) in enumerate(zip(before, grads, after, strict=True)):
        assert_moments(found[i, 0], b.numpy())
        assert_moments(found[i, 2], (a - b).numpy())
        if g is None:
            assert np.isnan(found[i, 1]).all()
        else:
            assert_moments(found[i, 1], g.numpy())


def test_an_update_is_rounded_as_its_dtype_rounds(reduced):
    """1 - 2^-12 in float16 lies between two numbers; float32 would keep the difference."""
    import tensorflow as tf

    for dtype in ("float16", "bfloat16"):
        x = sample((4000,), dtype, 1)
        y = typed(np.asarray(x, np.float32) * 1.37 + 3e-5, dtype)
        update = tf.constant(y) - tf.constant(x)
        assert_moments(np.asarray(reduced.weights([x], [None], [y]))[0, 2], update.numpy())
    huge = np.array([60_000.0, -60_000] * 20, np.float16)
    found = np.asarray(reduced.weights([huge], [None], [-huge]))[0, 2]
    assert found[INF] == 40


def test_weights_of_several_dtypes_come_in_their_order(reduced):
    arrays = [np.full(i + 1, i, dtype) for i, dtype in enumerate(("float32", "float64", "float32"))]
    grads = [None, arrays[1] * 3, arrays[2] * 4]
    found = np.asarray(reduced.weights(arrays, grads, [2 * x for x in arrays]))
    assert found[:, 0, COUNT].tolist() == [1, 2, 3]
    assert found[1:, 1, MAX].tolist() == [3, 8]
    assert found[:, 2, MAX].tolist() == [0, 1, 2]
    assert np.isnan(found[0, 1]).all()
    assert np.asarray(reduced.weights([], [], [])).shape == (0, 3, 8)


@pytest.mark.parametrize(
    "shape", [(1,), (0, 4), (5, 3), (7, 16), (9, 31), (40, 50, 40), (3000, 9), (2, 700)]
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_channels_are_those_of_numpy(reduced, dtype, shape):
    x = sample(shape, dtype)
    if x.size > 3:
        x.reshape(-1)[[0, x.size // 2, x.size - 1]] = [np.nan, np.inf, -np.inf]
    found = np.asarray(reduced.channels(x))
    rows = np.asarray(x, np.float64).reshape(-1, shape[-1])
    finite = np.isfinite(rows)
    kept = np.where(finite, rows, 0)
    assert found.shape == (4, shape[-1])
    np.testing.assert_array_equal(found[0], finite.sum(0))
    assert (np.abs(found[1] - kept.sum(0)) <= 1e-13 * np.abs(kept).sum(0)).all()
    np.testing.assert_allclose(found[2], (kept * kept).sum(0), rtol=1e-13)
    np.testing.assert_array_equal(found[3], (kept > 0).sum(0))


def test_channels_add_up_to_the_moments(reduced):
    x = sample((128, 12, 12, 24), "float32")
    channels, moments = np.asarray(reduced.channels(x)), np.asarray(reduced.moments(x))
    assert channels[0].sum() == moments[COUNT]
    np.testing.assert_allclose(channels[2].sum(), moments[SUMSQ], rtol=1e-13)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [0, 1, 7, 1000, 300_001])
def test_histograms_are_those_of_the_record(reduced, dtype, size):
    from opgraph.record.histogram import count_bins

    random = np.random.default_rng(size)
    x = typed(random.normal(size=size) * 2.0 ** random.integers(-160, 60, size), dtype)
    x[: size // 5] = 0
    if size >= 1000:
        x[:6] = [np.nan, np.inf, -np.inf, -0.0, -np.nan, 1]
    found = np.asarray(reduced.histogram(x))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, count_bins(np.asarray(x, np.float64)))


def test_histograms_in_a_function_tell_subnormal_numbers_from_zero(reduced):
    import tensorflow as tf

    x = tf.constant(np.array([1e-45, -1e-45, 0.0, -0.0, 1e-39] * 40, np.float32))
    found = np.asarray(tf.function(reduced.histogram)(x))
    assert found[[66, 67, 68]].tolist() == [40, 80, 80]


def test_shapes_are_known_while_a_function_is_traced(reduced):
    import tensorflow as tf

    seen = {}

    @tf.function(input_signature=[tf.TensorSpec((None, 6), tf.float32)])
    def traced(x: Any) -> Any:
        seen["moments"] = reduced.moments(x).shape
        seen["relu"] = reduced.moments_and_relu(x).shape
        seen["many"] = reduced.moments_of_many([x, x, x]).shape
        seen["weights"] = reduced.weights([x, x], [x, None], [x, x]).shape
        seen["channels"] = reduced.channels(x).shape
        seen["histogram"] = reduced.histogram(x).shape
        return reduced.moments(x)

    assert_moments(traced(tf.ones((3, 6))), np.ones(18))
    assert {name: tuple(shape) for name, shape in seen.items()} == {
        "moments": (8,),
        "relu": (2, 8),
        "many": (3, 8),
        "weights": (2, 3, 8),
        "channels": (4, 6),
        "histogram": (136,),
    }


def test_without_looking_for_nan_the_fast_ops_say_so_in_the_sum_of_squares():
    from opgraph.runtime.kernels.plain import TensorFlowReductions

    fast = TensorFlowReductions(assume_finite=True)
    for dtype in FLOATS:
        x = sample((7, 999), dtype)
        assert_moments(fast.moments(x), x, 1e-5)
        for value in (np.nan, np.inf, -np.inf):
            x[3, 3] = value
            assert not np.isfinite(np.asarray(fast.moments(x))[SUMSQ])
    assert_moments(fast.moments(np.zeros(0, np.float32)), np.zeros(0))
    assert not np.isfinite(np.asarray(fast.moments(np.array([1e38], np.float32)))[SUMSQ])


def test_moments_that_are_not_asked_for_are_not_made():
    """A function that uses the sum of squares alone holds no operation for the others."""
    import tensorflow as tf

    from opgraph.runtime.kernels.plain import TensorFlowReductions

    fast = TensorFlowReductions(assume_finite=True)
    graph = tf.function(lambda x: fast.parts(x)["sumsq"]).get_concrete_function(
        tf.TensorSpec((9,), tf.float32)
    )
    kinds = {op.type for op in graph.graph.get_operations()}
    assert "L2Loss" in kinds
    assert not {"Min", "Max", "Sum", "Equal"} & kinds
