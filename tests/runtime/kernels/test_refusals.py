"""What the reductions refuse, in whole sentences."""

import numpy as np
import pytest

from opgraph.errors import TraceError

pytestmark = pytest.mark.tf


def test_a_single_number_has_no_channels(reduced):
    with pytest.raises(TraceError) as caught:
        reduced.channels(np.float32(3))
    assert str(caught.value) == "received a single number, expected a tensor with a last axis"


@pytest.mark.parametrize(("values", "name"), [(["a"], "string"), ([1j], "complex128")])
def test_what_is_no_real_number_is_refused(reduced, values, name):
    with pytest.raises(TraceError) as caught:
        reduced.moments(values)
    assert str(caught.value) == f"received a tensor of {name}, expected real numbers"


def test_weights_that_do_not_fit_each_other_are_refused(reduced):
    x = np.ones(3, np.float32)
    with pytest.raises(TraceError) as caught:
        reduced.weights([x, x], [x], [x, x])
    assert (
        str(caught.value)
        == "received (2, 1, 2) weights, gradients and updated weights, not as many"
    )
    with pytest.raises(TraceError) as caught:
        reduced.weights([x], [x.astype(np.float16)], [x])
    assert (
        str(caught.value) == "received float32, float16, float32 for weight 0, expected one dtype"
    )


def test_weights_of_two_shapes_are_refused_by_the_kernel(kernel):
    """The kernel must not read past the end of the smaller."""
    import tensorflow as tf

    x = np.ones(3, np.float32)
    for grads, after, name in (([None], [x[:2]], "after"), ([x[:2]], [x], "grads")):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=f"{name} and before differ in shape at weight 0"
        ):
            kernel.weights([x], grads, after)


def test_an_unknown_instruction_set_is_refused(kernel):
    import dataclasses

    import tensorflow as tf

    other = dataclasses.replace(kernel, isa="mmx")
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"this processor has no instruction set 'mmx'; it has .*baseline",
    ):
        other.moments(np.ones(3, np.float32))
