"""The first phase: how each weight began, and how many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import EPSILON_32, worked
from opgraph.story.formula import Expr, Fraction, Num, Sum, Sym, add, root, times
from opgraph.story.model import Block, Cell, Item, Table, Worked, say
from opgraph.story.view import NodeView, StepView

TRUNCATED = 0.87962566103423978  # deviation of a standard normal cut at 2, as in Keras


class Scheme(NamedTuple):
    """An initialiser that draws by fan-in and fan-out.

    Attributes:
        scale: what is divided by the fan.
        mode: fan_in, fan_out or fan_avg.
        uniform: evenly between two limits, or a normal distribution cut at two deviations.
    """

    scale: float
    mode: str
    uniform: bool


SCHEMES = {
    "glorot_uniform": Scheme(1, "fan_avg", True),
    "glorot_normal": Scheme(1, "fan_avg", False),
    "he_uniform": Scheme(2, "fan_in", True),
    "he_normal": Scheme(2, "fan_in", False),
    "lecun_uniform": Scheme(1, "fan_in", True),
    "lecun_normal": Scheme(1, "fan_in", False),
}
CONSTANTS = {"zeros": 0.0, "ones": 1.0}


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers each output sees, and how many outputs each input feeds (Keras's count).

    >>> fans((3, 3, 3, 32))
    (27, 288)
    """
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def tell_initial(step: StepView) -> Iterator[Block]:
    """A block for each node that has weights of its own."""
    for view in step.told:
        if view.facts.weights and view.owner == view.name:
            yield Block(view.name, view.kind, tuple(_told(view)), view.node.label)


def _told(view: NodeView) -> Iterator[Item]:
    yield from _count(view)
    if view.step.facts.started:
        yield say("initial.started", source=view.step.facts.started)
    elif view.step.facts.first_step:
        yield say("initial.branch", step=view.step.facts.first_step)
    for name, weight in (view.facts.weights or {}).items():
        known = view.step.facts.initial.get(f"{view.name}/{name}")
        drawn = view.step.facts.started or view.step.facts.first_step
        shape = tuple(int(size or 0) for size in weight.shape)
        if known is None:
            yield say("initial.unknown", weight=name)
        elif drawn:
            yield say("initial.as_is", weight=name, low=float(known.min()), high=float(known.max()))
        else:
            yield from _weight(view, name, weight.initializer or "", shape, known)


def _count(view: NodeView) -> Iterator[Item]:
    yield say("initial.count", weights=list(view.facts.weights or ()))
    yield count_params(view)


def count_params(view: NodeView) -> Worked:
    """How many numbers the weights of a node are: the product of each shape, added."""
    shapes = [
        tuple(int(d or 0) for d in weight.shape) for weight in (view.facts.weights or {}).values()
    ]
    terms = tuple(
        times(*(Num(d) for d in shape)) if len(shape) > 1 else Num(math.prod(shape))
        for shape in shapes
    )
    expression: Expr = terms[0] if len(terms) == 1 else Sum(terms)
    known = view.facts.params
    return worked(
        f"{view.name}.params",
        None,
        expression,
        recorded=None if known is None else float(sum(known)),
        scale=0.0,
        drift=0.0,
    )


def _weight(
    view: NodeView, name: str, how: str, shape: tuple[int, ...], drawn: Array
) -> Iterator[Item]:
    known = np.asarray(drawn, np.float64)
    if how in SCHEMES:
        yield from _scheme(view, name, how, shape, known)
    elif how in CONSTANTS:
        yield say(
            f"initial.{how}_{name}" if (how, name) in MEANINGS else f"initial.{how}", weight=name
        )
        yield worked(
            f"{view.name}.{name}",
            None,
            Num(CONSTANTS[how]),
            recorded=_furthest(known, CONSTANTS[how]),
            scale=0.0,
            drift=0.0,
        )
    else:
        yield say("initial.other", weight=name, how=how or "?")
        yield _drawn(known, ())


MEANINGS = {
    ("ones", "gamma"),
    ("zeros", "beta"),
    ("zeros", "moving_mean"),
    ("ones", "moving_variance"),
    ("zeros", "bias"),
}


def _furthest(array: Array, value: float) -> float:
    """The element that is furthest from a value."""
    return float(array.ravel()[np.argmax(np.abs(array - value))])


def _scheme(
    view: NodeView, name: str, how: str, shape: tuple[int, ...], drawn: Array
) -> Iterator[Item]:
    scheme = SCHEMES[how]
    fan_in, fan_out = fans(shape)
    yield say("initial.fans", weight=name, how=how, fan_in=fan_in, fan_out=fan_out)
    fan: dict[str, tuple[Expr, Expr]] = {
        "fan_in": (Sym("fan_in"), Num(fan_in)),
        "fan_avg": (add(Sym("fan_in"), Sym("fan_out")), add(Num(fan_in), Num(fan_out))),
    }
    symbols, numbers = fan[scheme.mode]
    scale = Num(
        scheme.scale * (2 if scheme.mode == "fan_avg" else 1) * (3 if scheme.uniform else 1)
    )
    yield say("initial.uniform" if scheme.uniform else "initial.normal", weight=name)
    line = worked(
        f"{view.name}.{name}.{'limit' if scheme.uniform else 'deviation'}",
        root(Fraction(scale, symbols)),
        root(Fraction(scale, numbers)),
    )
    yield line
    limit = line.value if scheme.uniform else 2 * line.value / TRUNCATED
    wanted = line.value / math.sqrt(3) if scheme.uniform else line.value
    yield _drawn(drawn, (-limit, limit, 0.0, wanted))
    inside = bool(np.abs(drawn).max() <= limit * (1 + 4 * EPSILON_32))
    yield say("initial.inside" if inside else "initial.outside", weight=name, limit=limit)


def _drawn(drawn: Array, expected: tuple[float, ...]) -> Table:
    """Smallest, largest, mean and deviation of what was drawn, beside what is expected."""
    row = (float(drawn.min()), float(drawn.max()), float(drawn.mean()), float(drawn.std()))
    rows: list[tuple[Cell, ...]] = [(say("row.drawn"), *row)]
    if expected:
        rows.append((say("row.expected"), *expected))
    columns = tuple(
        say(f"column.{name}") for name in ("blank", "smallest", "largest", "mean", "deviation")
    )
    return Table(say("initial.drawn", count=drawn.size), columns, tuple(rows))
