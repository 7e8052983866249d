"""Converters of attribute values: from what was written to what an op holds.

Each takes a value and returns the converted one, or raises `ValueError` whose text says what was
expected. Knows nothing about ops.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

T = TypeVar("T")


def whole(value: Any, at_least: int | None = None) -> int:
    """A whole number; a bool is not one.

    >>> whole(3.0)
    3
    """
    bound = "" if at_least is None else f" of at least {at_least}"
    if isinstance(value, bool) or not isinstance(value, int | float | Integral):
        raise ValueError(f"expected a whole number{bound}")
    if value != int(value) or (at_least is not None and value < at_least):
        raise ValueError(f"expected a whole number{bound}")
    return int(value)


def positive(value: Any) -> int:
    """A whole number of at least 1."""
    return whole(value, at_least=1)


def natural(value: Any) -> int:
    """A whole number of at least 0."""
    return whole(value, at_least=0)


def number(value: Any) -> float:
    """A number; a bool is not one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError("expected a number")
    return float(value)


def rate(value: Any) -> float:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ValueError("expected a number from 0 to 1")
    return float(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def text(value: Any) -> str:
    """A word."""
    if not isinstance(value, str):
        raise ValueError("expected a word")
    return value


def sizes(rank: int) -> Callable[[Any], tuple[int, ...]]:
    """Converter to `rank` positive whole numbers; one number stands for all of them.

    >>> sizes(2)(3)
    (3, 3)
    """

    def convert(value: Any) -> tuple[int, ...]:
        items = value if isinstance(value, list | tuple) else (value,) * rank
        items = tuple(items)
        if len(items) == 1:
            items = items * rank
        try:
            converted = tuple(positive(item) for item in items)
        except ValueError:
            converted = ()
        if len(converted) != rank:
            several = "a whole number" if rank == 1 else f"a whole number or {rank} of them"
            raise ValueError(f"expected {several}, each at least 1")
        return converted

    return convert


single = cast("Callable[[Any], tuple[int]]", sizes(1))
pair = cast("Callable[[Any], tuple[int, int]]", sizes(2))
triple = cast("Callable[[Any], tuple[int, int, int]]", sizes(3))


def dims(value: Any) -> tuple[int | None, ...]:
    """A shape without the batch: positive whole numbers or None for unknown ones."""
    items = value if isinstance(value, list | tuple) else (value,)
    try:
        return tuple(
            None if item is None else positive(item) for item in cast("tuple[Any, ...]", items)
        )
    except ValueError:
        raise ValueError("expected a shape such as (32, 32, 3)") from None


def one_of(*allowed: Any) -> Callable[[Any], Any]:
    """Converter that lets only the listed values through."""
    listing = ", ".join(repr(item) for item in allowed)

    def convert(value: Any) -> Any:
        if not any(type(item) is type(value) and item == value for item in allowed):
            raise ValueError(f"expected one of {listing}")
        return value

    return convert


def optional(convert: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Converter that also lets None through."""
    return lambda value: None if value is None else convert(value)


def anything(value: Any) -> Any:
    """Whatever was written: JSON-like values that only Keras understands."""
    return value


_SIMPLE: dict[Any, Callable[[Any], Any]] = {
    int: whole,
    float: number,
    bool: flag,
    str: text,
    Any: anything,
}


def convert_to(annotation: Any) -> Callable[[Any], Any]:
    """The converter that an annotation asks for.

    >>> convert_to(int | None)(None) is None
    True
    """
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return one_of(*arguments)
    if origin in (types.UnionType, Union) and type(None) in arguments:
        rest = [item for item in arguments if item is not type(None)]
        if len(rest) == 1:
            return optional(convert_to(rest[0]))
    if origin is tuple and arguments and all(item is int for item in arguments):
        return sizes(len(arguments))
    raise TypeError(f"no converter is known for {annotation}; give attr(converter=...)")
