"""Layers that read a sequence step by step and remember.

FLOPs of each step: 2 for each multiply-add with the kernel and the recurrent kernel, 1 for each
bias, the functions by their formulas, and the element-wise gating.
"""

from __future__ import annotations

from typing import Any

from opgraph.ops.checks import positive, rate
from opgraph.ops.library.functions import function_flops, fused
from opgraph.ops.registry import op
from opgraph.ops.spec import WHOLE, Dim, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import add, multiply

OPTIONS = (*for_weights("kernel", "recurrent", "bias"), "activity_regularizer")


def _shape(self: Recurrent, x: Shape, states: tuple[Shape | None, ...]) -> Shape | list[Shape]:
    """The output of the last step or of all steps, and behind it the states if returned."""
    if len(x) != 2:
        raise self.refuse(f"{self.kind} takes (steps, channels), received {x}")
    given = [state for state in states if state is not None]
    if given and len(given) != len(states):
        raise self.refuse(f"{self.kind} starts from {len(states)} states or none, not {len(given)}")
    for state in given:
        if len(state) != 1 or state[0] not in (None, self.units):
            raise self.refuse(f"a state of {self.kind} has shape ({self.units},), received {state}")
    output = (x[0], self.units) if self.return_sequences else (self.units,)
    return [output, *((self.units,) for _ in states)] if self.return_state else output


def _weights(self: Recurrent, x: Shape, cell: str, gates: int, bias: Shape) -> dict[str, Weight]:
    kernel = self.initializer("kernel", "glorot_uniform")
    recurrent = self.initializer("recurrent", "orthogonal")
    arrays = {
        f"{cell}/kernel": Weight((x[-1], gates * self.units), True, kernel),
        f"{cell}/recurrent_kernel": Weight((self.units, gates * self.units), True, recurrent),
    }
    if self.use_bias:
        arrays[f"{cell}/bias"] = Weight(bias, True, self.initializer("bias", "zeros"))
    return arrays


def _flops(self: Recurrent, x: tuple[int, ...], gates: int, biases: int, element_wise: Dim) -> Dim:
    products = 2 * gates * self.units * (x[-1] + self.units)
    bias = self.use_bias * biases * gates * self.units
    return multiply(add(products, bias, element_wise), x[0])


def _whole(self: Op, *inputs: Shape) -> Reach:
    return WHOLE


def _call(self: Op, layer: Any, inputs: list[Any]) -> Any:
    """Apply the layer to a sequence and, where there are any, to its initial states."""
    sequence, *states = inputs
    return layer(sequence, initial_state=states) if states else layer(sequence)


@op("rnn", "vanilla_rnn", "循环层", "循环神经网络", category="recurrent")
class SimpleRNN(Op):
    """Mix each step with what is remembered (Elman 1990): (T, C) -> (units)."""

    units: int = attr(doc="numbers it remembers", converter=positive, rule="recurrent_units")
    activation: str | None = attr(
        default="tanh", doc="function of the new content", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each unit")
    dropout: float = attr(default=0.0, doc="share of inputs dropped in training", converter=rate)
    recurrent_dropout: float = attr(
        default=0.0, doc="share of the state dropped in training", converter=rate
    )
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    return_sequences: bool = attr(
        default=False, doc="all steps instead of the last one", rule="return_sequences"
    )
    return_state: bool = attr(default=False, doc="whether the last state is an output as well")
    go_backwards: bool = attr(default=False, doc="read the sequence from its end")
    stateful: bool = attr(default=False, doc="go on from the last state of the batch before")
    unroll: bool = attr(default=False, doc="write out the steps instead of looping")
    zero_output_for_mask: bool = attr(default=False, doc="zeros for steps that are masked")
    options = OPTIONS

    reach, call = _whole, _call

    def shape(self, sequence: Shape, state: Shape | None = None) -> Shape | list[Shape]:
        return _shape(self, sequence, (state,))

    def weights(self, sequence: Shape, *states: Shape) -> dict[str, Weight]:
        return _weights(self, sequence, "simple_rnn_cell", 1, (self.units,))

    def flops(self, sequence: tuple[int, ...], *states: Shape) -> Dim:
        return _flops(self, sequence, 1, 1, function_flops(self.activation, self.units))


@op("UNIDIRECTIONAL_SEQUENCE_LSTM", "长短期记忆", "长短期记忆网络", category="recurrent")
class LSTM(Op):
    """Remember through gates (Hochreiter & Schmidhuber 1997): (T, C) -> (units)."""

    units: int = attr(doc="numbers it remembers", converter=positive, rule="recurrent_units")
    activation: str | None = attr(
        default="tanh", doc="function of the new content", converter=fused
    )
    recurrent_activation: str | None = attr(
        default="sigmoid", doc="function of the gates", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each unit")
    unit_forget_bias: bool = attr(
        default=True, doc="the forget gate starts open: 1 is added to its bias"
    )
    dropout: float = attr(default=0.0, doc="share of inputs dropped in training", converter=rate)
    recurrent_dropout: float = attr(
        default=0.0, doc="share of the state dropped in training", converter=rate
    )
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    return_sequences: bool = attr(
        default=False, doc="all steps instead of the last one", rule="return_sequences"
    )
    return_state: bool = attr(default=False, doc="whether the last state is an output as well")
    go_backwards: bool = attr(default=False, doc="read the sequence from its end")
    stateful: bool = attr(default=False, doc="go on from the last state of the batch before")
    unroll: bool = attr(default=False, doc="write out the steps instead of looping")
    zero_output_for_mask: bool = attr(default=False, doc="zeros for steps that are masked")
    options = OPTIONS

    reach, call = _whole, _call

    def shape(
        self, sequence: Shape, hidden: Shape | None = None, carry: Shape | None = None
    ) -> Shape | list[Shape]:
        return _shape(self, sequence, (hidden, carry))

    def weights(self, sequence: Shape, *states: Shape) -> dict[str, Weight]:
        arrays = _weights(self, sequence, "lstm_cell", 4, (4 * self.units,))
        if self.use_bias and self.unit_forget_bias:
            arrays["lstm_cell/bias"] = Weight((4 * self.units,), True, "unit_forget_bias")
        return arrays

    def flops(self, sequence: tuple[int, ...], *states: Shape) -> Dim:
        gates = function_flops(self.recurrent_activation, 3 * self.units)
        content = function_flops(self.activation, 2 * self.units)
        gating = 4 * self.units  # c = f * c + i * g, h = o * tanh(c)
        return _flops(self, sequence, 4, 1, add(gates, content, gating))


@op("门控循环单元", category="recurrent")
class GRU(Op):
    """Remember through two gates (Cho et al. 2014): (T, C) -> (units)."""

    units: int = attr(doc="numbers it remembers", converter=positive, rule="recurrent_units")
    activation: str | None = attr(
        default="tanh", doc="function of the new content", converter=fused
    )
    recurrent_activation: str | None = attr(
        default="sigmoid", doc="function of the gates", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each unit")
    dropout: float = attr(default=0.0, doc="share of inputs dropped in training", converter=rate)
    recurrent_dropout: float = attr(
        default=0.0, doc="share of the state dropped in training", converter=rate
    )
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    return_sequences: bool = attr(
        default=False, doc="all steps instead of the last one", rule="return_sequences"
    )
    return_state: bool = attr(default=False, doc="whether the last state is an output as well")
    go_backwards: bool = attr(default=False, doc="read the sequence from its end")
    stateful: bool = attr(default=False, doc="go on from the last state of the batch before")
    unroll: bool = attr(default=False, doc="write out the steps instead of looping")
    zero_output_for_mask: bool = attr(default=False, doc="zeros for steps that are masked")
    reset_after: bool = attr(
        default=True, doc="the reset gate acts after the product, each kernel has its own bias"
    )
    options = OPTIONS

    reach, call = _whole, _call

    def shape(self, sequence: Shape, state: Shape | None = None) -> Shape | list[Shape]:
        return _shape(self, sequence, (state,))

    def weights(self, sequence: Shape, *states: Shape) -> dict[str, Weight]:
        bias = (2, 3 * self.units) if self.reset_after else (3 * self.units,)
        return _weights(self, sequence, "gru_cell", 3, bias)

    def flops(self, sequence: tuple[int, ...], *states: Shape) -> Dim:
        gates = function_flops(self.recurrent_activation, 2 * self.units)
        content = function_flops(self.activation, self.units)
        gating = 5 * self.units  # r * h, then z * h + (1 - z) * new
        biases = 2 if self.reset_after else 1
        return _flops(self, sequence, 3, biases, add(gates, content, gating))


Recurrent = SimpleRNN | LSTM | GRU
