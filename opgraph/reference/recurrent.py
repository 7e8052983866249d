"""Layers that read a sequence step by step and remember.

Gradients go back through the steps in reverse (Werbos 1990, backpropagation through time). A cell
makes one step; the sequence is the same for all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled
from opgraph.reference.functions import apply_function
from opgraph.reference.registry import reference

States = tuple[Array, ...]


class Step(NamedTuple):
    """One step of a cell: the states after it, numbers on the way, and the pull.

    `back` takes the gradients at the states to those at the input, the states before, the weights.
    """

    states: States
    parts: Mapping[str, Array]
    back: Callable[[States], tuple[Array, States, Mapping[str, Array]]]


Cell = Callable[[Array, States], Step]


class _Weights(NamedTuple):
    kernel: Array
    recurrent: Array
    bias: Array


def _weights(given: Given, cell: str, columns: int) -> _Weights:
    """The weights of a cell; without a bias, one of zeros."""
    bias = given.weights.get(f"{cell}/bias", np.zeros(columns))
    return _Weights(
        given.weights[f"{cell}/kernel"], given.weights[f"{cell}/recurrent_kernel"], bias
    )


def simple_cell(given: Given) -> Cell:
    """H = f(x W + h U + b) (Elman 1990)."""
    op = cast("Any", given.op)
    w = _weights(given, "simple_rnn_cell", op.units)

    def step(x: Array, states: States) -> Step:
        (h,) = states
        content = x @ w.kernel + h @ w.recurrent + w.bias
        new, activation_back = apply_function(op.activation, content)

        def back(g: States) -> tuple[Array, States, Mapping[str, Array]]:
            at = activation_back(g[0])
            weights = {"kernel": x.T @ at, "recurrent_kernel": h.T @ at, "bias": at.sum(axis=0)}
            return at @ w.kernel.T, (at @ w.recurrent.T,), weights

        return Step((new,), {"content": content}, back)

    return step


def lstm_cell(given: Given) -> Cell:
    """Gates i, f, o and content c~ from x W + h U + b; c = f c + i c~, h = o tanh(c).

    Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; the columns stand in
    Keras's order: input, forget, content, output.
    """
    op = cast("Any", given.op)
    w = _weights(given, "lstm_cell", 4 * op.units)

    def step(x: Array, states: States) -> Step:
        h, c = states
        columns = np.split(x @ w.kernel + h @ w.recurrent + w.bias, 4, axis=-1)
        functions = (op.recurrent_activation, op.recurrent_activation, op.activation)
        names = (*functions, op.recurrent_activation)
        applied = [apply_function(name, z) for name, z in zip(names, columns, strict=True)]
        (i, i_back), (f, f_back), (content, content_back), (o, o_back) = applied
        carry = f * c + i * content
        shown, shown_back = apply_function(op.activation, carry)

        def back(g: States) -> tuple[Array, States, Mapping[str, Array]]:
            at_carry = g[1] + shown_back(g[0] * o)
            at = np.concatenate(
                [
                    i_back(at_carry * content),
                    f_back(at_carry * c),
                    content_back(at_carry * i),
                    o_back(g[0] * shown),
                ],
                axis=-1,
            )
            weights = {"kernel": x.T @ at, "recurrent_kernel": h.T @ at, "bias": at.sum(axis=0)}
            return at @ w.kernel.T, (at @ w.recurrent.T, at_carry * f), weights

        parts = {"input_gate": i, "forget_gate": f, "content": content, "output_gate": o}
        return Step((o * shown, carry), {**parts, "carry": carry}, back)

    return step


def gru_cell(given: Given) -> Cell:
    """Z and r from x W + h U + b; h~ = f(x W_h + r (h U_h)); h = z h + (1 - z) h~.

    Cho et al. 2014, with Keras's order of columns: update z, reset r, content. `reset_after` (the
    default, as in cuDNN) lets r act on the product and gives it a bias of its own; without it r
    acts on h before the product.
    """
    op = cast("Any", given.op)
    w = _weights(given, "gru_cell", 3 * op.units)
    own = np.broadcast_to(w.bias, (2, 3 * op.units)) if op.reset_after else (w.bias, w.bias * 0)
    gates = slice(None, 2 * op.units)
    rest = slice(2 * op.units, None)

    def step(x: Array, states: States) -> Step:
        (h,) = states
        seen = x @ w.kernel + own[0]
        both = seen[:, gates] + h @ w.recurrent[:, gates] + own[1][gates]
        (z, z_back), (r, r_back) = (
            apply_function(op.recurrent_activation, part) for part in np.split(both, 2, axis=-1)
        )
        read = h if op.reset_after else r * h
        product = read @ w.recurrent[:, rest] + own[1][rest]
        added = r * product if op.reset_after else product
        content, content_back = apply_function(op.activation, seen[:, rest] + added)

        def back(g: States) -> tuple[Array, States, Mapping[str, Array]]:
            at_content = content_back(g[0] * (1 - z))
            at_product = at_content * r if op.reset_after else at_content
            at_read = at_product @ w.recurrent[:, rest].T
            at_r = at_content * product if op.reset_after else at_read * h
            at_h = g[0] * z + (at_read if op.reset_after else at_read * r)
            at_gates = np.concatenate([z_back(g[0] * (h - content)), r_back(at_r)], axis=-1)
            at_seen = np.concatenate([at_gates, at_content], axis=-1)
            at_own = np.concatenate([at_gates, at_product], axis=-1)
            recurrent = np.concatenate([h.T @ at_gates, read.T @ at_product], axis=-1)
            biases = [at_seen.sum(axis=0), at_own.sum(axis=0)]
            bias = np.stack(biases) if op.reset_after else biases[0]
            weights = {"kernel": x.T @ at_seen, "recurrent_kernel": recurrent, "bias": bias}
            at_h = at_h + at_gates @ w.recurrent[:, gates].T
            return at_seen @ w.kernel.T, (at_h,), weights

        parts = {"update_gate": z, "reset_gate": r, "content": content}
        return Step((z * h + (1 - z) * content,), parts, back)

    return step


class Unrolled(NamedTuple):
    """All steps of a sequence, in the order in which they were read."""

    steps: list[Step]
    order: list[int]


def _unroll(given: Given, cell: Cell, states: States) -> Unrolled:
    length = given.x.shape[1]
    order = list(range(length))[:: -1 if cast("Any", given.op).go_backwards else 1]
    steps: list[Step] = []
    for at in order:
        steps.append(cell(given.x[:, at], states))
        states = steps[-1].states
    return Unrolled(steps, order)


def _refuse_unknown(given: Given) -> None:
    op = cast("Any", given.op)
    if op.stateful:
        raise ReferenceMissingError(
            f"there is no independent computation of a stateful {op.kind}: it begins with the state"
            " of the batch before"
        )
    if given.training and (op.dropout or op.recurrent_dropout):
        raise ReferenceMissingError(
            f"{op!r} draws random numbers in training, which are not recorded",
            hint="compute with training=False",
        )


def _run(given: Given, cell: Cell, name: str, many: int) -> Computed:
    """A sequence through a cell: outputs of the last or all steps, and the states if returned."""
    _refuse_unknown(given)
    op, x = cast("Any", given.op), given.x
    started = len(given.inputs) > 1
    zeros = (np.zeros((len(x), op.units)),) * many
    run = _unroll(given, cell, given.inputs[1:] if started else zeros)
    outputs = [step.states[0] for step in run.steps]
    last = run.steps[-1].states
    shown = np.stack(outputs, axis=1) if op.return_sequences else last[0]

    def pull(gradients: list[Array]) -> Pulled:
        at_states = list(gradients[1:]) if op.return_state else [np.zeros_like(s) for s in last]
        if not op.return_sequences:
            at_states[0] = at_states[0] + gradients[0]
        at_input = np.zeros_like(x)
        totals = {n: np.zeros_like(a) for n, a in given.weights.items()}
        for number, (step, at) in reversed(list(enumerate(zip(run.steps, run.order, strict=True)))):
            if op.return_sequences:
                at_states[0] = at_states[0] + gradients[0][:, number]
            at_input[:, at], before, weights = step.back(tuple(at_states))
            at_states = list(before)
            for key in totals:
                totals[key] += weights[key.removeprefix(f"{name}/")]
        return Pulled((at_input, *(at_states if started else ())), totals)

    parts = {
        part: np.stack([step.parts[part] for step in run.steps], axis=1)
        for part in run.steps[0].parts
    }
    states = last if op.return_state else ()
    return Computed((shown, *states), cast("Any", pull), parts)


@reference("SimpleRNN")
def simple_rnn(given: Given) -> Computed:
    """Mix each step with what is remembered. Parts, with a time axis: `content`."""
    return _run(given, simple_cell(given), "simple_rnn_cell", 1)


@reference("LSTM")
def lstm(given: Given) -> Computed:
    """Remember through gates.

    Parts, with a time axis in the order of reading: `input_gate`, `forget_gate`, `content`,
    `output_gate`, `carry`.
    """
    return _run(given, lstm_cell(given), "lstm_cell", 2)


@reference("GRU")
def gru(given: Given) -> Computed:
    """Remember through two gates.

    Parts, with a time axis in the order of reading: `update_gate`, `reset_gate`, `content`.
    """
    return _run(given, gru_cell(given), "gru_cell", 1)
