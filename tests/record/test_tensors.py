"""Names of tensors, and looking them up."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.errors import RunError
from opgraph.record import StepTensors, TensorName, output_name


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
    tensors = StepTensors(3, {kernel: np.ones(2), kernel.grad: None}, (), np.ones(1), np.ones(1))
    assert tensors[kernel] is not None
    assert tensors["conv", "kernel.grad"] is None
    assert not tensors.verified
    with pytest.raises(RunError) as caught:
        _ = tensors["conv", "kernal"]
    assert str(caught.value) == (
        "step 3, conv.kernal: no such tensor\n   did you mean 'conv.kernel'?"
    )
