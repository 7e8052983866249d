"""Python source of values and calls, and a stand-in for the `keras` module that writes them.

An op says its Keras layer in one place, `Op.layer(keras)`. Handed a `Module` in place of Keras, it
leaves a `Written` expression. Knows no op and no graph.
"""

from __future__ import annotations

import keyword
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from opgraph.errors import FormatError

Omits = Callable[[str, str, Any], bool]
IMPORTED = {"keras.layers": "layers"}


class Module:
    """Stands for a module: attributes are names in it, a call is the source of a call.

    >>> Module("keras").layers.Dense(8, name="fc")
    layers.Dense(8, name="fc")
    """

    def __init__(self, path: str, omits: Omits | None = None) -> None:
        self._path = path
        self._omits = omits or (lambda function, key, value: False)

    def __getattr__(self, name: str) -> Module:
        if name.startswith("__"):
            raise AttributeError(name)
        path = f"{self._path}.{name}"
        return Module(IMPORTED.get(path, path), self._omits)

    def __call__(self, *args: Any, **keywords: Any) -> Written:
        """The source of a call of this function or class."""
        return Written(self._path, args, keywords, self._omits)


class Written:
    """The source of a call; what it was given can be read and set as on the layer itself."""

    def __init__(
        self, function: str, args: tuple[Any, ...], keywords: dict[str, Any], omits: Omits
    ) -> None:
        vars(self).update(_function=function, _args=args, _keywords=keywords, _omits=omits)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return vars(self)["_keywords"].get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)["_keywords"][name] = value

    def __call__(self, *args: Any, **keywords: Any) -> Written:
        """The source of a call of what this call returns."""
        return Written(repr(self), args, keywords, lambda function, key, value: False)

    def __repr__(self) -> str:
        own = vars(self)
        for key in own["_keywords"]:
            if not key.isidentifier() or keyword.iskeyword(key):
                raise FormatError(f"{key!r} cannot be the name of an argument")
        shown = [
            f"{key}={source(value)}"
            for key, value in own["_keywords"].items()
            if not own["_omits"](own["_function"].rsplit(".", 1)[-1], key, value)
        ]
        return f"{own['_function']}({', '.join([*map(source, own['_args']), *shown])})"


class Name(str):
    """A piece of source that stands as it is, such as the name of a variable."""

    __slots__ = ()

    def __call__(self, *args: Any, **keywords: Any) -> Written:
        """The source of a call of what has this name."""
        return Written(self, args, keywords, lambda function, key, value: False)


def source(value: Any) -> str:
    r"""Python source of a value.

    Raises:
        FormatError: there is no literal for it.

    >>> source({"a": (1, None), "b": float("inf")}), source("it's")
    ('{"a": (1, None), "b": float("inf")}', '"it\'s"')
    """
    if isinstance(value, Name | Written):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return "{" + ", ".join(f"{source(key)}: {source(item)}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        items = [source(item) for item in cast("Iterable[Any]", value)]
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    raise FormatError(f"Python source has no literal for {type(value).__name__} {value!r}")


def quoted(text: str) -> str:
    r"""A string literal; nothing in the text can end it.

    >>> quoted('say "a"'), quoted("two\nlines")
    ('\'say "a"\'', '"two\\nlines"')
    """
    literal = repr(text)
    return literal if '"' in text or not literal.startswith("'") else f'"{literal[1:-1]}"'


def comment(text: str) -> str:
    """A text that stays in its comment: one line, no control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def identifier(text: str) -> str:
    """A Python name that reads like the text.

    >>> identifier("conv/a 1"), identifier("2d"), identifier("class"), identifier("卷积_1")
    ('conv_a_1', 'n2d', 'class_', '卷积_1')
    """
    folded = unicodedata.normalize("NFKC", text)
    name = "".join(char if f"a{char}".isidentifier() else "_" for char in folded)
    if not name.isidentifier():
        name = f"n{name}"
    return f"{name}_" if keyword.iskeyword(name) else name
