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


class Back(NamedTuple):
    """Gradients at what a step of a cell was given, and at numbers on the way."""

    x: Array
    states: States
    weights: Mapping[str, Array]
    parts: Mapping[str, Array]


class Step(NamedTuple):
    """One step of a cell: the states after it, numbers on the way, and the pull.

    `back` takes the gradients at the states to those at what the step was given.
    """

    states: States
    parts: Mapping[str, Array]
    back: Callable[[States], Back]


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

        def back(g: States) -> Back:
            at = activation_back(g[0])
            weights = {"kernel": x.T @ at, "recurrent_kernel": h.T @ at, "bias": at.sum(axis=0)}
            return Back(at @ w.kernel.T, (at @ w.recurrent.T,), weights, {"sums": at})

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

        def back(g: States) -> Back:
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
            parts = {"sums": at, "carry": at_carry}
            return Back(at @ w.kernel.T, (at @ w.recurrent.T, at_carry * f), weights, parts)

        parts = {"input_gate": i, "forget_gate": f, "content": content, "output_gate": o}
        return Step((o * shown, carry), parts, back)

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

        def back(g: States) -> Back:
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
            parts = {"sums": at_seen, "own_sums": at_own}
            return Back(at_seen @ w.kernel.T, (at_h,), weights, parts)

        parts = {"update_gate": z, "reset_gate": r, "content": content, "product": product}
        return Step((z * h + (1 - z) * content,), parts, back)

    return step


class Unrolled(NamedTuple):
    """All steps of a sequence, in the order in which they were read.

    Attributes:
        steps: what the cell made of each, as if it had read all of them.
        order: the place that each of them read.
        kept: for each, (batch, 1), whether an example reads it; or else it keeps its states.
        outputs: after each of them; where one was not read, that of the one before.
    """

    steps: list[Step]
    order: list[int]
    kept: list[Array]
    outputs: list[Array]
    states: States


def _unroll(given: Given, cell: Cell, states: States) -> Unrolled:
    op = cast("Any", given.op)
    length = given.x.shape[1]
    order = list(range(length))[:: -1 if op.go_backwards else 1]
    read = np.ones(given.x.shape[:2], bool) if given.steps is None else given.steps.astype(bool)
    steps: list[Step] = []
    kept: list[Array] = []
    outputs = [np.zeros_like(states[0])]
    for at in order:
        step, keep = cell(given.x[:, at], states), read[:, at, None]
        before = np.zeros_like(outputs[-1]) if op.zero_output_for_mask else outputs[-1]
        outputs.append(np.where(keep, step.states[0], before))
        states = tuple(
            np.where(keep, new, old) for new, old in zip(step.states, states, strict=True)
        )
        steps.append(step._replace(states=states))
        kept.append(keep)
    return Unrolled(steps, order, kept, outputs[1:], states)


class _Pulls(NamedTuple):
    """For each step its gradients and that at its state; and those at the first states."""

    steps: list[tuple[Back, Array]]
    first: list[Array]


def _pull_steps(run: Unrolled, at_outputs: Array, at_states: list[Array], zeroed: bool) -> _Pulls:
    """The gradients at what each step was given, from the last step to the first."""
    found: list[tuple[Back, Array]] = []
    passed = np.zeros_like(at_states[0])
    for number in reversed(range(len(run.steps))):
        keep = run.kept[number]
        passed = passed + at_outputs[:, number]
        at_states[0] = at_states[0] + np.where(keep, passed, 0)
        passed = np.where(keep | zeroed, 0, passed)
        back = run.steps[number].back(tuple(np.where(keep, g, 0) for g in at_states))
        found.append((back, np.where(keep, at_states[0], 0)))
        at_states = [
            before + np.where(keep, 0, g) for before, g in zip(back.states, at_states, strict=True)
        ]
    return _Pulls(found[::-1], at_states)


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
    last, outputs = run.states, np.stack(run.outputs, axis=1)
    shown = outputs if op.return_sequences else outputs[:, -1]

    def pull(gradients: list[Array]) -> Pulled:
        at_states = list(gradients[1:]) if op.return_state else [np.zeros_like(s) for s in last]
        at_outputs = np.zeros_like(outputs)
        at_outputs[:, slice(None) if op.return_sequences else -1] = gradients[0]
        pulls = _pull_steps(run, at_outputs, at_states, op.zero_output_for_mask)
        backs = [back for back, _ in pulls.steps]
        at_input = np.zeros_like(x)
        for back, at in zip(backs, run.order, strict=True):
            at_input[:, at] = back.x
        own = {n: n.removeprefix(f"{name}/") for n in given.weights}
        totals = {n: sum(back.weights[short] for back in backs) for n, short in own.items()}
        parts = {n: np.stack([back.parts[n] for back in backs], axis=1) for n in backs[0].parts}
        parts["state"] = np.stack([at_output for _, at_output in pulls.steps], axis=1)
        first = tuple(pulls.first) if started else ()
        return Pulled((at_input, *first), cast("Any", totals), parts)

    parts = {
        part: np.stack([step.parts[part] for step in run.steps], axis=1)
        for part in run.steps[0].parts
    }
    for at, state in enumerate(("state", "carry")[:many]):
        parts[state] = np.stack([step.states[at] for step in run.steps], axis=1)
    return Computed((shown, *(last if op.return_state else ())), cast("Any", pull), parts)


@reference("SimpleRNN")
def simple_rnn(given: Given) -> Computed:
    """Mix each step with what is remembered.

    Parts, with a time axis: `content` (before the function), `state` after the step. Those of the
    pull: `sums` (at x W + h U + b), `state`.
    """
    return _run(given, simple_cell(given), "simple_rnn_cell", 1)


@reference("LSTM")
def lstm(given: Given) -> Computed:
    """Remember through gates.

    Parts, with a time axis in the order of reading: `input_gate`, `forget_gate`, `content`,
    `output_gate`, `carry`, `state`. Those of the pull: `sums` (at x W + h U + b), `carry`, `state`.
    """
    return _run(given, lstm_cell(given), "lstm_cell", 2)


@reference("GRU")
def gru(given: Given) -> Computed:
    """Remember through two gates.

    Parts, with a time axis in the order of reading: `update_gate`, `reset_gate`, `content`,
    `product` (of the state and its kernel, for the content), `state`. Those of the pull: `sums` (at
    x W + b), `own_sums` (at the products with the recurrent kernel), `state`.
    """
    return _run(given, gru_cell(given), "gru_cell", 1)
