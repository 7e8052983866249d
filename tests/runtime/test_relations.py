"""What is known of single operations, and that nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tf


@pytest.fixture
def seen() -> Callable[..., Any]:
    """What a function says while it is traced; constants would be folded into the graph."""
    import tensorflow as tf

    def seen(look: Callable[..., Any], *shapes: tuple[int | None, ...], dtype: Any = None) -> Any:
        kept: list[Any] = []

        def traced(*tensors: Any) -> Any:
            kept.append(look(*tensors))
            return tf.zeros(())

        specs = [tf.TensorSpec(shape, dtype or tf.float32) for shape in shapes]
        tf.function(traced, autograph=False).get_concrete_function(*specs)
        return kept[0]

    return seen


def test_a_product_and_a_sum_of_channels_are_affine(seen):
    from opgraph.runtime.relations import affine

    def look(x, scale, shift):
        found = affine(x * scale + shift)
        return [a is b for a, b in zip(found, (x, scale, shift), strict=True)]

    assert seen(look, (2, 3, 5), (5,), (5,)) == [True] * 3


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (((2, 5, 3), (1, 5, 1), (1, 5, 1)), "another axis"),
        (((2, 5), (2, 5), (5,)), "one scale an element"),
        (((2, 5), (1,), (5,)), "one scale for all"),
        (((5,), (5,), (5,)), "one axis"),
        (((1, 5), (2, 5), (5,)), "a source that is spread"),
        (((None, 5), (5,), (5,)), "a size that is not known"),
    ],
)
def test_other_products_and_sums_are_not(seen, shapes, why):
    from opgraph.runtime.relations import affine

    assert seen(lambda x, a, b: affine(x * a + b) is None, *shapes), why


def test_products_of_half_precision_and_other_sums_are_not(seen):
    import tensorflow as tf

    from opgraph.runtime.relations import affine

    shapes = ((2, 5), (5,), (5,))
    for dtype in (tf.float16, tf.bfloat16):
        assert seen(lambda x, a, b: affine(x * a + b) is None, *shapes, dtype=dtype)
    assert seen(lambda x, a, b: affine(x * a - b) is None, *shapes)
    assert seen(lambda x, a, b: affine(x / a + b) is None, *shapes)
    assert seen(lambda x, a, b: affine(x) is None, *shapes)


def test_same_numbers_are_found_through_other_shapes_and_no_further(seen):
    import tensorflow as tf

    from opgraph.runtime.relations import same_numbers

    def look(x):
        y = tf.identity(tf.reshape(x, (6, 1)))
        z = tf.expand_dims(tf.squeeze(y, -1), 0)
        known = {x.ref()}
        return [
            same_numbers(z, known) is x,
            same_numbers(z, {y.ref(), x.ref()}) is y,
            same_numbers(z, set()) is None,
            same_numbers(x, known) is None,
            same_numbers(tf.transpose(z), known) is None,
            same_numbers(tf.cast(z, tf.float64), known) is None,
        ]

    assert seen(look, (2, 3)) == [True] * 6


def relu_and_pool(x: Any, **how: Any) -> tuple[Any, Any, Any, Any]:
    """relu, its pooling, and the gradients at both."""
    import tensorflow as tf

    how = {"ksize": 2, "strides": 2, "padding": "VALID", **how}
    with tf.GradientTape() as tape:
        tape.watch(x)
        relu = tf.nn.relu(x)
        tape.watch(relu)
        pooled = tf.nn.max_pool(relu, **how)
        loss = tf.reduce_sum(pooled * pooled)
    at_pool, at_relu, at_x = tape.gradient(loss, [pooled, relu, x])
    return pooled, at_pool, at_relu, at_x


def test_gradients_of_relu_and_of_max_pooling(seen):
    from opgraph.runtime.relations import gated, rectified, scattered

    def look(x):
        pooled, at_pool, at_relu, at_x = relu_and_pool(x)
        gate, pool = gated(at_x), scattered(at_relu)
        assert rectified(gate.gate) is x
        assert rectified(pooled) is None
        assert gated(at_relu) is None
        assert scattered(at_x) is None
        return gate.grad is at_relu, pool.grad is at_pool, pool.pooled is pooled, pool.zeros

    assert seen(look, (2, 4, 6, 3)) == (True, True, True, 2 * 4 * 6 * 3 * 3 // 4)


@pytest.mark.parametrize(
    ("how", "size", "zeros"),
    [
        ({"padding": "SAME"}, (1, 5, 7, 1), 35 - 12),
        ({"padding": "VALID"}, (1, 5, 7, 1), 35 - 6),
        ({"strides": 3}, (1, 7, 7, 1), 49 - 4),  # columns that nobody reads
        ({"ksize": 3}, (1, 7, 7, 1), None),  # windows overlap
        ({"ksize": (2, 3)}, (1, 7, 7, 1), None),
        ({"strides": 1}, (1, 7, 7, 1), None),
        ({"padding": [[0, 0], [1, 1], [1, 1], [0, 0]]}, (1, 6, 6, 1), None),
        ({}, (None, 6, 6, 1), None),
    ],
)
def test_only_poolings_that_do_not_overlap_scatter(seen, how, size, zeros):
    from opgraph.runtime.relations import scattered

    def look(x):
        found = scattered(relu_and_pool(x, **how)[2])
        return None if found is None else found.zeros

    assert seen(look, size) == zeros


def test_a_pooling_of_volumes_scatters(seen):
    import tensorflow as tf

    from opgraph.runtime.relations import scattered

    def look(x, size):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.nn.max_pool3d(x, size, 2, "VALID") ** 2)
        found = scattered(tape.gradient(loss, x))
        return None if found is None else found.zeros

    assert seen(lambda x: look(x, 2), (1, 4, 4, 4, 2)) == 128 - 16
    assert seen(lambda x: look(x, 3), (1, 4, 4, 4, 2)) is None


def test_a_relu_before_a_sum_is_not_gated_by_what_is_pooled_of_the_sum(seen):
    """The sum hands its gradient on as it is; its pooling does not tell where relu was open."""
    import tensorflow as tf

    from opgraph.runtime.relations import gated, pooled_gate

    def look(x, other):
        with tf.GradientTape() as tape:
            tape.watch(x)
            relu = tf.nn.relu(x)
            pooled = tf.nn.max_pool(relu + other, 2, 2, "VALID")
            loss = tf.reduce_sum(pooled**2)
        found = gated(tape.gradient(loss, x))
        return found.grad.op.type, pooled_gate(found)

    assert seen(look, (1, 4, 4, 1), (1, 4, 4, 1)) == ("MaxPoolGrad", None)

    def alone(x):
        pooled, _, _, at_x = relu_and_pool(x)
        return pooled_gate(gated(at_x)).pooled is pooled

    assert seen(alone, (1, 4, 4, 1))


def change_of(change: Callable[[Any, Any], object]) -> Any:
    """What is known of a variable that is read, and then changed."""
    import tensorflow as tf

    from opgraph.runtime.relations import subtraction

    variable = tf.Variable(np.arange(4, dtype=np.float32))
    kept: list[Any] = []

    def step(x: Any) -> Any:
        before = tf.convert_to_tensor(variable)
        change(variable, x)
        kept.append(subtraction(before))
        return (
            before,
            tf.convert_to_tensor(variable),
            kept[0].inputs[1] if kept[0] is not None else x,
        )

    before, after, taken = tf.function(step, autograph=False)(tf.fill((4,), 1 / 3))
    if kept[0] is not None:
        assert np.array_equal(after, before - taken)
    return kept[0]


def test_what_is_taken_from_a_variable_is_known_if_that_is_all():
    import tensorflow as tf

    assert change_of(lambda v, x: v.assign_sub(x)) is not None
    assert change_of(lambda v, x: None) is None
    assert change_of(lambda v, x: v.assign(v - x)) is None
    assert change_of(lambda v, x: v.assign_add(x)) is None
    assert change_of(lambda v, x: (v.assign_sub(x), v.assign_sub(x))) is None
    assert change_of(lambda v, x: (v.assign_sub(x), v.assign(v * 2))) is None
    index = tf.IndexedSlices(tf.ones((1,)), tf.constant([2]), tf.constant([4]))
    assert change_of(lambda v, x: v.scatter_sub(index)) is None
    branch = lambda v, x: tf.cond(x[0] > 0, lambda: v.assign_sub(x), lambda: v.read_value())  # noqa: E731
    assert change_of(branch) is None


def test_a_change_waits_for_its_reader():
    import tensorflow as tf

    from opgraph.runtime.relations import let_read_first, subtraction

    variable = tf.Variable(tf.ones((4,)))
    kept: list[Any] = []

    def step(x: Any) -> Any:
        before = tf.convert_to_tensor(variable)
        variable.assign_sub(x)
        reader = tf.reduce_sum(before)
        kept.extend((subtraction(before), reader))
        let_read_first(*kept)
        return reader

    program = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec((4,)))
    change, reader = kept
    assert reader.op in change.control_inputs
    node = next(n for n in program.graph.as_graph_def().node if n.name == change.name)
    assert f"^{reader.op.name}" in node.input  # the edge is in the program that runs
    assert program(tf.ones((4,))).numpy() == 4
    assert variable.numpy().tolist() == [0] * 4
