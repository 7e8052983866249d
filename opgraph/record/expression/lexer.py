"""From the text of an expression to its tokens.

Owns how names, globs, numbers and marks are written; knows nothing of their order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from opgraph.errors import ExpressionError, Place, Source
from opgraph.record.expression.tree import Span

Kind = Literal["number", "name", "word", "mark", "end"]
MOST_CHARACTERS = 1000
WORDS = ("and", "or", "not")

_STRING = r"""'[^'\n]*'|"[^"\n]*\""""
_SEGMENT = rf"(?:\w+|{_STRING})"
_NAME = re.compile(rf"(?:[^\W\d]\w*|{_STRING})(?:\.{_SEGMENT})*")
# A glob stands for nodes, so that something follows it; `a*b` alone is a product.
_GLOB = re.compile(
    rf"(?!\d|\*\*)(?=\w*[*?])(?:\w|[*?](?!\*))+(?:\.(?!\d){_SEGMENT})(?:\.{_SEGMENT})*"
)
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MARK = re.compile(r"\*\*|==|!=|<=|>=|\.\.\.|[-+*/<>()\[\],:.]")
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    *(("number", _NUMBER), ("name", _NAME), ("mark", _MARK)),
)
_PART = re.compile(rf"{_STRING}|[^.]+")
_FOREIGN = {
    "=": "to compare, write ==",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != for what differs",
    "^": "for a power write **",
    "'": "the quote is not closed",
    '"': "the quote is not closed",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text.

    `name` is a reference with all its dots, `word` one of and, or, not.
    """

    kind: Kind
    text: str
    span: Span


def tokens(source: Source) -> list[Token]:
    """All tokens of an expression, the last one being its end.

    Raises:
        ExpressionError: it is too long, or has a character that means nothing.
    """
    text = source.text
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(
            f"an expression has up to {MOST_CHARACTERS:,} characters, this one {len(text):,}"
        )
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found.append(_token(source, at, operand=_expects_operand(found)))
        at = found[-1].span.end
    return [*found, Token("end", "", Span(len(text), len(text)))]


def parts_of(name: str) -> tuple[str, ...]:
    """What stands between the dots of a name, without quotes.

    >>> parts_of("'block.1/conv'.kernel")
    ('block.1/conv', 'kernel')
    """
    return tuple(part.strip("'\"") for part in _PART.findall(name))


def _expects_operand(found: list[Token]) -> bool:
    """Whether something that has a value comes next: `*` begins a glob there, else a product."""
    if not found or found[-1].kind == "word":
        return True
    last = found[-1]
    return last.kind == "mark" and last.text not in (")", "]", "...")


def _token(source: Source, at: int, *, operand: bool) -> Token:
    text = source.text
    matched = _GLOB.match(text, at) if operand else None
    if matched is not None:
        return Token("name", matched[0], Span(*matched.span()))
    for kind, pattern in _PATTERNS:
        matched = pattern.match(text, at)
        if matched is not None:
            is_word = matched[0] in WORDS
            return Token("word" if is_word else kind, matched[0], Span(*matched.span()))
    raise ExpressionError(
        f"{text[at]!r} means nothing here",
        place=Place(source, at, at + 1),
        hint=_FOREIGN.get(text[at]),
    )
