"""ONNX operations that read a sequence step by step, in one direction.

ONNX counts the steps before the batch, orders the gates of an LSTM as input, output, forget, cell,
and has two biases; Keras counts the batch first, orders them input, forget, cell, output, and adds
the biases of an LSTM and a simple RNN up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opgraph.formats.exported import Call, Found, Program, Step, Steps, is_zero, replaced
from opgraph.graph import WeightSource

SEQUENCE_FIRST = (1, 0, 2)
NAMES = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Softsign": "softsign",
    "Softplus": "softplus",
    "Elu": "elu",
}
LSTM_GATES = (0, 2, 3, 1)
KINDS = frozenset({"LSTM", "GRU", "RNN"})
LAST = "last step only"


def join_squeezes(program: Program) -> Program:
    """The same graph, whose recurrent steps hand back what is left without the axis of directions.

    Only where a single output of such a step is read, and by a Squeeze alone.
    """
    steps = Steps(program)
    by: dict[str, Step] = {}
    gone: set[str] = set()
    for step in program.steps:
        read = [(port, t) for port, t in enumerate(step.outputs) if t and program.readers.get(t)]
        if step.kind not in KINDS or len(read) != 1 or read[0][0] > 1:
            continue
        (port, tensor) = read[0]
        behind = steps.only_reader(tensor, "Squeeze", "Reshape")
        if behind is not None and _drops(behind, program, 1 - port):
            attrs = {**step.attrs, LAST: bool(port)}
            by[step.name] = replace(step, outputs=behind.outputs[:1], attrs=attrs)
            gone.add(behind.name)
    return replaced(program, by, gone) if by else program


def drop_zero_states(program: Program) -> Program:
    """Recurrent steps whose first states are zeros, without them: they start from zeros anyway."""
    is_it = is_zero(program)
    by: dict[str, Step] = {}
    for step in program.steps:
        states = [t for t in step.inputs[5:7] if t] if step.kind in KINDS else []
        if states and all(map(is_it, states)):
            inputs = (*step.inputs[:5], *("" for _ in step.inputs[5:7]), *step.inputs[7:])
            by[step.name] = replace(step, inputs=inputs)
    return replaced(program, by, set()) if by else program


def _drops(step: Step, program: Program, axis: int) -> bool:
    """Whether a step takes away one axis and does nothing else."""
    before, after = (program.facts(t).shape for t in (step.inputs[0], step.outputs[0]))
    if not before or after is None or len(before) <= axis:
        return False
    return before[axis] == 1 and (*before[:axis], *before[axis + 1 :]) == after


def lstm(call: Call) -> Found | None:
    """LSTM without peepholes, from a state of zeros."""
    functions = call.attr("activations", ["Sigmoid", "Tanh", "Tanh"])
    if functions[1:2] != functions[2:3] or call.input(7) or call.attr("input_forget", 0):
        return None
    return _recurrent(call, "LSTM", functions, LSTM_GATES)


def gru(call: Call) -> Found | None:
    """GRU, with the reset gate before or behind the product."""
    functions = call.attr("activations", ["Sigmoid", "Tanh"])
    return _recurrent(call, "GRU", functions, (0, 1, 2))


def simple(call: Call) -> Found | None:
    """RNN with one gate."""
    return _recurrent(call, "SimpleRNN", call.attr("activations", ["Tanh"]), (0,))


def _recurrent(
    call: Call, kind: str, functions: Sequence[str], gates: Sequence[int]
) -> Found | None:
    arrays = [call.constant(slot) for slot in (1, 2, 3)]
    kernel, recurrent, bias = arrays
    if kernel is None or recurrent is None or not _is_plain(call) or len(kernel.shape) != 3:
        return None
    return_sequences, perms = _output(call)
    units = recurrent.shape[-1]
    if len(call.step.outputs) != 1 or kernel.shape[0] != 1 or kernel.shape[1] != len(gates) * units:
        return None
    names = [NAMES.get(name, "") for name in functions]
    backwards = call.attr("direction", "forward") == "reverse"
    if not all(names) or (backwards and return_sequences):
        return None  # Keras hands back the steps in the order in which it read them, ONNX does not
    given: dict[str, Any] = {"units": units, "activation": names[-1]}
    given |= {"recurrent_activation": names[0]} if len(names) > 1 else {}
    given |= {"return_sequences": True} if return_sequences else {}
    given |= {"go_backwards": True} if backwards else {}
    given |= {} if bias else {"use_bias": False}
    after = bool(call.attr("linear_before_reset", 0))
    given |= {"reset_after": after} if kind == "GRU" else {}
    cell = {"LSTM": "lstm_cell", "GRU": "gru_cell", "SimpleRNN": "simple_rnn_cell"}[kind]
    weights = {
        f"{cell}/kernel": _gated(kernel, gates, units),
        f"{cell}/recurrent_kernel": _gated(recurrent, gates, units),
    }
    if bias is not None:
        weights[f"{cell}/bias"] = _bias(bias, gates, units, both=kind == "GRU" and after)
    return Found(kind, given, weights, reads=(call.input(0),), perms=perms)


def _is_plain(call: Call) -> bool:
    """One direction, steps before the batch, no lengths, no clipping, states of zeros."""
    zeros = not call.input(5) and not call.input(6)
    said = not (call.attr("clip") or call.attr("layout", 0) or call.input(4))
    named = not (call.attr("activation_alpha") or call.attr("activation_beta"))
    forward = call.attr("direction", "forward") != "bidirectional"
    return zeros and said and named and forward and call.perm == SEQUENCE_FIRST


def _output(call: Call) -> tuple[bool, tuple[Any, ...]]:
    """Whether all steps are handed back, and the order of their axes."""
    return (False, (None,)) if call.attr(LAST) else (True, (SEQUENCE_FIRST,))


def _gated(array: WeightSource, gates: Sequence[int], units: int) -> WeightSource:
    """A kernel of (1, gates * units, channels) as Keras holds it: (channels, gates * units)."""
    _, rows, channels = array.shape

    def change(x: Any) -> Any:
        return x.reshape(-1, units, channels)[list(gates)].reshape(rows, channels).transpose()

    return array.changed((channels, rows), change)


def _bias(bias: WeightSource, gates: Sequence[int], units: int, both: bool) -> WeightSource:
    rows = len(gates) * units

    def change(x: Any) -> Any:
        turned = x.reshape(2, -1, units)[:, list(gates)].reshape(2, rows)
        return turned if both else turned.sum(axis=0)

    return bias.changed((2, rows) if both else (rows,), change)
