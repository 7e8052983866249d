"""A choice with arguments, as `cosine(warmup=50)`: read, and checked against what it may take.

Owns the way choices are written and the messages about them. Needs neither TensorFlow nor Keras,
and must not know what is chosen.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opgraph.errors import ParseError, TraceError, suggest
from opgraph.text import parse_setting


@dataclass(frozen=True)
class Choice:
    """A name and the arguments that were written behind it."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Parameter:
    """An argument that a choice may take; without a default it is needed."""

    name: str
    default: Any = inspect.Parameter.empty

    @property
    def is_needed(self) -> bool:
        """Whether it has to be given."""
        return self.default is inspect.Parameter.empty


def read_choice(text: str, where: str) -> Choice:
    """Read a name, with or without arguments in brackets.

    Args:
        text: as the user wrote it; values are written as in an edge list.
        where: the field it was given for, for messages.

    Raises:
        TraceError: it cannot be read.

    >>> read_choice("cosine(warmup=50)", "schedule")
    Choice(name='cosine', arguments={'warmup': 50})
    """
    try:
        _, _, value = parse_setting(f"x.x={text}")
    except ParseError as error:
        raise TraceError(
            f"{text!r} cannot be read: {error.problem}",
            where=where,
            hint="write a name, or a name with arguments: name(first=1, second=0.5)",
        ) from None
    if isinstance(value, str):
        return Choice(value)
    if not isinstance(value, dict) or "class_name" not in value:
        raise TraceError(f"expected a name, received {text!r}", where=where)
    return Choice(value["class_name"], value["config"])


def pick(name: str, known: Iterable[str], where: str) -> str:
    """The known name that was meant; case does not count.

    Raises:
        TraceError: there is none; the message lists those that there are.

    >>> pick("Adam", ["sgd", "adam"], "optimizer")
    'adam'
    """
    names = list(known)
    folded = name.lower()
    if folded not in names:
        listed = ", ".join(names)
        hint = suggest(name, names)
        raise TraceError(f"expected one of {listed}, received {name!r}", where=where, hint=hint)
    return folded


def parameters_of(function: Callable[..., Any], without: Iterable[str] = ()) -> list[Parameter]:
    """The named arguments of a function or class, but for some."""
    left_out = set(without)
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        Parameter(name, found.default)
        for name, found in inspect.signature(function).parameters.items()
        if name not in left_out and found.kind not in variadic
    ]


def check_arguments(choice: Choice, parameters: Iterable[Parameter], where: str) -> None:
    """Refuse arguments that a choice does not take, and say which ones it lacks.

    Raises:
        TraceError: naming the argument, what was expected and what was received.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name, value in choice.arguments.items():
        if name not in known:
            raise TraceError(
                f"{choice.name} has no argument {name!r}",
                where=where,
                hint=suggest(name, known) or f"{choice.name} takes: {', '.join(known) or 'none'}",
            )
        _check_value(f"{where}, {choice.name}", known[name], value)
    lacking = [p.name for p in known.values() if p.is_needed and p.name not in choice.arguments]
    if lacking:
        example = ", ".join(f"{name}=..." for name in lacking)
        raise TraceError(
            f"{choice.name} needs {' and '.join(lacking)}",
            where=where,
            hint=f"write {choice.name}({example})",
        )


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_value(where: str, parameter: Parameter, value: Any) -> None:
    """Compare a value with the type of the default; arguments without one check themselves."""
    default = parameter.default
    if isinstance(default, bool):
        fits, expected = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float):
        fits, expected = is_number(value), "a number"
    elif isinstance(default, str):
        fits, expected = isinstance(value, str), "a word"
    else:
        return
    if not fits:
        raise TraceError(f"{parameter.name}: expected {expected}, received {value!r}", where=where)
