"""Normalisations: mean and variance, gamma and beta; and the three terms of the way back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import EPSILON_32, epsilon, worked
from opgraph.story.families.linear import bias_gradient, kernel_gradient
from opgraph.story.formula import (
    Expr,
    Fraction,
    Minus,
    Num,
    Sum,
    Sym,
    add,
    evaluate,
    root,
    times,
)
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, Table, say
from opgraph.story.view import Index, NodeView, named, wide

SPREAD = Fraction(add(Sym("x"), Minus(Sym("mean"))), root(add(Sym("variance"), Sym("epsilon"))))

THREE = (
    Sym("grad"),
    Minus(Sym("mean_grad")),
    Minus(times(Sym("normalised"), Sym("mean_grad_normalised"))),
)


def _channel(view: NodeView) -> int:
    """The axis, batch counted, that keeps statistics of its own."""
    return view.op.axis % view.output.ndim


def _slice(view: NodeView, array: Array, channel: int) -> Array:
    """One channel of the example's part of the batch, in float64."""
    part = array[view.step.parts[view.step.part]]
    return wide(np.take(part, channel, axis=_channel(view)))


def _statistic(view: NodeView, what: str) -> Array | None:
    """Batch statistics of the example's part of the batch."""
    found = view.own(what)
    return found[view.step.part] if found is not None and found.ndim > 1 else found


@forward("BatchNormalization")
def tell_batch(view: NodeView) -> Iterator[Item]:
    """Mean and variance of the batch, and what they make of one number."""
    if view.op.renorm:
        yield say("forward.by_reference")
        return
    channel = view.here[_channel(view)]
    mean, variance = _statistic(view, "batch_mean"), _statistic(view, "batch_variance")
    if mean is None or variance is None:
        yield say("forward.bn_frozen")
        mean, variance = view.weights["moving_mean"], view.weights["moving_variance"]
    else:
        yield from _moments(view, channel, float(mean[channel]), float(variance[channel]))
    own, spread = float(mean[channel]), float(variance[channel])
    yield from normalised(view, view.here, channel, own, spread, statistics_error(view, channel))


def _moments(view: NodeView, channel: int, mean: float, variance: float) -> Iterator[Item]:
    x = _slice(view, view.read(), channel)
    count = x.size
    yield say("forward.bn", channel=channel, count=count, examples=len(x), places=count // len(x))
    own = float(x.mean())
    parts = view.part_of("mean"), view.part_of("variance")
    of_reference = [None if p is None else float(np.ravel(p)[channel]) for p in parts]
    scale = float(np.sqrt((x * x).sum())) / count
    yield worked(
        named(view.name, "batch_mean", (channel,)),
        Fraction(Sym("Σ x"), Sym("count")),
        Fraction(Num(float(x.sum())), Num(count)),
        recorded=mean,
        independent=of_reference[0],
        terms=count,
        scale=scale,
        unit=max(EPSILON_32, view.unit),
    )
    squares = (x - own) ** 2
    yield say("forward.bn_variance")
    yield worked(
        named(view.name, "batch_variance", (channel,)),
        Fraction(Sym("Σ (x − mean)^2"), Sym("count")),
        Fraction(Num(float(squares.sum())), Num(count)),
        recorded=variance,
        independent=of_reference[1],
        terms=count,
        scale=float(np.sqrt((x**4).sum()) + np.sqrt((squares**2).sum())) / count
        + own * own / count**0.5,
        unit=max(EPSILON_32, view.unit),
    )


def statistics_error(view: NodeView, channel: int) -> tuple[float, float]:
    """How far the recorded mean and variance may be off, in standard deviations and as a share."""
    x = _slice(view, view.read(), channel)
    unit, root_n = max(EPSILON_32, view.unit), x.size**0.5
    deviation = float(np.sqrt(x.var() + view.op.epsilon))
    mean = abs(float(x.mean()))
    off_mean = unit * (4 * float(np.sqrt((x * x).mean())) + 2 * root_n * mean)
    off_variance = unit * (4 + 2 * root_n) * (float(x.var()) + mean * mean)
    return off_mean / deviation, off_variance / (2 * deviation**2)


def normalised(
    view: NodeView,
    here: Index,
    channel: int,
    mean: float,
    variance: float,
    error: tuple[float, float] = (0.0, 0.0),
) -> Iterator[Item]:
    """One number normalised, then scaled and shifted.

    Args:
        view: the node.
        here: the element.
        channel: whose statistics, gamma and beta are used.
        mean: of the channel.
        variance: of the channel.
        error: how far these may be off (`statistics_error`).
    """
    x = float(view.read()[here])
    spread = Fraction(
        add(Num(x), Minus(Num(mean))), root(add(Num(variance), Num(float(view.op.epsilon))))
    )
    yield say("forward.normalised", epsilon=float(view.op.epsilon))
    yield worked(named(view.name, "normalised", here), SPREAD, spread)
    gamma, beta = (parameter(view, name, channel) for name in ("gamma", "beta"))
    factor = 1.0 if gamma is None else gamma
    normal = evaluate(spread)
    yield say("forward.scaled")
    symbols: Expr = times(Sym("gamma"), Sym("normalised"))
    expression: Expr = times(Num(factor), Num(normal))
    yield worked(
        named(view.name, "output", here),
        symbols if beta is None else add(symbols, Sym("beta")),
        expression if beta is None else add(expression, Num(beta)),
        recorded=float(view.output[here]),
        independent=view.independent(here),
        terms=8,
        scale=_reach(view, x, mean, variance, factor, beta or 0.0),
        unit=view.unit,
        inherited=abs(factor) * (error[0] + abs(normal) * error[1]),
    )


def _reach(
    view: NodeView, x: float, mean: float, variance: float, gamma: float, beta: float
) -> float:
    """The size of what is added on the way, with what the rounding of the statistics does."""
    deviation = float(np.sqrt(variance + view.op.epsilon))
    return (abs(x) + abs(mean)) * abs(gamma) / deviation * (1 + mean * mean / deviation**2) + abs(
        beta
    )


def parameter(view: NodeView, name: str, channel: int) -> float | None:
    """Gamma or beta of a channel; None where the layer has none."""
    array = view.weights.get(name)
    return None if array is None else float(np.ravel(array)[channel])


@backward("BatchNormalization")
def tell_batch_backward(view: NodeView) -> Iterator[Item]:
    """The three terms: its own gradient, the mean of all, and the part along the number itself."""
    mean, variance = _statistic(view, "batch_mean"), _statistic(view, "batch_variance")
    if view.grad is None or mean is None or variance is None or view.op.renorm:
        yield say("backward.by_reference")
        return
    if view.input_grad() is not None:
        yield from _three_terms(view, mean, variance)
    yield from _gamma_and_beta(view)


def _three_terms(view: NodeView, mean: Array, variance: Array) -> Iterator[Item]:
    at = view.input_at()
    assert view.grad is not None
    channel = at[_channel(view)]
    x, grads = (_slice(view, array, channel) for array in (view.read(), view.grad))
    m, v = float(mean[channel]), float(variance[channel])
    deviation = float(np.sqrt(v + view.op.epsilon))
    normal = (x - m) / deviation
    own, each = float(view.grad[at]), (float(view.read()[at]) - m) / deviation
    gamma = parameter(view, "gamma", channel)
    factor = 1.0 if gamma is None else gamma
    average, along = float(grads.mean()), float((grads * normal).mean())
    yield say("backward.bn")
    for name, symbol, values in (
        ("mean_grad", "Σ grad", grads),
        ("mean_grad_normalised", "Σ grad × normalised", grads * normal),
    ):
        numbers = Fraction(Num(float(values.sum())), Num(values.size))
        yield worked(f"{view.name}.{name}", Fraction(Sym(symbol), Sym("count")), numbers)
    yield say("backward.bn_terms", own=own, average=average, along=each * along)
    inner = (Num(own), Minus(Num(average)), Minus(times(Num(each), Num(along))))
    size = abs(own) + float(np.sqrt((grads**2).mean())) * (1 + abs(each))
    yield worked(
        named(str(view.reads[0]), "output.grad", at),
        times(Fraction(Sym("gamma"), root(add(Sym("variance"), Sym("epsilon")))), Sum(THREE)),
        times(Fraction(Num(factor), root(add(Num(v), Num(float(view.op.epsilon))))), Sum(inner)),
        recorded=view.recorded_input_grad(0, at),
        independent=view.pulled_input(0, at),
        terms=16,
        scale=abs(factor) / deviation * size * (1 + m * m / (v + view.op.epsilon)),
        inherited=abs(factor) / deviation * (size * sum(statistics_error(view, channel))),
        unit=max(epsilon(view.grad), view.unit),
    )


def _gamma_and_beta(view: NodeView) -> Iterator[Item]:
    """The gradients of gamma and beta of one channel, over the whole batch."""
    assert view.grad is not None
    axis = _channel(view)
    if "gamma" in view.weights:
        (channel,) = at = view.weight_at("gamma")
        grads = wide(np.take(view.grad, channel, axis=axis))
        yield say("backward.gamma", channel=channel)
        yield from _without_products(
            kernel_gradient(view, "gamma", at, _normal(view, channel), grads)
        )
    if "beta" in view.weights:
        (channel,) = at = view.weight_at("beta")
        yield say("backward.beta", channel=channel)
        yield from bias_gradient(view, np.take(view.grad, channel, axis=axis), at, "beta")


def _without_products(items: Iterator[Item]) -> Iterator[Item]:
    """Without the table of single products, which says little here."""
    yield from (
        item
        for item in items
        if not isinstance(item, Table) and getattr(item, "key", "") != "backward.weight"
    )


def _normal(view: NodeView, channel: int) -> Array:
    """The normalised numbers of a channel, each micro-batch by its own statistics."""
    x = wide(np.take(view.read(), channel, axis=_channel(view)))
    normal = np.empty_like(x)
    for span in view.step.parts:
        part = x[span]
        normal[span] = (part - part.mean()) / np.sqrt(part.var() + view.op.epsilon)
    return normal


@forward("LayerNormalization")
def tell_layer(view: NodeView) -> Iterator[Item]:
    """Mean and variance of one example's channels."""
    if view.op.rms_scaling or not _along_last(view):
        yield say("forward.by_reference")
        return
    row = wide(view.read()[view.here[:-1]])
    mean, variance = float(row.mean()), float(row.var())
    yield say("forward.layer_norm", count=len(row), place=view.here[1:-1])
    yield worked(
        f"{view.name}.mean",
        Fraction(Sym("Σ x"), Sym("count")),
        Fraction(Num(float(row.sum())), Num(len(row))),
    )
    yield worked(
        f"{view.name}.variance",
        Fraction(Sym("Σ (x − mean)^2"), Sym("count")),
        Fraction(Num(float(((row - mean) ** 2).sum())), Num(len(row))),
    )
    yield from normalised(view, view.here, view.here[-1], mean, variance)


def _along_last(view: NodeView) -> bool:
    axis = view.op.axis
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    return isinstance(axis, int) and axis % view.output.ndim == view.output.ndim - 1


@backward("LayerNormalization")
def tell_layer_backward(view: NodeView) -> Iterator[Item]:
    """The same three terms, over the channels of one place."""
    if view.grad is None or view.op.rms_scaling or not _along_last(view):
        yield say("backward.by_reference")
        return
    if view.input_grad() is not None:
        yield from _layer_terms(view)
    row = wide(view.read())
    deviation = np.sqrt(row.var(axis=-1, keepdims=True) + view.op.epsilon)
    normal = (row - row.mean(axis=-1, keepdims=True)) / deviation
    if "gamma" in view.weights:
        (channel,) = at = view.weight_at("gamma")
        yield say("backward.gamma", channel=channel)
        items = kernel_gradient(
            view, "gamma", at, normal[..., channel], wide(view.grad[..., channel])
        )
        yield from _without_products(items)
    if "beta" in view.weights:
        (channel,) = at = view.weight_at("beta")
        yield say("backward.beta", channel=channel)
        yield from bias_gradient(view, view.grad[..., channel], at, "beta")


def _layer_terms(view: NodeView) -> Iterator[Item]:
    at = view.input_at()
    assert view.grad is not None
    row = wide(view.read()[at[:-1]])
    gamma = wide(view.weights["gamma"]) if "gamma" in view.weights else np.ones(len(row))
    grads = wide(view.grad[at[:-1]]) * gamma
    v, eps = float(row.var()), float(view.op.epsilon)
    normal = (row - row.mean()) / np.sqrt(v + eps)
    own, each = float(grads[at[-1]]), float(normal[at[-1]])
    average, along = float(grads.mean()), float((grads * normal).mean())
    yield say("backward.layer_norm")
    yield say("backward.bn_terms", own=own, average=average, along=each * along)
    inner = (Num(own), Minus(Num(average)), Minus(times(Num(each), Num(along))))
    symbols = (
        Sym("gamma × grad"),
        Minus(Sym("mean_grad")),
        Minus(times(Sym("normalised"), Sym("mean_grad_normalised"))),
    )
    size = float(np.sqrt((grads**2).mean())) * (2 + abs(each)) + abs(own)
    yield worked(
        named(str(view.reads[0]), "output.grad", at),
        Fraction(Sum(symbols), root(add(Sym("variance"), Sym("epsilon")))),
        Fraction(Sum(inner), root(add(Num(v), Num(eps)))),
        recorded=view.recorded_input_grad(0, at),
        independent=view.pulled_input(0, at),
        terms=16,
        scale=size / float(np.sqrt(v + eps)) * (1 + float(row.mean()) ** 2 / (v + eps)),
        unit=max(epsilon(view.grad), view.unit),
    )
