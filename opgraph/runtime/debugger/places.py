"""The places of a step, in the order in which a step goes through them.

Forward in topological order, the loss, backward in reverse, the update, the statistics. Owns this
order and which tensors are made at which place; knows neither how steps are computed nor how
anything is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from opgraph.record import StepTensors, TensorName

Phase = Literal["forward", "loss", "backward", "update", "statistics"]
PHASES: tuple[Phase, ...] = get_args(Phase)
_FORWARD = ("mask", "batch_mean", "batch_variance")


class Place(NamedTuple):
    """Where in a step one is; `node` is None where a phase has no nodes."""

    phase: Phase
    node: str | None = None


def places_of(order: Sequence[str], tensors: StepTensors) -> tuple[Place, ...]:
    """All places of a step.

    Args:
        order: the nodes in topological order.
        tensors: the step; a node has a place in a phase if a tensor of it is made there.
    """
    there: dict[Phase, set[str]] = {phase: set() for phase in PHASES}
    for name in tensors.arrays:
        there[phase_of(name)].add(name.node)
    found: list[Place] = []
    for phase in PHASES:
        nodes = [node for node in order if node in there[phase]]
        if phase == "backward":
            nodes.reverse()
        found += [Place(phase, node) for node in nodes]
        if phase == "loss":
            found.append(Place(phase))
    return tuple(found)


def phase_of(name: TensorName) -> Phase:
    """The phase in which a tensor is made; a weight belongs to its update.

    >>> phase_of(TensorName("conv", "kernel.grad")), phase_of(TensorName("conv", "output"))
    ('backward', 'forward')
    """
    if name.what.endswith((".grad", ".grad.parts")):
        return "backward"
    if name.what.startswith("output") or name.what in _FORWARD:
        return "forward"
    return "statistics" if name.what.startswith("moving_") else "update"


def made_at(place: Place, names: Iterable[TensorName]) -> list[TensorName]:
    """The tensors that are made at a place, those of one weight together."""
    found = [name for name in names if name.node == place.node and phase_of(name) == place.phase]
    return by_weight(found)


def by_weight(names: Sequence[TensorName]) -> list[TensorName]:
    """The same tensors, those of one weight together, what was before in front."""
    bare = [name.what.removesuffix(".before") for name in names]
    order = {what: number for number, what in enumerate(dict.fromkeys(bare))}
    weights = list(dict.fromkeys(what.split(".")[0] for what in bare))

    def key(name: TensorName) -> tuple[int, int, bool]:
        what = name.what.removesuffix(".before")
        return weights.index(what.split(".")[0]), order[what], what == name.what

    return sorted(names, key=key)
