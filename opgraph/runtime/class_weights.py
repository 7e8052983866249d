"""How much each class counts in the loss.

Owns the ways it can be said (`balanced`, or a number for each class) and turns them into a table;
must not know TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opgraph.errors import TraceError, suggest
from opgraph.runtime.choice import is_number
from opgraph.runtime.data import balanced_weights

if TYPE_CHECKING:
    from opgraph.record import Array

SECTION = "class_weights"
ClassWeights = str | Mapping[Any, float]


def weigh_classes(spec: ClassWeights, classes: int, labels: Array | None) -> tuple[float, ...]:
    """One factor for each class.

    Args:
        spec: `balanced`, or factors by class id; a class that is not named counts 1.
        classes: how many there are.
        labels: class ids to train on, for `balanced`.

    Raises:
        TraceError: the spec cannot be read, or names a class that there is not.

    >>> weigh_classes({1: 3.0}, 3, None)
    (1.0, 3.0, 1.0)
    """
    if isinstance(spec, str):
        return _balanced(spec, classes, labels)
    factors = [1.0] * classes
    for number, factor in checked(spec).items():
        if number >= classes:
            raise TraceError(
                f"names class {number}; there are {classes}, numbered from 0", where=SECTION
            )
        factors[number] = factor
    return tuple(factors)


def checked(spec: Mapping[Any, float]) -> dict[int, float]:
    """Factors by class id, as numbers.

    Raises:
        TraceError: a key is no class id, or a factor is no number from 0 on.
    """
    found: dict[int, float] = {}
    for key, factor in spec.items():
        text = str(key)
        if not text.isdecimal():
            raise TraceError(f"expected a class id such as 0, received {key!r}", where=SECTION)
        if not is_number(factor) or factor < 0:
            raise TraceError(
                f"class {text}: expected a number from 0 on, received {factor!r}", where=SECTION
            )
        found[int(text)] = float(factor)
    return found


def _balanced(spec: str, classes: int, labels: Array | None) -> tuple[float, ...]:
    """All classes together weigh as much as before, and each as much as any other."""
    if spec != "balanced":
        raise TraceError(
            f"expected balanced or factors such as 0=1,1=3, received {spec!r}",
            where=SECTION,
            hint=suggest(spec, ["balanced"]),
        )
    if labels is None:
        raise TraceError("balanced needs the labels that are trained on", where=SECTION)
    found = balanced_weights(labels)
    return tuple(found.get(number, 1.0) for number in range(classes))
