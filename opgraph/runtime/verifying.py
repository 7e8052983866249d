"""Proof on one's own network that measuring changes nothing: traced and bare end in the same bits.

Owns the comparison; must not know how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Unpack

import numpy as np

from opgraph.graph import OpGraph
from opgraph.record import Array, Measure, parse_measure
from opgraph.runtime.builder import Built, build
from opgraph.runtime.data import Batch, Data
from opgraph.runtime.recipe import Recipe, Settings
from opgraph.runtime.state import state_arrays
from opgraph.runtime.step import Step
from opgraph.runtime.training import Training, prepare

BARE = "bare"
WAYS = ("off", "norms", "default", "full", "tensors")
STEPS = 8


@dataclass(frozen=True)
class Compared:
    """One way of measuring against the bare step.

    Attributes:
        way: a preset, or `tensors`: everything is handed over.
        equal: whether all variables of model and optimizer have the same bits.
        variables: how many there are.
        differing: those that differ, the first ones.
        largest: the largest difference; 0 where there is none.
    """

    way: str
    equal: bool
    variables: int
    differing: tuple[str, ...] = ()
    largest: float = 0.0


@dataclass(frozen=True)
class Verified:
    """What came of the comparison.

    Attributes:
        steps: updates that were taken each way.
        jit: whether the core was compiled by XLA.
        statistics: what computed them.
        ways: each way of measuring.
    """

    steps: int
    jit: bool
    statistics: str
    ways: tuple[Compared, ...]

    @property
    def equal(self) -> bool:
        """Whether every way ended in the same bits as the bare step."""
        return all(way.equal for way in self.ways)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "equal": self.equal}


def verify_traced(network: OpGraph, data: Data, **settings: Unpack[Settings]) -> Verified:
    """Train some steps bare and with everything that can be measured, and compare all variables.

    Args:
        network: a completed graph.
        data: what it would be trained on.
        settings: the fields of `Recipe`, as for `trace`; 8 steps when left out.

    Raises:
        OpgraphError: the network or a setting is wrong.
    """
    recipe = Recipe(**settings)
    steps = recipe.steps or STEPS
    recipe = replace(recipe, steps=steps, epochs=None)
    training = prepare(network, data, recipe)
    batches = [batch for _, _, _, batch in training.batches()]
    wanted = _state(training, BARE, batches)
    ways = tuple(_compare(way, _state(training, way, batches), wanted) for way in WAYS)
    return Verified(steps, recipe.jit, training.step.reductions.name, ways)


def _state(training: Training, way: str, batches: Sequence[Batch]) -> dict[str, Array]:
    """All variables after the steps, taken one way from the same beginning."""
    step = _step(training, way)
    for number, batch in enumerate(batches, 1):
        if way == BARE:
            step.bare(batch.inputs, batch.labels)
        elif way == "tensors":
            step.tensors(batch.inputs, batch.labels, step=number)
        else:
            step.measured(batch.inputs, batch.labels, step=number)
    return state_arrays(step.core.built, step.core.optimizer)


def _step(training: Training, way: str) -> Step:
    recipe = training.recipe
    built = _again(training)
    preset = "full" if way in (BARE, "tensors") else way
    return Step(
        built,
        training.fresh_optimizer(),
        objective=training.objective,
        measure=_measured(preset, recipe),
        statistics=training.step.reductions,
        programs=training.step.programs,
    )


def _measured(preset: str, recipe: Recipe) -> Measure:
    return parse_measure(preset, recipe.sites)


def _again(training: Training) -> Built:
    """The network as it was at the beginning."""
    return build(
        training.built.graph, seed=training.recipe.seed, precision=training.recipe.precision
    )


def _compare(way: str, found: Mapping[str, Array], wanted: Mapping[str, Array]) -> Compared:
    differing = tuple(_differing(found, wanted))
    gaps = [_gap(found[name], wanted[name]) for name in differing]
    return Compared(way, not differing, len(wanted), differing[:5], max(gaps, default=0.0))


def _differing(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> Iterator[str]:
    for name, array in wanted.items():
        if found[name].tobytes() != array.tobytes():
            yield name


def _gap(one: Array, other: Array) -> float:
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float(np.nanmax(difference, initial=0.0))
