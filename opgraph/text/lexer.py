"""From text to tokens, on demand: names, arrows, marks and strings, each with its offsets.

Blanks, comments, Markdown fences and rules, bullets and line numbers are passed over here, and
full-width marks are the same as narrow ones. Knows nothing of statements.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Literal

from opgraph.errors import ParseError, Place, Source

Kind = Literal[
    "word",
    "string",
    "arrow",
    "back",
    "comma",
    "colon",
    "equals",
    "open",
    "close",
    "newline",
    "end",
    "comment",
    "undirected",
    "bad",
    "eof",
]

_LINE_ENDS = r"\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_DASHES = r"–—−－‒―─━\-"
_HEADS = ">＞▶►"
_ARROWS = "→⟶➔➜➝➞⟹⇒⭢➡↦↓⬇⇓"
_BACK = "←⟵⇐"
_MARKS = '()（）{}｛｝,，、;；:：=＝。"`“”<>＜＞#|*\\[\\]［］【】'
_PLAIN = rf"[^\s\x00-\x1f\x7f-\x9f{_MARKS}{_ARROWS}{_BACK}{_DASHES}./']"
_DASH = rf"[{_DASHES}](?![{_DASHES}{_HEADS}{_ARROWS}])"
_DOT = rf"\.(?={_PLAIN}|[{_DASHES}/])"
_SLASH = r"/(?!/)"

ARROW = rf"[{_DASHES}]*+[{_ARROWS}]\ufe0f?|[{_DASHES}]++[{_HEADS}]|[=＝]++[>＞]|>>"
WORD = rf"(?:{_PLAIN}|{_DASH}|{_DOT}|{_SLASH})(?:{_PLAIN}++|'|{_DASH}|{_DOT}|{_SLASH})*+"
_BULLET = (
    r"[^\S\n]*+(?:[-*+•·‣–—>][^\S\n]++|\d{1,6}[.)）][^\S\n]++|\d{1,6}、[^\S\n]*+"
    r"|\(\d{1,6}\)[^\S\n]++|（\d{1,6}）[^\S\n]*+)?+"
)
_SKIPPED_LINE = r"[^\S\n]*+(?:(?:```|~~~)[^\n]*+|[-=*_]{3,}+[^\S\n]*+)?+"
_LINE_START = rf"(?:{_SKIPPED_LINE}\n)*+(?:{_SKIPPED_LINE}\Z)?+{_BULLET}"


def _pattern(comma: str, end: str, blank: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?:{blank}|\*\*)*+(?:"
        rf"(?P<word>{WORD})"
        rf"|(?P<arrow>{ARROW})"
        rf"|(?P<newline>[{_LINE_ENDS}](?:{_LINE_START})?+)"
        rf"|(?P<comma>{comma})|(?P<end>{end})|(?P<colon>[:：])"
        r"|(?P<open>[(（\[［【{｛])|(?P<close>[)）\]］】}｝])"
        rf"|(?P<back><[{_DASHES}=]+(?![{_HEADS}])|[{_BACK}][{_DASHES}]*+)"
        r"|(?P<equals>[=＝])"
        r"|(?P<string>\"(?:[^\"\\\n]|\\[^\n])*+\"|'(?:[^'\\\n]|\\[^\n])*+'|`[^`\n]*+`|“[^”\n]*+”)"
        r"|(?P<comment>(?:#|//)[^\n]*+)"
        rf"|(?P<undirected>[{_DASHES}]{{2,}}+)"
        r"|(?P<eof>\Z)|(?P<bad>.))",
        re.DOTALL,
    )


_COMMA, _END, _BLANK = r"[,，、]", r"[;；。.]++", rf"[^\S{_LINE_ENDS}]"
_PATTERNS = {
    "": _pattern(_COMMA, _END, _BLANK),
    "\t": _pattern(rf"{_COMMA}|\t", _END, rf"[^\S{_LINE_ENDS}\t]"),
    ";": _pattern(rf"{_COMMA}|[;；]", r"[。.]++", _BLANK),
}
_START = re.compile(_LINE_START)
_STATEMENT_END = re.compile(r"[\n;；]")

OPENERS = {"(": ")", "（": ")", "[": "]", "［": "]", "【": "]", "{": "}", "｛": "}"}
_CLOSERS = {"）": ")", "］": "]", "】": "]", "｝": "}"}


class Lexer:
    """A cursor over the tokens of a text.

    Attributes:
        kind: what the current token is.
        start: offset of its first character.
        end: offset behind its last character.
        before: offset behind the token before.
        memory: what readers note about this text for later.
    """

    __slots__ = ("_match", "before", "end", "kind", "memory", "source", "start", "text")

    def __init__(self, source: Source, separator: str = "") -> None:
        self.source, self.text = source, source.text
        self.memory: dict[str, Any] = {}
        self._match = _PATTERNS[separator].match
        self.seek(_START.match(self.text).end() if self.text else 0)  # type: ignore[union-attr]

    def seek(self, offset: int) -> None:
        """Go to the first token at or after an offset."""
        self.kind: Kind = "newline"
        self.end = offset
        self.advance()

    def advance(self) -> None:
        """Go to the next token.

        Raises:
            ParseError: a comment is glued to a name.
        """
        self.before = self.end
        match = self._match(self.text, self.end)
        assert match
        kind = match.lastgroup
        if kind == "comment":
            match = self._behind_comment(match)
            kind = match.lastgroup
        self.kind = kind  # type: ignore[assignment]
        self.start, self.end = match.span(kind)  # type: ignore[arg-type]

    def _behind_comment(self, match: re.Match[str]) -> re.Match[str]:
        start, end = match.span("comment")
        if start == self.before and self.kind == "word":
            mark = self.text[start : start + 2].rstrip() if self.text[start] == "/" else "#"
            self.kind, self.start, self.end = "comment", start, end
            raise ParseError(
                f"{mark!r} right behind a name: is it part of the name, or a comment?",
                place=Place(self.source, start, start + len(mark)),
                hint=f'put a blank before a comment, or write the name in quotes: "conv{mark}1"',
            )
        following = self._match(self.text, end)
        assert following
        return following

    def at(self, kind: Kind) -> bool:
        """Whether the current token is of this kind."""
        return self.kind == kind

    @property
    def value(self) -> str:
        """The text of the current token."""
        return self.text[self.start : self.end]

    def is_mark(self, mark: str) -> bool:
        """Whether the current token is this bracket, narrow or full-width."""
        return self.kind in ("open", "close") and self.mark == mark

    @property
    def mark(self) -> str:
        """The bracket at the cursor, in its narrow form."""
        value = self.text[self.start]
        if self.kind == "close":
            return _CLOSERS.get(value, value)
        return {"（": "(", "［": "[", "【": "[", "｛": "{"}.get(value, value)

    def skip_newlines(self) -> None:
        """Go to the next token that is no line end."""
        while self.kind == "newline":
            self.advance()

    def continues(self) -> bool:
        """Whether the line behind the line end at the cursor begins with an arrow."""
        if self.text[self.end : self.end + 1].isalnum():
            return False
        here = self.kind, self.start, self.end, self.before
        self.skip_newlines()
        found = self.kind in ("arrow", "back")
        self.kind, self.start, self.end, self.before = here
        return found

    def place(self) -> Place:
        """Where the current token stands; where a line ends, behind its last token."""
        if self.kind in ("newline", "eof", "end"):
            return Place(self.source, self.before, self.before + 1)
        return Place(self.source, self.start, self.end)

    def described(self) -> str:
        """The current token in words, for messages."""
        if self.kind == "eof":
            return "the end of the text"
        return "the end of the line" if self.kind == "newline" else repr(self.value[:40])

    def statement_end(self, offset: int) -> int:
        """Offset of the next line end or semicolon, found without making tokens."""
        match = _STATEMENT_END.search(self.text, offset)
        return match.start() if match else len(self.text)


_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_JOINERS = "\u200c\u200d"
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'", "/": "/"}


def unquote(raw: str, place: Place) -> str:
    r"""The text that a quoted string stands for.

    Raises:
        ParseError: an escape that does not exist.

    >>> unquote(r'"a\u4e2d\n"', Place(Source("", ""), 0, 0))
    'a中\n'
    """
    if raw[0] in "`“":
        return raw[1:-1]

    def replaced(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1 and int(escape[1:], 16) <= 0x10FFFF:
            return chr(int(escape[1:], 16))
        if escape not in _SIMPLE:
            raise ParseError(
                f"no such escape: {match[0]!r}",
                place=place,
                hint=r"there are \n \t \r \0 \\ \" \' \xNN \uNNNN \UNNNNNNNN",
            )
        return _SIMPLE[escape]

    return _ESCAPE.sub(replaced, raw[1:-1]) if "\\" in raw else raw[1:-1]


def hidden_character(name: str) -> str | None:
    r"""A character of a name that cannot be seen or turns text around, in words; or None.

    Joiners are let through, since some scripts are written with them.

    >>> hidden_character("ab"), hidden_character("a\u202eb")
    (None, 'U+202E (RIGHT-TO-LEFT OVERRIDE)')
    """
    if name.isprintable():
        return None
    for char in name:
        is_hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if is_hidden and char not in _JOINERS:
            return f"U+{ord(char):04X} ({unicodedata.name(char, 'control character')})"
    return None
