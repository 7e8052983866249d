"""Names of tensors, and looking them up."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.errors import RunError
from opgraph.record import Layout, StepTensors, TensorName, output_name


def test_names_read_as_they_are_typed() -> None:
    name = output_name("conv")
    assert [str(n) for n in (name, name.grad, output_name("lstm", 2).grad)] == [
        "conv.output",
        "conv.output.grad",
        "lstm.output.2.grad",
    ]
    kernel = TensorName("conv", "kernel")
    assert [n.what for n in (kernel.grad, kernel.update, kernel.after)] == [
        "kernel.grad",
        "kernel.update",
        "kernel.after",
    ]


def test_unknown_tensor_gets_a_suggestion() -> None:
    kernel = TensorName("conv", "kernel")
    arrays = {kernel: np.ones(2), kernel.grad: None}
    tensors = StepTensors(3, arrays, (), (), np.ones(1), Layout((), 1))
    assert tensors[kernel] is not None
    assert tensors["conv", "kernel.grad"] is None
    assert not tensors.verified
    with pytest.raises(RunError) as caught:
        _ = tensors["conv", "kernal"]
    assert str(caught.value) == (
        "step 3, conv.kernal: no such tensor\n   did you mean 'conv.kernel'?"
    )
