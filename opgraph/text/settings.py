"""What `--set` takes: `glob.attribute=value`, with values as in an edge list."""

from __future__ import annotations

from typing import Any

from opgraph.errors import ParseError, Place, Source
from opgraph.text.lexer import Lexer
from opgraph.text.values import read_value

_HINT = "write it as batch_norm*.momentum=0.9"


def parse_setting(text: str) -> tuple[str, str, Any]:
    """A glob of node names, an attribute and its value.

    Raises:
        ParseError: a part is missing, or the value cannot be read.

    >>> parse_setting("batch_norm*.momentum=0.9")
    ('batch_norm*', 'momentum', 0.9)
    """
    source = Source("--set", text)
    left, equals, _ = text.partition("=")
    glob, dot, attribute = left.rpartition(".")
    if not equals:
        raise ParseError("expected '=' and a value", place=_at(source, len(text)), hint=_HINT)
    if not dot or not glob.strip():
        raise ParseError("expected nodes before the attribute", place=_at(source, 0), hint=_HINT)
    if not attribute.strip():
        raise ParseError("expected an attribute", place=_at(source, len(left)), hint=_HINT)
    lexer = Lexer(source)
    lexer.seek(len(left) + 1)
    value = read_value(lexer)
    if lexer.kind != "eof":
        raise ParseError(
            f"expected the end, received {lexer.described()}",
            place=lexer.place(),
            hint="a value with blanks or marks is written in quotes",
        )
    return glob.strip(), attribute.strip(), value


def _at(source: Source, offset: int) -> Place:
    return Place(source, offset, offset + 1)
