"""The arrays that layers of several families own: kernel and bias, gamma and beta."""

from __future__ import annotations

from typing import Any

from opgraph.ops.spec import Op, Shape, Weight


def kernel_and_bias(op: Any, kernel: Shape, bias: Shape, name: str = "kernel") -> dict[str, Weight]:
    """The kernel and, where the op uses one, the bias."""
    arrays = {name: Weight(kernel, True, op.initializer(name, "glorot_uniform"))}
    return arrays | (bias_only(op, bias) if op.use_bias else {})


def bias_only(op: Op, shape: Shape) -> dict[str, Weight]:
    """The bias alone."""
    return {"bias": Weight(shape, True, op.initializer("bias", "zeros"))}


def gamma_and_beta(op: Any, shape: Shape) -> dict[str, Weight]:
    """The learned scale and offset of a normalisation, where it uses them."""
    gamma = {"gamma": Weight(shape, True, op.initializer("gamma", "ones"))}
    beta = {"beta": Weight(shape, True, op.initializer("beta", "zeros"))}
    return (gamma if op.scale else {}) | (beta if op.center else {})
