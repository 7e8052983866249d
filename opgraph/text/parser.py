"""From tokens to a draft: statements, chains, mentions of nodes.

What cannot be read is noted, and reading goes on behind the statement. Which words are names, ops
or headings is left to `names`, because it takes the whole text to tell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from opgraph.errors import ParseError, Place, Source
from opgraph.ops import find
from opgraph.text.draft import Draft, Item, Link
from opgraph.text.findings import Findings, TooManyFindings
from opgraph.text.lexer import ARROW, WORD, Lexer
from opgraph.text.mention import read_item
from opgraph.text.table import find_table, read_table

MOST_LINKS = 500_000
MOST_ITEMS = 10_000
MOST_LOST = 20_000

_WORD, _ARROW = re.compile(WORD), re.compile(ARROW)


def read_draft(source: Source, findings: Findings) -> Draft:
    """Read a text; what is wrong with it is added to the findings.

    Raises:
        TooManyFindings: the text is garbage.
        ParseError: it has more edges than any network.
    """
    if header := find_table(source):
        return read_table(source, header, findings)
    draft = _Parser(source, findings).read()
    if not draft.links and (separator := _other_separator(source.text, draft)):
        tables = Findings(source)
        with suppress(TooManyFindings):
            table = _Parser(source, tables, separator).read()
            has_rows = any(len(items) > 1 for items in table.lists)
            if has_rows and len(tables) <= len(findings):
                findings.errors, findings.more = tables.errors, tables.more
                return table
    return draft


def _other_separator(text: str, draft: Draft) -> str | None:
    """What separates the cells of a table, where it is not the comma."""
    if "\t" in text:
        return "\t"
    return ";" if ";" in text and all(len(items) == 1 for items in draft.lists) else None


class _Parser:
    """Reads one text; `statement` counts, `groups` holds the chain that is being read."""

    def __init__(self, source: Source, findings: Findings, separator: str = "") -> None:
        self.source, self.findings = source, findings
        self.separator = separator
        self.lexer = Lexer(source, separator)
        self.draft = Draft()
        self.statement = 0

    def read(self) -> Draft:
        while self.lexer.kind != "eof":
            self._next_statement()
            if len(self.draft.items) > 2 * MOST_LINKS:
                problem = f"nodes are mentioned more than {2 * MOST_LINKS:,} times"
                raise ParseError(problem, where=self.source.name)
        return self.draft

    def _next_statement(self) -> None:
        lexer = self.lexer
        if lexer.kind in ("newline", "end"):
            self._guarded(lexer.advance)
        else:
            self._guarded(self._read_statement)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Run a step; note an error that it raises, and go on behind the statement."""
        started = self.lexer.start
        try:
            action()
        except ParseError as error:
            if error.place is None:
                raise
            noted = error
            self.findings.add(lambda: noted)
            self._recover(started, error.place)

    # One statement ---------------------------------------------------------------------------

    def _read_statement(self) -> None:
        self.statement += 1
        first = self._read_group(is_first=True)
        if not first:
            return
        if self._at_arrow():
            self._read_chain(first)
        elif not self._ends_list(first):
            self._read_list(first)

    def _read_chain(self, first: list[Item]) -> None:
        left, chain = first, [first]
        try:
            while self._at_arrow():
                right, following = self._read_step(left)
                chain.append(right)
                left = following
                if following is not right:
                    self.statement += 1
                    _name_repeated_ops(chain)
                    chain = [left]
        finally:
            _name_repeated_ops(chain)
        self._end_chain()

    def _read_step(self, left: list[Item]) -> tuple[list[Item], list[Item]]:
        """Read an arrow and what it leads to: the group, and the group where the next step starts.

        They differ where a node stands twice between two arrows: it ends one edge and begins the
        next.
        """
        lexer = self.lexer
        is_back, arrow = lexer.kind == "back", (lexer.start, lexer.end)
        lexer.advance()
        if lexer.at("newline"):
            self._go_on(left, arrow)
        right = self._read_group(after=arrow)
        following = right
        if len(right) == 2 and _is_same(*right) and self._at_arrow():
            right, following = right[:1], right[1:]
        sources, targets = (right, left) if is_back else (left, right)
        self._link(sources, targets)
        return right, following

    def _go_on(self, left: list[Item], arrow: tuple[int, int]) -> None:
        """Go to the next line behind an arrow; the node before it is not what it leads to."""
        lexer, at_end = self.lexer, self.lexer.place()
        lexer.skip_newlines()
        if lexer.kind == "eof" or (lexer.kind == "word" and left[-1].text == lexer.value):
            behind = lexer.text[arrow[0] : arrow[1]]
            raise ParseError(
                f"expected a name after {behind!r}, received the end of the line", place=at_end
            )

    def _at_arrow(self) -> bool:
        """Whether the chain goes on, here or at the beginning of a following line."""
        lexer = self.lexer
        if lexer.kind == "newline" and lexer.continues():
            lexer.skip_newlines()
        return lexer.kind in ("arrow", "back")

    def _link(self, sources: list[Item], targets: list[Item]) -> None:
        links = self.draft.links
        if len(links) + len(sources) * len(targets) > MOST_LINKS:
            raise ParseError(f"more than {MOST_LINKS:,} edges", where=self.source.name)
        number = self.statement
        links.extend([Link(source, target, number) for target in targets for source in sources])

    def _end_chain(self) -> None:
        lexer = self.lexer
        if lexer.kind not in ("newline", "end", "eof", "word", "string"):
            self._refuse_token()

    def _refuse_token(self) -> NoReturn:
        lexer = self.lexer
        if lexer.kind == "undirected":
            raise ParseError(
                f"an edge needs a direction, received {lexer.value!r}",
                place=lexer.place(),
                hint="write ->",
            )
        raise ParseError(
            f"expected an arrow, ',' or the end of the line, received {lexer.described()}",
            place=lexer.place(),
            hint="a name with marks or blanks in it is written in quotes",
        )

    # Names without an arrow --------------------------------------------------------------------

    def _ends_list(self, items: list[Item]) -> bool:
        """Whether the statement was one definition, done with where it ends."""
        if all(item.is_plain for item in items) and len(items) == 1 and items[0].label is None:
            return False
        if len(items) > 1 and any(item.is_plain for item in items):
            return False
        if self.lexer.kind in ("word", "string") and items[-1].is_plain:
            return False
        self._end_chain()
        return True

    def _read_list(self, items: list[Item]) -> None:
        """Names without an arrow: a row of a table, a lone node, or a sentence."""
        lexer = self.lexer
        if lexer.kind == "undirected":
            self._refuse_token()
        del self.draft.items[-len(items) :]
        if len(self.draft.lists) >= MOST_LINKS:
            raise ParseError(
                f"more than {MOST_LINKS:,} lines without an arrow", where=self.source.name
            )
        if lexer.kind in ("newline", "end", "eof"):
            self.draft.lists.append(items)
            return
        end = lexer.statement_end(lexer.start)
        if arrow := _ARROW.search(lexer.text, lexer.start, end):
            end = _behind_colon(lexer.text, lexer.start, arrow.start()) or self._refuse_token()
        lexer.seek(end)

    # Groups of names ---------------------------------------------------------------------------

    def _read_group(
        self, *, is_first: bool = False, after: tuple[int, int] | None = None
    ) -> list[Item]:
        """Names joined by commas; empty where the words before a colon were all there is."""
        lexer, items = self.lexer, list[Item]()
        begin, may_head = len(self.draft.items), is_first
        while True:
            self._expect_name(after)
            item = read_item(lexer, may_head=may_head, is_chain=not is_first)
            if item.otherwise is not None or item.words == 0:
                del self.draft.items[begin:]
                items.clear()
            if item.words == 0:
                self.draft.headings.append(item)
                return []
            items.append(item)
            self.draft.items.append(item)
            may_head = is_first and ((may_head and len(items) > 1) or item.words > 1)
            if lexer.kind != "comma":
                return items
            if len(items) >= MOST_ITEMS:
                raise ParseError(f"more than {MOST_ITEMS:,} names in a row", place=lexer.place())
            after = (lexer.start, lexer.end)
            lexer.advance()
            if self.separator == "":
                lexer.skip_newlines()

    def _expect_name(self, after: tuple[int, int] | None) -> None:
        lexer = self.lexer
        if lexer.kind in ("word", "string"):
            return
        if lexer.kind == "bad" and lexer.value in "\"'`“":
            raise ParseError("the quote is not closed", place=lexer.place())
        behind = f" after {lexer.text[after[0] : after[1]]!r}" if after else ""
        raise ParseError(
            f"expected a name{behind}, received {lexer.described()}", place=lexer.place()
        )

    # After an error ------------------------------------------------------------------------------

    def _recover(self, started: int, place: Place) -> None:
        """Go behind the statement; a bracket left open ends with the line before the error."""
        lexer, text = self.lexer, self.source.text
        line = text.rfind("\n", max(started, place.start), lexer.start) + 1
        if line and lexer.start - line < MOST_LOST:
            end = line - 1
        else:
            end = lexer.statement_end(max(lexer.start, place.start))
        self._lose(started, end)
        lexer.seek(end)
        while lexer.kind == "newline" and text[lexer.end : lexer.end + 1] in (")", "]", "}", "）"):
            lexer.seek(lexer.statement_end(lexer.end))

    def _lose(self, start: int, end: int) -> None:
        """Note the words of a stretch that is passed over: nothing is known of their edges."""
        if not self.findings.are_enough:
            stretch = self.source.text[start : min(end, start + MOST_LOST)]
            self.draft.lost.update(match[0] for match in _WORD.finditer(stretch))


def _behind_colon(text: str, start: int, end: int) -> int:
    """Where a sentence ends with a colon before an arrow; 0 if it does not."""
    return max(text.rfind(mark, start, end) for mark in ":：") + 1


def _is_same(first: Item, second: Item) -> bool:
    return first.text == second.text and first.is_plain and second.is_plain


def _name_repeated_ops(chain: list[list[Item]]) -> None:
    """An op's name that stands in a chain more than once is a new node each time."""
    if len(chain) < 3:
        return
    texts = [item.text for group in chain for item in group]
    if len(set(texts)) == len(texts):
        return
    groups = ({item.text for item in group if item.is_plain and not item.quoted} for group in chain)
    counts = Counter(text for group in groups for text in group)
    for group in chain:
        for item in group:
            if counts[item.text] > 1 and item.is_plain and item.label is None:
                item.is_call = find(item.text) is not None and not item.quoted
