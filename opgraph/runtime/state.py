"""The full state of a training, taken out of and put back into model and optimizer.

All of `model.variables` and `optimizer.variables`: seed generators are among them, and without
those a dropout layer would start again from its first mask. Owns the names under which variables
are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from opgraph.errors import RunError
from opgraph.record import Array
from opgraph.runtime.builder import Built

AVERAGE = "average"  # as Keras calls the slot


def state_arrays(built: Built, optimizer: Any | None = None) -> dict[str, Array]:
    """Copies of all variables by name."""
    return {name: np.array(v.numpy()) for name, v in named_variables(built, optimizer).items()}


def restore_state(built: Built, arrays: Mapping[str, Array], optimizer: Any | None = None) -> None:
    """Give all variables the values they had; without an optimizer, those of the model alone.

    Raises:
        RunError: the arrays are those of another model or optimizer.
    """
    variables = named_variables(built, optimizer)
    owners = ("model/",) if optimizer is None else ("model/", "optimizer/")
    given = {name: array for name, array in arrays.items() if name.startswith(owners)}
    wrong = sorted(variables.keys() ^ given.keys())
    wrong += [n for n, v in variables.items() if n in given and given[n].shape != tuple(v.shape)]
    if wrong:
        raise RunError(
            f"the keyframe does not fit the model: {len(wrong)} variables differ, first"
            f" {wrong[0]!r}",
            hint="was the graph or the optimizer changed since?",
        )
    for name, variable in variables.items():
        variable.assign(given[name])


def averages_of(
    built: Built, optimizer: Any, slots: Mapping[tuple[str, str], Any]
) -> dict[str, str]:
    """Under which name the state has the moving average of each weight; empty if none is kept.

    Args:
        built: the network.
        optimizer: of the training.
        slots: the optimizer's variables by weight and slot.
    """
    names = {id(v): name for name, v in named_variables(built, optimizer).items()}
    return {weight: names[id(v)] for (weight, slot), v in slots.items() if slot == AVERAGE}


def take_averages(built: Built, arrays: Mapping[str, Array], averages: Mapping[str, str]) -> None:
    """Give weights their moving averages, which are kept under the names of `averages_of`.

    Raises:
        RunError: the averages are those of another model.
    """
    for weight, name in averages.items():
        if weight not in built.weight_names or name not in arrays:
            raise RunError(f"there is no moving average {name!r} for {weight!r}")
        built.weight_names[weight].assign(arrays[name])


def named_variables(built: Built, optimizer: Any | None = None) -> dict[str, Any]:
    """All variables of model and optimizer; weights under the user's own node names.

    What has no name of its own is numbered in Keras's order, which the graph decides.
    """
    owned = {id(variable): name for name, variable in built.weight_names.items()}
    found: dict[str, Any] = {}
    for number, variable in enumerate(built.model.variables):
        name = owned.get(id(variable), f"#{number:04d}/{_last(variable.path)}")
        found[f"model/{name}"] = variable
    for number, variable in enumerate(optimizer.variables if optimizer is not None else ()):
        found[f"optimizer/#{number:04d}/{_last(variable.path)}"] = variable
    return found


def _last(path: str) -> str:
    """The name of a variable; one that Keras made up counts those of the process, so it is cut."""
    name = path.rsplit("/", 1)[-1]
    return re.sub(r"^variable_\d+$", "variable", name)
