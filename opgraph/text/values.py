"""Attribute values as they are written: numbers, words, strings, tuples, lists, dicts, nested ops.

Reads them off a lexer and writes them back; knows nothing of nodes or of what an op expects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from opgraph.errors import FormatError, ParseError, Place
from opgraph.ops import Op
from opgraph.text.lexer import OPENERS, Lexer, unquote

DEEPEST = 32
MOST_ITEMS = 10_000
MOST_DIGITS = 400

_CONSTANTS = {
    "true": True,
    "false": False,
    "none": None,
    "null": None,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
}
_SPELLED = {"True": "true", "False": "false", "None": "none"}
_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIZES = re.compile(r"[0-9]{1,9}(?:[x×][0-9]{1,9})+")
_SETTING = re.compile(
    r"(?:[\w.]+|\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'|`[^`\n]*`)[^\S\n]*[=＝](?![>＞])"
)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Setting:
    """One `name=value`: offsets from the name to the end of the value."""

    name: str
    value: Any
    start: int
    end: int


def read_value(lexer: Lexer, depth: int = 0) -> Any:
    """Read the value at the cursor and go behind it.

    Raises:
        ParseError: there is none, or it is not closed, or nested too deeply.
    """
    if depth > DEEPEST:
        raise ParseError(f"nested more than {DEEPEST} deep", place=lexer.place())
    if lexer.kind == "string":
        text = unquote(lexer.value, lexer.place())
        lexer.advance()
        return text
    if lexer.kind == "open":
        return _read_dict(lexer, depth) if lexer.is_mark("{") else _read_sequence(lexer, depth)
    if lexer.kind != "word":
        raise ParseError(
            f"expected a value, received {lexer.described()}",
            place=lexer.place(),
            hint="a value is a number, a word, a quoted string, (3, 3), [1, 2] or 3x3",
        )
    word, start, end = lexer.value, lexer.start, lexer.end
    lexer.advance()
    if lexer.at("open") and lexer.is_mark("("):
        return {"class_name": word, "config": _read_config(lexer, depth)}
    try:
        return word_value(word)
    except ValueError as error:
        raise ParseError(str(error), place=Place(lexer.source, start, end)) from None


def word_value(word: str) -> Any:
    """What a bare word stands for: a constant, a number, sizes such as 3x3, or itself.

    Raises:
        ValueError: a number that is too long or too large.

    >>> [word_value(word) for word in ("3", "1e-3", "3x3", "true", "same")]
    [3, 0.001, (3, 3), True, 'same']
    """
    constant = _SPELLED.get(word, word)
    if constant in _CONSTANTS:
        return _CONSTANTS[constant]
    if word[0] not in "+-.0123456789":
        return word
    if _INT.fullmatch(word) and len(word) <= MOST_DIGITS:
        return int(word)
    if _SIZES.fullmatch(word):
        return tuple(int(size) for size in re.split("[x×]", word))
    if not _FLOAT.fullmatch(word):
        return word
    if len(word) > MOST_DIGITS:
        raise ValueError(f"a number of more than {MOST_DIGITS} characters")
    if math.isinf(number := float(word)):
        raise ValueError(f"{word} is larger than any float; infinity is written inf")
    return number


def read_settings(lexer: Lexer, depth: int = 0) -> list[Setting]:
    """Read `name=value, ...` from behind an opening bracket to behind the closing one.

    Raises:
        ParseError: an attribute without a name, without a value, or twice.
    """
    return read_settings_inside(lexer, open_bracket(lexer), depth)


def open_bracket(lexer: Lexer) -> int:
    """Go into a bracket; where it opened is needed if it turns out not to be closed."""
    offset = lexer.start
    lexer.advance()
    lexer.skip_newlines()
    return offset


def read_settings_inside(lexer: Lexer, opened: int, depth: int = 0) -> list[Setting]:
    """The same, for a bracket that has been entered."""
    settings: list[Setting] = []
    names: set[str] = set()
    while not closes(lexer, opened):
        settings.append(_read_setting(lexer, depth))
        _refuse_twice(lexer, names, settings[-1])
        separate(lexer, opened, len(settings))
    lexer.advance()
    return settings


def _refuse_twice(lexer: Lexer, names: set[str], setting: Setting) -> None:
    if setting.name in names:
        place = Place(lexer.source, setting.start, setting.end)
        raise ParseError(f"{setting.name!r} is given twice", place=place)
    names.add(setting.name)


def _read_setting(lexer: Lexer, depth: int) -> Setting:
    start = lexer.start
    if not is_setting(lexer):
        raise ParseError(
            f"expected an attribute such as filters=32, received {lexer.described()}",
            place=lexer.place(),
            hint="attributes are written name=value",
        )
    name = unquote(lexer.value, lexer.place()) if lexer.kind == "string" else lexer.value
    lexer.advance()
    lexer.advance()
    lexer.skip_newlines()
    return Setting(name, read_value(lexer, depth + 1), start, lexer.before)


def _read_config(lexer: Lexer, depth: int) -> dict[str, Any]:
    return {item.name: item.value for item in read_settings(lexer, depth + 1)}


def _read_sequence(lexer: Lexer, depth: int) -> Any:
    as_list = lexer.is_mark("[")
    opened = open_bracket(lexer)
    items: list[Any] = []
    commas = 0
    while not closes(lexer, opened):
        items.append(read_value(lexer, depth + 1))
        commas += separate(lexer, opened, len(items))
    lexer.advance()
    if as_list:
        return items
    return items[0] if len(items) == 1 and not commas else tuple(items)


def _read_dict(lexer: Lexer, depth: int) -> dict[Any, Any]:
    opened = open_bracket(lexer)
    items: dict[Any, Any] = {}
    while not closes(lexer, opened):
        place = lexer.place()
        key = read_value(lexer, depth + 1)
        if isinstance(key, list | dict | tuple):
            raise ParseError("a key is a word, a string or a number", place=place)
        if lexer.kind != "colon":
            raise ParseError(f"expected ':', received {lexer.described()}", place=lexer.place())
        lexer.advance()
        lexer.skip_newlines()
        items[key] = read_value(lexer, depth + 1)
        separate(lexer, opened, len(items))
    lexer.advance()
    return items


def closes(lexer: Lexer, opened: int) -> bool:
    """Whether the bracket closes at the cursor.

    Raises:
        ParseError: the text ends first, or another bracket closes.
    """
    wanted = OPENERS[lexer.text[opened]]
    if lexer.kind == "eof" or (lexer.kind == "close" and lexer.mark != wanted):
        raise _not_closed(lexer, opened)
    return lexer.kind == "close"


def separate(lexer: Lexer, opened: int, count: int) -> bool:
    """Go over the comma behind an item; false before the closing bracket.

    Raises:
        ParseError: there is neither, or there are too many items.
    """
    if count > MOST_ITEMS:
        raise ParseError(
            f"more than {MOST_ITEMS:,} items in brackets",
            place=Place(lexer.source, opened, opened + 1),
        )
    lexer.skip_newlines()
    if lexer.kind == "comma":
        lexer.advance()
        lexer.skip_newlines()
        return True
    if not closes(lexer, opened):
        raise _not_closed(lexer, opened)
    return False


def is_setting(lexer: Lexer) -> bool:
    """Whether `name=` stands at the cursor."""
    return bool(_SETTING.match(lexer.text, lexer.start))


def _not_closed(lexer: Lexer, opened: int) -> ParseError:
    """The error for a bracket that goes on wrongly; on a later line it was not meant to go on."""
    bracket = lexer.text[opened]
    closer = OPENERS[bracket]
    is_further = lexer.text.find("\n", opened, lexer.start) >= 0
    if lexer.kind == "eof" or (is_further and not is_setting(lexer)):
        return ParseError(
            f"{bracket!r} is not closed",
            place=Place(lexer.source, opened, opened + 1),
            hint=f"add {closer!r}",
        )
    return ParseError(
        f"expected ',' or {closer!r}, received {lexer.described()}", place=lexer.place()
    )


def print_value(value: Any) -> str:
    """A value as it is written in an edge list.

    Raises:
        FormatError: it cannot be written.

    >>> print_value((3, 3)), print_value({"class_name": "LSTM", "config": {"units": 8}})
    ('(3, 3)', 'LSTM(units=8)')
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)
    if isinstance(value, str):
        return value if _is_bare(value) else quote(value)
    if isinstance(value, tuple):
        items = [print_value(item) for item in cast("tuple[Any, ...]", value)]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(value, list):
        return f"[{', '.join(print_value(item) for item in cast('list[Any]', value))}]"
    if isinstance(value, Op):
        defaults = {name: spec.default for name, spec in value.schema().items()}
        chosen = {k: v for k, v in value.values().items() if v != defaults[k]}
        return f"{value.kind}({print_settings(chosen)})"
    if isinstance(value, Mapping):
        return _print_dict(cast("Mapping[Any, Any]", value))
    raise FormatError(f"a {type(value).__name__} cannot be written into an edge list: {value!r}")


def _is_bare(text: str) -> bool:
    word = _SPELLED.get(text, text)
    return bool(_BARE.fullmatch(text)) and word not in _CONSTANTS


def _print_dict(value: Mapping[Any, Any]) -> str:
    if list(value) == ["class_name", "config"]:
        name, config = value["class_name"], value["config"]
        if _is_call(name, config):
            return f"{name}({print_settings(config)})"
    items = (f"{print_value(key)}: {print_value(item)}" for key, item in value.items())
    return f"{{{', '.join(items)}}}"


def _is_call(name: Any, config: Any) -> bool:
    if not (isinstance(name, str) and _BARE.fullmatch(name) and isinstance(config, Mapping)):
        return False
    return all(isinstance(key, str) for key in cast("Mapping[Any, Any]", config))


def print_settings(values: Mapping[str, Any]) -> str:
    """Attributes as they stand between brackets.

    >>> print_settings({"filters": 32, "padding": "same"})
    'filters=32, padding=same'
    """
    items = values.items()
    return ", ".join(
        f"{name if _BARE.fullmatch(name) else quote(name)}={print_value(item)}"
        for name, item in items
    )


def quote(text: str) -> str:
    r"""A text in double quotes; what cannot be seen is escaped.

    >>> print(quote('a "b"\n'))
    "a \"b\"\n"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(_visible(char) for char in escaped)}"'


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(char)
    return named.get(char) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
