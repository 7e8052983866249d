"""One mention of a node: its name, label, op, attributes, as far as they stand in one place."""

from __future__ import annotations

import re

from opgraph.errors import ParseError, Place
from opgraph.ops import find
from opgraph.text.draft import Item, Span
from opgraph.text.lexer import Lexer, hidden_character, unquote
from opgraph.text.repeats import read_again, remember
from opgraph.text.values import (
    Setting,
    closes,
    is_setting,
    open_bracket,
    read_settings,
    read_settings_inside,
)

LONGEST_NAME = 1000
MOST_WORDS = 100

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?:@\w+)?")
_NUMBERED_ID = re.compile(r"[A-Za-z]\w*?(?:_\w*|[0-9]+)", re.ASCII)
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")
_NUMBER = re.compile(r"[0-9][0-9.x×]*")
_TAIL = re.compile(r"(?:\.([0-9]{1,6}))?(?:@(\w+))?")


# What may follow a name that has more to it than its one word.
GOES_ON = frozenset(("word", "open", "colon", "equals"))


def read_item(lexer: Lexer, *, may_head: bool, is_chain: bool) -> Item:
    """Read a mention: a name, with what is said about it.

    Args:
        lexer: at a word or a string.
        may_head: whether a colon behind the words may end a sentence.
        is_chain: whether an arrow stands before it.

    Raises:
        ParseError: something is missing, or must not be there.
    """
    item = _read_name(lexer, is_chain)
    if lexer.kind not in GOES_ON:
        return _named(lexer, item)
    if lexer.kind == "open":
        _read_brackets(lexer, item)
    _named(lexer, item)
    if lexer.kind == "colon":
        item = _read_op(lexer, item, may_head)
    if lexer.kind == "equals" and item.words:
        _read_owner(lexer, item)
    return item


def _read_name(lexer: Lexer, is_chain: bool) -> Item:
    if lexer.kind == "string":
        return _read_quoted(lexer)
    start, first = lexer.start, lexer.value
    lexer.advance()
    if lexer.kind != "word":
        item = Item(first, start, lexer.before)
        return _checked(lexer, item) if len(first) > 60 or not first.isprintable() else item
    return _read_words(lexer, start, first, is_chain)


def _read_words(lexer: Lexer, start: int, first: str, is_chain: bool) -> Item:
    """A name of several words; one that says the same twice is two mentions."""
    words, starts = [first], [start]
    while lexer.kind == "word" and len(words) < MOST_WORDS:
        words.append(lexer.value)
        starts.append(lexer.start)
        lexer.advance()
    half = len(words) // 2
    if is_chain and lexer.kind in ("arrow", "back", "open") and words[:half] == words[half:]:
        lexer.seek(starts[half])
        return Item(
            " ".join(words[:half]), start, starts[half - 1] + len(words[half - 1]), words=half
        )
    item = Item(" ".join(words), start, lexer.before, words=len(words))
    is_mention = is_chain or lexer.kind in ("arrow", "back", "comma")
    if is_mention and sum(bool(_NUMBERED_ID.fullmatch(word)) for word in words) > 1:
        raise _run_together(lexer, item)
    if len(words) == MOST_WORDS:
        lexer.seek(lexer.statement_end(lexer.start))
    return item if len(words) == MOST_WORDS else _checked(lexer, item)


def _run_together(lexer: Lexer, item: Item) -> ParseError:
    return ParseError(
        f"{item.text!r}: one name with a blank in it, or two?",
        place=Place(lexer.source, item.start, item.end),
        hint='put ";" or a line end between two edges, or the name in quotes',
    )


def _checked(lexer: Lexer, item: Item) -> Item:
    """The item, if its name and label can be shown.

    Raises:
        ParseError: they are too long or have hidden characters.
    """
    place = Place(lexer.source, item.start, item.end)
    for text in (item.text, item.label or ""):
        if len(text) > LONGEST_NAME:
            raise ParseError(f"a name of {len(text):,} characters; 1,000 are allowed", place=place)
        if hidden := hidden_character(text):
            raise ParseError(
                f"the name {text!r} contains {hidden}, which cannot be seen",
                place=place,
                hint="leave it out",
            )
    return item


def _named(lexer: Lexer, item: Item) -> Item:
    if not item.text:
        place = Place(lexer.source, item.start, max(item.end, item.start + 1))
        raise ParseError("the name is empty", place=place)
    return item


def _read_quoted(lexer: Lexer) -> Item:
    place = lexer.place()
    item = Item(unquote(lexer.value, place), lexer.start, lexer.end, quoted=True)
    lexer.advance()
    if lexer.kind == "word" and lexer.start == lexer.before:
        tail = _TAIL.fullmatch(lexer.value)
        if not tail:
            raise ParseError(
                f"expected an output such as .1 or an input such as @1, received {lexer.value!r}",
                place=lexer.place(),
            )
        item.port, item.slot = int(tail[1]) if tail[1] else None, tail[2]
        item.end = lexer.end
        lexer.advance()
    return _checked(lexer, item)


# What stands in brackets ------------------------------------------------------------------------


def _read_brackets(lexer: Lexer, item: Item) -> None:
    if lexer.is_mark("("):
        _read_parentheses(lexer, item)
    while lexer.is_mark("["):
        item.settings = [*(item.settings or []), *read_settings(lexer)]
        item.end = lexer.before


def _read_parentheses(lexer: Lexer, item: Item) -> None:
    """Attributes of an op without a name, or the other name of the node."""
    opened = open_bracket(lexer)
    start = lexer.start
    if closes(lexer, opened) or is_setting(lexer):
        _become_call(lexer, item, read_settings_inside(lexer, opened))
        return
    inner = _read_inner(lexer, item)
    lexer.skip_newlines()
    if not closes(lexer, opened):
        lexer.seek(start)
        raise _neither(lexer, item)
    lexer.advance()
    item.end = lexer.before
    _name_and_label(lexer, item, inner)
    _checked(lexer, item)


def _become_call(lexer: Lexer, item: Item, settings: list[Setting]) -> None:
    if item.quoted or item.port is not None:
        raise ParseError(
            "attributes stand in square brackets behind a name",
            place=Place(lexer.source, item.start, lexer.before),
            hint=f'write "{item.text}"[{"..." if settings else ""}]',
        )
    item.op = Span(item.text, item.start, item.end)
    item.is_call, item.settings, item.end = True, settings, lexer.before


def _read_inner(lexer: Lexer, item: Item) -> Item:
    if lexer.kind not in ("word", "string"):
        raise _neither(lexer, item)
    return _read_name(lexer, is_chain=False)


def _neither(lexer: Lexer, item: Item) -> ParseError:
    kind = find(item.text)
    own = next(iter(kind.schema()), None) if kind else None
    example = f"{item.text}({own}=...)" if own and kind else "Conv2D(filters=32)"
    return ParseError(
        f"expected attributes or a second name in the parentheses, received {lexer.described()}",
        place=lexer.place(),
        hint=f"attributes are written name=value, as in {example}; a label: label (id)",
    )


def _name_and_label(lexer: Lexer, item: Item, inner: Item) -> None:
    """Tell which of `X (Y)` is the name: see the rules in the reference."""
    if not inner.quoted and is_kind(inner.text) and not is_kind(item.text):
        item.op = Span(inner.text, inner.start, inner.end)
        return
    if not inner.quoted and _NUMBER.fullmatch(inner.text) and find(item.text) and not item.quoted:
        lexer.seek(inner.start)
        raise _neither(lexer, item)
    if inner.quoted or (inner.words == 1 and _ID.fullmatch(inner.text)):
        item.text, item.label, item.words = inner.text, item.text, 1
        item.quoted, item.port, item.slot = inner.quoted, inner.port, inner.slot
    else:
        item.label = inner.text


def is_kind(text: str) -> bool:
    """Whether a word is an op's own name, letter for letter, or another class name of it.

    >>> is_kind("ReLU"), is_kind("InputLayer"), is_kind("relu")
    (True, True, False)
    """
    found = find(text) if text[:1].isupper() else None
    if found is None:
        return False
    return text == found.kind or (text in found.aliases and bool(_CLASS.fullmatch(text)))


# What stands behind a colon or an equals sign ----------------------------------------------------


def _read_op(lexer: Lexer, item: Item, may_head: bool) -> Item:
    """Read `name: Op(...)`; or find that the words before the colon are a heading."""
    if not may_head and read_again(lexer, item):
        return item
    colon, begin = lexer.place(), lexer.end
    lexer.advance()
    if may_head and lexer.kind in ("newline", "eof", "end"):
        item.words = 0
        return item
    if lexer.kind != "word":
        raise ParseError(
            f"expected an op after ':', received {lexer.described()}",
            place=colon if lexer.kind in ("newline", "eof") else lexer.place(),
            hint="write for instance: c1: Conv2D(filters=32)",
        )
    right = _read_name(lexer, is_chain=False)
    if lexer.at("open"):
        _read_brackets(lexer, right)
    if may_head and not right.is_call and _may_be_heading(lexer, item, right):
        item.otherwise = right
    if right.label is not None and item.otherwise is None:
        raise ParseError(
            f"expected the attributes of {right.label!r} as name=value",
            place=Place(lexer.source, right.start, right.end),
        )
    item.op = right.op or Span(right.text, right.start, right.end)
    item.settings = [*(item.settings or []), *(right.settings or [])] or None
    item.end = right.end
    if right.is_call:
        remember(lexer, begin, item.op, right.settings)
    return item


_HEADING = re.compile(
    "model|network|graph|architecture|edges?|nodes?|layers|list|example|note|模型|网络|图|边|例"
    "|.*(?:如下|关系|结构|为|是|follows|following|below|is)",
    re.IGNORECASE,
)


def _may_be_heading(lexer: Lexer, item: Item, right: Item) -> bool:
    """Whether `X: Y` may be a sentence before an edge, or about it, rather than a definition."""
    goes_on = lexer.kind in ("arrow", "back", "comma")
    if right.label is not None:
        return True
    if goes_on and find(right.text):
        return item.words > 1 or bool(_HEADING.fullmatch(item.text))
    return goes_on or ((item.words > 1 or right.words > 1) and not find(right.text))


def _read_owner(lexer: Lexer, item: Item) -> None:
    """Read `name = other`: shared weights; or `name = Op(...)`: a definition."""
    lexer.advance()
    if lexer.kind not in ("word", "string"):
        raise ParseError(
            f"expected a node to share weights with, received {lexer.described()}",
            place=lexer.place(),
        )
    right = _read_name(lexer, is_chain=True)
    if lexer.at("open"):
        _read_brackets(lexer, right)
    if right.is_call:
        item.op = right.op
        item.settings = [*(item.settings or []), *(right.settings or [])]
    else:
        item.owner = _named(lexer, right)
    item.end = right.end
