"""A story on a terminal: right at 80 columns, good at 120.

Owns margins, line breaks and the place of the check mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from opgraph.render.story.infix import parts, split
from opgraph.story import (
    Block,
    Catalogue,
    Check,
    Expr,
    Item,
    Picture,
    Sentence,
    Story,
    Table,
    Worked,
    numeral,
    say,
)
from opgraph.story.numerals import USUAL

MARKS = {"agrees": "✓", "tie": "~", "disagrees": "✗", "unchecked": " "}
MARGIN, DEEP = "  ", "    "
NARROW, WIDE = 80, 120
# Chinese characters and punctuation stand alone; everything else is a word up to the next blank.
_PIECES = re.compile(
    r"[\u2e80-\u9fff\uff00-\uffef“”][，。；：！？、）”]*|[^\s\u2e80-\u9fff\uff00-\uffef“”]+[，。；：！？、）”]*|\s+"
)


def to_text(story: Story, catalogue: Catalogue, width: int = NARROW) -> str:
    """A story as text.

    Args:
        story: what is told.
        catalogue: the language.
        width: columns of the terminal.
    """
    return "\n".join(_lines(story, catalogue, max(NARROW, min(width, WIDE)))) + "\n"


def _lines(story: Story, catalogue: Catalogue, width: int) -> Iterator[str]:
    yield catalogue.text(story.title or say("page.title", step=story.step))
    yield from wrap(summary(story, catalogue), width, "")
    yield ""
    for item in story.opening:
        yield from _item(item, catalogue, width)
    for number, phase in enumerate(story.phases, 1):
        yield ""
        yield f"{number}  {catalogue[f'phase.{phase.name}']}"
        yield "─" * width
        if not phase.blocks:
            yield MARGIN + catalogue["page.nothing"]
        for block in phase.blocks:
            yield from _block(block, catalogue, width)


def summary(story: Story, catalogue: Catalogue) -> str:
    """How many numbers agree, and whether the step is proved, in one line."""
    verdicts = [check.verdict for *_, check in story.checks()]
    words = [catalogue.text(say("page.agreed", agreed=verdicts.count("agrees"), all=len(verdicts)))]
    for verdict, key in (("tie", "page.ties"), ("disagrees", "page.defects")):
        if verdict in verdicts:
            words.append(catalogue.text(say(key, count=verdicts.count(verdict))))
    proved = "page.verified" if story.title is None else "page.all_verified"
    proof = proved if story.verified else "page.unverified"
    stop, comma = ("。", "，") if catalogue.language == "zh" else (". ", ", ")
    return comma.join(words) + stop + catalogue[proof]


def _block(block: Block, catalogue: Catalogue, width: int) -> Iterator[str]:
    yield ""
    yield "  ".join(word for word in (block.name, block.kind, block.label) if word)
    for item in block.items:
        yield from _item(item, catalogue, width)


def _item(item: Item, catalogue: Catalogue, width: int) -> Iterator[str]:
    match item:
        case Sentence():
            yield from wrap(catalogue.text(item), width, MARGIN)
        case Worked():
            yield from _worked(item, catalogue, width)
        case Table():
            yield from _table(item, catalogue, width)
        case Picture():
            return


def _worked(line: Worked, catalogue: Catalogue, width: int) -> Iterator[str]:
    digits, shown = line.digits
    yield f"{DEEP}{line.name}"
    if line.formula is not None:
        yield from _equation(line.formula, USUAL, width)
    result = numeral(line.value, shown)
    if "".join(parts(line.numbers, digits)) != result:
        yield from _equation(line.numbers, digits, width)
    yield f"{DEEP}  = {result}"
    if line.check is not None:
        yield _check(line.check, catalogue, width)


def _equation(expression: Expr, digits: int, width: int) -> Iterator[str]:
    """An equals sign and what follows, broken before the signs of a sum."""
    room = width - len(DEEP) - 4
    row = ""
    start = f"{DEEP}  = "
    for piece in split(parts(expression, digits), room):
        if row and cell_len(row + piece) > room:
            yield start + row
            start, row = f"{DEEP}    ", piece.lstrip()
        else:
            row += piece
    yield start + row


def _check(check: Check, catalogue: Catalogue, width: int) -> str:
    left = "  ".join(
        f"{catalogue[f'page.{name}']} {numeral(value, 9)}"
        for name, value in (("recorded", check.recorded), ("independent", check.independent))
        if value is not None
    )
    mark = MARKS[check.verdict]
    if check.verdict != "agrees":
        mark += " " + catalogue[f"verdict.{check.verdict}"]
    if check.difference is not None:
        mark += f" {numeral(check.difference, 2)} (± {numeral(check.tolerance, 2)})"
    room = width - len(DEEP) - 4 - cell_len(left)
    return f"{DEEP}    {left}{' ' * max(2, room - cell_len(mark))}{mark}"


def _table(table: Table, catalogue: Catalogue, width: int) -> Iterator[str]:
    yield from wrap(catalogue.text(table.title), width, MARGIN)
    rows = [[catalogue.text(column) for column in table.columns]]
    rows += [[cell_text(cell, catalogue) for cell in row] for row in table.rows]
    widths = [max(cell_len(row[at]) for row in rows) for at in range(len(table.columns))]
    for row in rows:
        cells = [
            " " * (size - cell_len(cell)) + cell for cell, size in zip(row, widths, strict=True)
        ]
        yield DEEP + "  ".join(cells)


def cell_text(cell: float | str | Sentence, catalogue: Catalogue) -> str:
    """A cell of a table."""
    if isinstance(cell, Sentence):
        return catalogue.text(cell)
    return cell if isinstance(cell, str) else numeral(cell, 5)


def wrap(text: str, width: int, margin: str) -> Sequence[str]:
    """Break a text into lines; Chinese may be broken between any two characters."""
    rows, row = [], ""
    for piece in _PIECES.findall(text):
        if cell_len(margin + row + piece.rstrip()) > width and row.strip():
            rows.append(margin + row.rstrip())
            row = ""
        row += piece if row or not piece.isspace() else ""
    return [*rows, margin + row.rstrip()] if row.strip() else rows
