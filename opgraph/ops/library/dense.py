"""Layers in which every output sees every input, and look-up tables.

FLOPs: 2 for each multiply-add, 1 for each bias, the activation by its formula; looking up is free.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from opgraph.errors import AttributeValueError
from opgraph.ops.checks import dims, positive
from opgraph.ops.library.arrays import bias_only, kernel_and_bias
from opgraph.ops.library.functions import function_flops, fused
from opgraph.ops.library.pointwise import free
from opgraph.ops.registry import op
from opgraph.ops.spec import POINTWISE, WHOLE, Dim, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import add, volume

OPTIONS = (*for_weights("kernel", "bias"), "activity_regularizer", "quantization_config")


@op(
    "fc",
    "fully_connected",
    "linear",
    "Gemm",
    "MatMul",
    "logits",
    "output",
    "predictions",
    "classifier",
    "全连接",
    "密集层",
    "线性层",
    "输出",
    category="dense",
)
class Dense(Op):
    """Every output is a weighted sum of all inputs: (..., C) -> (..., units)."""

    units: int = attr(doc="number of outputs", converter=positive, rule="units")
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each output")
    options = OPTIONS

    def shape(self, x: Shape) -> Shape:
        if not x:
            raise self.refuse("Dense takes (..., channels), received ()")
        return (*x[:-1], self.units)

    def weights(self, x: Shape) -> dict[str, Weight]:
        return kernel_and_bias(self, (x[-1], self.units), (self.units,))

    def flops(self, x: tuple[int, ...]) -> Dim:
        numbers = volume(self.shape(x))
        return add(numbers * (2 * x[-1] + self.use_bias), function_flops(self.activation, numbers))

    def reach(self, x: Shape) -> Reach:
        return WHOLE if len(x) == 1 else POINTWISE


EINSUM = r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?"


class _Equation(NamedTuple):
    """Letters of the input, kernel and output; on which side further axes stand (`...`)."""

    inputs: str
    kernel: str
    outputs: str
    rest: str | None


def _read_equation(equation: str) -> _Equation | None:
    found = re.fullmatch(EINSUM, equation)
    if not found:
        return None
    left, inputs, right, kernel, left_out, outputs, right_out = found.groups()
    if (left, right) != (left_out, right_out) or (left and right):
        return None
    return _Equation(inputs, kernel, outputs, "left" if left else "right" if right else None)


@op("einsum", category="dense")
class EinsumDense(Op):
    """A weighted sum over the axes that an einsum equation names."""

    equation: str = attr(doc="such as abc,cd->abd; the first letter is the batch")
    output_shape: tuple[int | None, ...] = attr(
        doc="output without the batch; None where the input says it", converter=dims
    )
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    bias_axes: str | None = attr(default=None, doc="letters of the output that have an offset")
    options = OPTIONS

    def check(self) -> None:
        read = _read_equation(self.equation)
        if read is None:
            raise AttributeValueError(
                f"expected an equation such as abc,cd->abd, received {self.equation!r}",
                where="equation",
            )
        stray = set(read.outputs) - set(read.inputs + read.kernel)
        stray |= set(read.kernel) - set(read.inputs + read.outputs)
        if stray:
            letters = ", ".join(sorted(stray))
            raise AttributeValueError(
                f"expected each letter twice, received {self.equation!r} with {letters} alone",
                where="equation",
            )
        if not set(self.bias_axes or "") <= set(read.outputs):
            raise AttributeValueError(
                f"expected letters of {read.outputs!r}, received {self.bias_axes!r}",
                where="bias_axes",
            )

    def _sizes(self, x: Shape) -> tuple[_Equation, dict[str, Dim], Shape]:
        """The equation, the size of each letter (1 for the batch), and of the axes behind `...`."""
        read = _read_equation(self.equation)
        assert read is not None
        full = (1, *x)
        extra = len(full) - len(read.inputs)
        if extra < 0 or (extra and read.rest is None):
            raise self.refuse(f"equation {self.equation!r} does not fit an input of {x}")
        start = extra if read.rest == "left" else 0
        sizes = dict(zip(read.inputs, full[start:], strict=False))
        rest = full[1:start] if start else full[len(read.inputs) :]
        letters = read.outputs if start else read.outputs[1:]
        if len(letters) != len(self.output_shape):
            raise self.refuse(f"output_shape={self.output_shape} needs {len(letters)} numbers")
        for letter, given in zip(letters, self.output_shape, strict=True):
            if None not in (given, sizes.get(letter)) and given != sizes[letter]:
                raise self.refuse(f"{letter} is {sizes[letter]} in {x}, {given} in output_shape")
            sizes[letter] = sizes.get(letter) if given is None else given
        return read, sizes, rest

    def shape(self, x: Shape) -> Shape:
        read, sizes, rest = self._sizes(x)
        if read.rest == "left" and len(x) + 1 > len(read.inputs):
            return (*rest, *(sizes[letter] for letter in read.outputs))
        return (*(sizes[letter] for letter in read.outputs[1:]), *rest)

    def weights(self, x: Shape) -> dict[str, Weight]:
        read, sizes, rest = self._sizes(x)
        shape = tuple(sizes[letter] for letter in read.kernel)
        arrays = {"kernel": Weight(shape, True, self.initializer("kernel", "glorot_uniform"))}
        if self.bias_axes is None:
            return arrays
        tail = read.outputs[min(read.outputs.find(letter) for letter in self.bias_axes) :]
        bias = [sizes[letter] if letter in self.bias_axes else 1 for letter in tail]
        ones = () if read.rest == "left" else (1,) * len(rest)
        return arrays | bias_only(self, (*bias, *ones))

    def flops(self, x: tuple[int, ...]) -> Dim:
        _, sizes, rest = self._sizes(x)
        numbers = volume(self.shape(x))
        products = volume(sizes.values()) * volume(rest)
        bias = 0 if self.bias_axes is None else numbers
        return add(2 * products, bias, function_flops(self.activation, numbers))

    def reach(self, x: Shape) -> Reach | None:
        return WHOLE if len(x) == 1 else None


@op(
    "embed",
    "emb",
    "embeddings",
    "token_embedding",
    "EMBEDDING_LOOKUP",
    "Gather",
    "嵌入",
    "词嵌入",
    category="dense",
)
class Embedding(Op):
    """A learned row of numbers for each token: (...) -> (..., output_dim)."""

    input_dim: int = attr(doc="number of tokens", converter=positive, rule="vocabulary")
    output_dim: int = attr(doc="numbers for each token", converter=positive, rule="embedding")
    mask_zero: bool = attr(default=False, doc="whether token 0 stands for padding")
    options = (*for_weights("embeddings"), "activity_regularizer", "quantization_config")

    flops = free

    def shape(self, x: Shape) -> Shape:
        return (*x, self.output_dim)

    def weights(self, x: Shape) -> dict[str, Weight]:
        start = self.initializer("embeddings", "random_uniform")
        return {"embeddings": Weight((self.input_dim, self.output_dim), True, start)}
