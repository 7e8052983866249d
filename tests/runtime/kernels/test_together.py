"""Reductions of what is had while something else is read, against NumPy in float64.

What is reduced is made by TensorFlow itself: a product and a sum in the tensor's own type, its
gradients of relu and of max pooling.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.runtime.kernels.test_reductions import (
    COUNT,
    FLOATS,
    MAX,
    MIN,
    ZEROS,
    assert_moments,
    sample,
    typed,
)

pytestmark = pytest.mark.tf

CHANNELS = (1, 3, 7, 16, 17, 100, 33_000)
PLANTED = (None, np.nan, np.inf, -np.inf)
WIDE = ("float32", "float64")


def scales(channels: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Scales of either sign, some of them zero, and shifts."""
    scale, shift = sample((channels,), dtype, 1), sample((channels,), dtype, 2)
    scale[:1], shift[:1] = -1.5, 0.25
    scale[2::5] = 0
    scale[3::5] = -0.0
    return scale, shift


def affine_by_tensorflow(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> list[np.ndarray]:
    """x, y and relu(y), each operation a call of its own."""
    import tensorflow as tf

    y = tf.raw_ops.AddV2(x=tf.raw_ops.Mul(x=x, y=scale), y=shift)
    return [x, y.numpy(), tf.nn.relu(y).numpy()]


def plant(x: np.ndarray, value: float | None) -> np.ndarray:
    """Put a value at the start, in the middle and at the end; and zeros of either sign."""
    flat = x.reshape(-1)
    flat[1::7], flat[2::11] = -0.0, 0.0
    if value is not None and flat.size:
        flat[[0, flat.size // 2, flat.size - 1]] = value
    return x


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", WIDE)
def test_a_product_and_a_sum_are_those_of_tensorflow(reduced, dtype, channels, planted):
    scale, shift = scales(channels, dtype)
    for rows in (1, 5) if channels > 1000 else (1, 37, 2501):
        x = plant(sample((rows, channels), dtype, rows), planted)
        made = affine_by_tensorflow(x, scale, shift)
        for relu in (False, True):
            found = np.asarray(reduced.moments_and_affine(x, scale, shift, relu=relu))
            assert found.shape == (2 + relu, 8)
            for row, array in zip(found, made[: 2 + relu], strict=True):
                assert_moments(row, array)


def test_a_sum_that_cancels_is_rounded_twice(reduced):
    """Rounded once, as a fused operation does, almost no element would be zero."""
    x = np.full((1000, 3), 1 / 3, np.float32)
    scale = np.array([3, 1 / 3, -7], np.float32)
    shift = -(x[0] * scale)
    found = np.asarray(reduced.moments_and_affine(x, scale, shift, relu=True))
    assert found[1:, [COUNT, ZEROS, MIN, MAX]].tolist() == [[3000, 3000, 0, 0]] * 2


@pytest.mark.parametrize("where", ["scale", "shift"])
@pytest.mark.parametrize("value", PLANTED[1:])
def test_a_scale_or_shift_that_is_not_finite(reduced, where, value):
    scale, shift = scales(7, "float32")
    {"scale": scale, "shift": shift}[where][4] = value
    x = plant(sample((500, 7), "float32"), None)
    found = reduced.moments_and_affine(x, scale, shift, relu=True)
    for row, array in zip(found, affine_by_tensorflow(x, scale, shift), strict=True):
        assert_moments(row, array)


def test_a_product_may_overflow(reduced):
    x = np.array([[1e38, -1e38, 1, 2]] * 9, np.float32)
    scale, shift = np.full(4, 10, np.float32), np.zeros(4, np.float32)
    found = reduced.moments_and_affine(x, scale, shift, relu=True)
    for row, array in zip(found, affine_by_tensorflow(x, scale, shift), strict=True):
        assert_moments(row, array)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3, 5, 7)], ids=str)
def test_shapes_with_nothing_in_them_and_with_more_axes(reduced, shape):
    scale, shift = scales(shape[-1], "float32")
    x = sample(shape, "float32")
    found = reduced.moments_and_affine(x, scale, shift, relu=True)
    for row, array in zip(found, affine_by_tensorflow(x, scale, shift), strict=True):
        assert_moments(row, array)


def gate_rows(gate: np.ndarray, grad: np.ndarray, zeros: int) -> list[np.ndarray]:
    """What a relu hands back by TensorFlow, among zeros."""
    import tensorflow as tf

    back = tf.raw_ops.ReluGrad(gradients=grad, features=gate).numpy()
    more = np.zeros(zeros)
    among = [np.concatenate([np.asarray(x, np.float64).ravel(), more]) for x in (grad, back)]
    return [gate, grad, *among]


def check_gate(reduced: Any, gate: np.ndarray, grad: np.ndarray, zeros: int) -> None:
    wanted = gate_rows(gate, grad, zeros)
    for with_gate in (False, True):
        found = reduced.moments_of_gate(gate, grad, with_gate=with_gate, zeros=zeros)
        found = np.asarray(found)
        assert found.shape == (4, 8)
        assert with_gate or np.isnan(found[0]).all()
        for row, array in zip(found[1 - with_gate :], wanted[1 - with_gate :], strict=True):
            assert_moments(row, array)


@pytest.mark.parametrize("planted_grad", PLANTED)
@pytest.mark.parametrize("planted_gate", PLANTED)
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_a_relu_hands_back_is_that_of_tensorflow(reduced, dtype, planted_gate, planted_grad):
    for size, zeros in ((7, 0), (16, 21), (1003, 3), (20_001, 60_003)):
        gate = plant(np.maximum(sample((size,), dtype), typed(0, dtype)), None)
        grad = plant(sample((size,), dtype, 1), planted_grad)
        if planted_gate is not None:
            gate[[0, 3, -1]] = planted_gate  # beside finite gradients, and two that are planted
        check_gate(reduced, gate, grad, zeros)


def test_a_closed_gate_hands_back_nan_of_what_is_not_finite(reduced):
    grad = np.array([np.nan, np.inf, -np.inf, 5], np.float32)
    gate = np.array([0, -1, -0.0, 0], np.float32)
    found = np.asarray(reduced.moments_of_gate(gate, grad, with_gate=False))
    assert found[3, :4].tolist() == [4, 3, 0, 1]


@pytest.mark.parametrize(
    ("grad", "zeros", "least", "most"),
    [([2, 3], 1, 0, 3), ([-2, -3], 1, -3, 0), ([-1, 4], 5, -1, 4), ([2, 3], 0, 2, 3)],
)
def test_zeros_on_top_are_among_the_least_and_the_greatest(reduced, grad, zeros, least, most):
    x = np.array(grad * 20, np.float32)
    rows = np.asarray(reduced.moments_of_gate(np.ones_like(x), x, with_gate=True, zeros=zeros))
    for row in rows[2:]:
        assert row[[COUNT, ZEROS, MIN, MAX]].tolist() == [40 + zeros, zeros, least, most]
        assert not np.signbit(row[[MIN, MAX]][row[[MIN, MAX]] == 0]).any()
    assert rows[1, [COUNT, ZEROS, MIN, MAX]].tolist() == [40, 0, min(grad), max(grad)]


@pytest.mark.parametrize("size", [3, 40])
def test_where_nothing_is_finite_the_zeros_are_all_that_is_left(reduced, size):
    grad = np.full(size, np.nan, np.float32)
    gate = np.ones(size, np.float32)
    rows = np.asarray(reduced.moments_of_gate(gate, grad, with_gate=True, zeros=9))
    for row in rows[2:]:
        assert row.tolist() == [size + 9, size, 0, 9, 0, 0, 0, 0]
    assert np.isnan(rows[1, [MIN, MAX]]).all()
    rows = np.asarray(reduced.moments_of_gate(gate, grad, with_gate=True))
    assert np.isnan(rows[1:, [MIN, MAX]]).all()


@pytest.mark.parametrize("kind", ["random", "ties", "negative"])
def test_the_gradient_of_a_max_pooling_is_its_numbers_among_zeros(reduced, kind):
    import tensorflow as tf

    x = {
        "random": np.maximum(sample((3, 7, 9, 5), "float32"), 0),
        "ties": np.full((3, 7, 9, 5), 2, np.float32),
        "negative": np.zeros((3, 7, 9, 5), np.float32),
    }[kind]
    how: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    pooled = tf.raw_ops.MaxPool(input=x, **how)
    grad = sample(tuple(pooled.shape), "float32", 1)
    whole = tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=pooled, grad=grad, **how)
    back = tf.raw_ops.ReluGrad(gradients=whole, features=x)
    found = reduced.moments_of_gate(pooled, grad, with_gate=True, zeros=x.size - grad.size)
    for row, array in zip(found, (pooled, grad, whole, back), strict=True):
        assert_moments(row, np.asarray(array))


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_taken_has_the_bits_of_after_minus_before(reduced, dtype):
    import tensorflow as tf

    shapes = ((3, 3, 4, 8), (7,), (), (70_001,), (0, 5))
    before = [tf.constant(plant(sample(shape, dtype, i), None)) for i, shape in enumerate(shapes)]
    taken = [tf.constant(sample(shape, dtype, i + 9) / 64) for i, shape in enumerate(shapes)]
    taken[1] = tf.constant(plant(sample((7,), dtype), np.nan))
    taken[3] = tf.constant(plant(taken[3].numpy(), -np.inf))
    after = [b - t for b, t in zip(before, taken, strict=True)]
    grads = [before[0], None, taken[2], None, before[4]]
    wanted = np.asarray(reduced.weights(before, grads, after))
    assert_moments(wanted[0, 2], (after[0] - before[0]).numpy())
    for known in (taken, [taken[0], None, None, taken[3], None]):
        found = np.asarray(reduced.weights(before, grads, after, known))
        assert found.tobytes() == wanted.tobytes()
    other = [tf.zeros_like(x) for x in after]  # with what is taken, `after` is not read
    found = np.asarray(reduced.weights(before, grads, other, taken))
    assert found.tobytes() == wanted.tobytes()


def test_shapes_that_do_not_fit_are_refused_by_the_kernel(kernel):
    """The kernel must not read past the end of the smaller."""
    import tensorflow as tf

    x, three, two = np.ones((5, 3), np.float32), np.ones(3, np.float32), np.ones(2, np.float32)
    for values, scale, shift in ((x, two, three), (x, three, two), (x, x, x), (x[0, 0], two, two)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="need one number a channel"):
            kernel.moments_and_affine(values, scale, shift, relu=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="gate and grad differ in shape"):
        kernel.moments_of_gate(three, two, with_gate=True)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="after and before differ in shape at weight 0"
    ):
        kernel.weights([three], [None], [three], [two])


def test_shapes_are_known_while_a_function_is_traced(reduced):
    import tensorflow as tf

    seen = {}

    @tf.function(input_signature=[tf.TensorSpec((None, 6), tf.float32)])
    def traced(x: Any) -> Any:
        row = tf.ones((6,))
        seen["y"] = reduced.moments_and_affine(x, row, row, relu=False).shape
        seen["relu"] = reduced.moments_and_affine(x, row, row, relu=True).shape
        seen["gate"] = reduced.moments_of_gate(x, x, with_gate=True, zeros=3).shape
        seen["taken"] = reduced.weights([x], [None], [x], [x]).shape
        return seen

    traced.get_concrete_function()
    assert {name: tuple(shape) for name, shape in seen.items()} == {
        "y": (2, 8),
        "relu": (3, 8),
        "gate": (4, 8),
        "taken": (1, 3, 8),
    }


def all_bits(way: Any, x: np.ndarray, y: np.ndarray) -> list[bytes]:
    """Every reduction of this file."""
    results = [
        way.moments_of_gate(x, y, with_gate=True, zeros=7),
        way.moments_of_gate(x, y, with_gate=False),
        way.weights([x, y[0]], [y, None], [x, y[0]], [y, x[0]]),
    ]
    if x.dtype in (np.float32, np.float64):
        results += [way.moments_and_affine(x, x[0], y[0], relu=relu) for relu in (False, True)]
    return [np.asarray(result).tobytes() for result in results]


@pytest.mark.parametrize("planted", PLANTED[:3])
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_instruction_set_gives_the_same_bits(kernel, dtype, planted):
    from opgraph.runtime.kernels import kernel_status

    for shape in ((1, 1), (3, 5), (100, 37), (700, 64), (2, 33_000)):
        x, y = plant(sample(shape, dtype), planted), sample(shape, dtype, 1)
        ways = [dataclasses.replace(kernel, isa=isa) for isa in kernel_status().instruction_sets]
        results = [all_bits(way, x, y) for way in ways]
        assert all(result == results[0] for result in results)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_a_limit_of_threads_changes_no_bit(kernel, threads):
    x, y = plant(sample((11_000, 100), "float32"), np.nan), sample((11_000, 100), "float32", 1)
    one, some, every = (dataclasses.replace(kernel, threads=n) for n in (1, threads, 0))
    assert all_bits(one, x, y) == all_bits(some, x, y) == all_bits(every, x, y)
