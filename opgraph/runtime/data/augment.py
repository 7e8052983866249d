"""Changes to pictures while training: `flip, shift=2, rotate=10, noise=0.05`.

Owns their names, ranges and the reading of such a text, and tells whether they suit some data; the
changes themselves are made where TensorFlow is (`runtime.changes`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from opgraph.errors import DataError, raise_all, suggest
from opgraph.runtime.data.result import Array, Change, Data

WHERE = "augment"
EXAMPLE = "'flip, shift=2, rotate=10, noise=0.05, brightness=0.1, cutout=8'"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a change takes.

    Attributes:
        doc: what it does.
        most: the largest amount; None if it takes none, infinite if pictures decide.
        is_whole: whether the amount is a number of pixels.
        moves: whether pixels change their place.
        columns: which of an example's random words it draws from; no other change does.
    """

    doc: str
    most: float | None
    columns: tuple[int, ...]
    is_whole: bool = False
    moves: bool = False


CHANGES: Mapping[str, Rule] = {
    "flip": Rule("left and right exchanged in half of the pictures", None, (0,), moves=True),
    "shift": Rule("moved by up to so many pixels", math.inf, (1, 2), is_whole=True, moves=True),
    "rotate": Rule("turned by up to so many degrees either way", 180, (3,), moves=True),
    "noise": Rule("normal noise of this standard deviation added", 1, (4, 5)),
    "brightness": Rule("up to so much added to all pixels, or taken off", 1, (6,)),
    "cutout": Rule("a square of this side made black", math.inf, (7, 8), is_whole=True),
}


def parse_augment(text: str) -> tuple[Change, ...]:
    """The changes that a text names, in its order.

    >>> parse_augment("flip, shift=2")
    (Change(name='flip', amount=1.0), Change(name='shift', amount=2.0))

    Raises:
        DataError: a name, an amount or the form is wrong; several findings come as `Problems`.
    """
    changes: list[Change] = []
    errors: list[DataError] = []
    for item in text.split(",") if text.strip() else ():
        try:
            changes.append(_change(item.strip(), changes))
        except DataError as error:
            errors.append(error)
    raise_all(errors)
    return tuple(changes)


def augment_text(changes: Sequence[Change]) -> str:
    """The text that names these changes.

    >>> augment_text(parse_augment("flip,noise=0.050 , shift = 2"))
    'flip, noise=0.05, shift=2'
    """
    return ", ".join(
        change.name if CHANGES[change.name].most is None else f"{change.name}={change.amount:g}"
        for change in changes
    )


def augmented(data: Data, augment: str | Sequence[Change]) -> Data:
    """The same data, with their pictures to be changed while training, as their description says.

    Args:
        data: of which the training pictures are to be changed.
        augment: such as `flip, shift=2`; empty for pictures as they are.

    Raises:
        DataError: the text is wrong, the inputs are not pictures, or are smaller than a change.
    """
    changes = parse_augment(augment if isinstance(augment, str) else augment_text(augment))
    text = augment_text(changes)
    description = {key: entry for key, entry in data.description.items() if key != "augment"}
    if not changes:
        return replace(data, description=description, augment=())
    pictures = [array for array in data.train.inputs if is_picture(array)]
    if not pictures:
        raise _no_pictures(data, text)
    raise_all([error for change in changes if (error := _misfit(change, pictures, data))])
    return replace(data, description={**description, "augment": text}, augment=changes)


def change_columns(name: str) -> list[int]:
    """Which of an example's random words a change draws from.

    >>> change_columns("shift")
    [1, 2]
    """
    return list(CHANGES[name].columns)


def is_picture(array: Array) -> bool:
    """Whether examples are (height, width, channels) of fractions; only such are changed.

    >>> import numpy as np
    >>> is_picture(np.zeros((5, 8, 8, 3), "f4")), is_picture(np.zeros((5, 64), "f4"))
    (True, False)
    """
    return array.ndim == 4 and array.dtype.kind == "f"


def _change(item: str, before: Sequence[Change]) -> Change:
    """One change, checked."""
    name, sign, amount = (part.strip() for part in item.partition("="))
    rule = CHANGES.get(name)
    if rule is None:
        near = suggest(name, CHANGES)
        known = f"changes: {', '.join(CHANGES)}; for example {EXAMPLE}"
        problem = f"no change called {name!r}" if name else "nothing between two commas"
        raise DataError(problem, where=WHERE, hint=f"{near} {known}" if near else known)
    if any(other.name == name for other in before):
        raise DataError(f"{name} is named twice", where=WHERE, hint="each change is made once")
    if rule.most is None:
        if sign:
            raise DataError(f"{name} takes no amount, received {amount!r}", where=WHERE)
        return Change(name)
    number = _number(amount)
    if number is None or not _is_allowed(number, rule):
        received = f"received {amount!r}" if sign else "received none"
        hint = f"for example {EXAMPLE}"
        raise DataError(f"{name}: expected {_range(rule)}, {received}", where=WHERE, hint=hint)
    return Change(name, number)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_allowed(number: float, rule: Rule) -> bool:
    most = math.inf if rule.most is None else rule.most
    whole = number.is_integer() or not rule.is_whole
    return math.isfinite(number) and 0 < number <= most and whole


def _range(rule: Rule) -> str:
    if rule.is_whole:
        return "a whole number of pixels, 1 or more"
    unit = "degrees, " if rule.most == 180 else ""
    return f"a number ({unit}above 0, up to {rule.most:g})"


def _no_pictures(data: Data, text: str) -> DataError:
    shapes = ", ".join(str(array.shape[1:]) for array in data.train.inputs)
    return DataError(
        f"{text!r} changes pictures, but the examples have the shape {shapes}",
        where=WHERE,
        hint="pictures are (height, width, channels); leave the augmentation out",
    )


def _misfit(change: Change, pictures: Sequence[Array], data: Data) -> DataError | None:
    """Why a change cannot be made to these pictures; None if it can."""
    rule = CHANGES[change.name]
    side = min(min(array.shape[1:3]) for array in pictures)
    if rule.is_whole and change.amount >= side + (change.name == "cutout"):
        limit = side if change.name == "cutout" else side - 1
        problem = f"{change.name}={change.amount:g} is too much for pictures with a side of {side}"
        return DataError(problem, where=WHERE, hint=f"use at most {limit}")
    mapped = [target.output for target in data.targets if len(target.shape) > 1]
    if rule.moves and mapped:
        return DataError(
            f"{change.name} moves pixels, but the labels of output {mapped[0]!r} stand beside them"
            " and would not move",
            where=WHERE,
            hint="noise, brightness and cutout leave everything in its place",
        )
    return None
