"""Op calls that a large text repeats: read once, afterwards recognised by their text.

Owns the memory of plain calls such as `Conv2D(filters=16, kernel_size=3)`; how one is read the
first time is said in `mention`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opgraph.text.draft import Item, Span
from opgraph.text.lexer import Lexer
from opgraph.text.values import Setting

# No brackets, quotes or comments inside, and no second bracket behind: nothing that nests.
_CALL = re.compile(
    r"[^\S\r\n]*+\w+\([^()\[\]{}（）［］【】｛｝\"'`“”#/;；。\r\n]*\)(?!\s*[(\[{（［【｛])"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was read: where its text began, its op and its settings."""

    begin: int
    op: Span
    settings: tuple[Setting, ...]


def read_again(lexer: Lexer, item: Item) -> bool:
    """Read the call behind the colon at the cursor, if one that looks the same was read before."""
    match = _CALL.match(lexer.text, lexer.end)
    call: Call | None = lexer.memory.get(match[0]) if match else None
    if match is None or call is None:
        return False
    shift = match.start() - call.begin
    item.op = Span(call.op.text, call.op.start + shift, call.op.end + shift)
    settings = [Setting(s.name, s.value, s.start + shift, s.end + shift) for s in call.settings]
    item.settings = [*(item.settings or []), *settings] or None
    item.end = match.end()
    lexer.seek(item.end)
    return True


def remember(lexer: Lexer, begin: int, op: Span, settings: list[Setting] | None) -> None:
    """Keep a call whose text began behind a colon."""
    if match := _CALL.match(lexer.text, begin):
        lexer.memory[match[0]] = Call(begin, op, tuple(settings or ()))
