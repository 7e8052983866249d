"""A story as Markdown that is read well as it is: formulas in code blocks, tables as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opgraph.render.story.infix import infix, parts, split
from opgraph.render.story.text import MARKS, cell_text, summary
from opgraph.story import (
    Catalogue,
    Check,
    Item,
    Picture,
    Sentence,
    Story,
    Table,
    Worked,
    numeral,
    say,
)

BREAK = 96


def to_markdown(story: Story, catalogue: Catalogue) -> str:
    """A story as Markdown."""
    return "\n".join(_lines(story, catalogue)) + "\n"


def _lines(story: Story, catalogue: Catalogue) -> Iterator[str]:
    yield f"# {catalogue.text(story.title or say('page.title', step=story.step))}"
    yield f"\n{escaped(summary(story, catalogue))}\n"
    for item in story.opening:
        yield from _item(item, catalogue)
    for number, phase in enumerate(story.phases, 1):
        yield f"## {number}. {catalogue[f'phase.{phase.name}']}\n"
        if not phase.blocks:
            yield catalogue["page.nothing"] + "\n"
        for block in phase.blocks:
            words = " · ".join(escaped(w) for w in (block.name, block.kind, block.label) if w)
            yield f"### {words}\n"
            for item in block.items:
                yield from _item(item, catalogue)


def _item(item: Item, catalogue: Catalogue) -> Iterator[str]:
    match item:
        case Sentence():
            yield escaped(catalogue.text(item)) + "\n"
        case Worked():
            yield "\n".join(("```text", *_worked(item, catalogue), "```\n"))
        case Table():
            yield from _table(item, catalogue)
        case Picture():
            return


def _worked(line: Worked, catalogue: Catalogue) -> Iterator[str]:
    digits, shown = line.digits
    yield line.name
    if line.formula is not None:
        yield f"  = {infix(line.formula)}"
    result = numeral(line.value, shown)
    if infix(line.numbers, digits) != result:
        yield from _broken(parts(line.numbers, digits))
    yield f"  = {result}"
    if line.check is not None:
        yield f"    {check_text(line.check, catalogue)}"


def _broken(pieces: list[str]) -> Iterator[str]:
    start, row = "  = ", ""
    for piece in split(pieces, BREAK):
        if row and len(row) + len(piece) > BREAK:
            yield start + row
            start, row = "    ", piece.lstrip()
        else:
            row += piece
    yield start + row


def check_text(check: Check, catalogue: Catalogue) -> str:
    """What a number was compared with, and how it came out, in one line."""
    words = [
        f"{catalogue[f'page.{name}']} {numeral(value, digits)}"
        for name, value, digits in (
            ("recorded", check.recorded, 9),
            ("independent", check.independent, 9),
            ("difference", check.difference, 2),
            ("allowed", check.tolerance, 2),
        )
        if value is not None
    ]
    return ", ".join([*words, f"{MARKS[check.verdict]} {catalogue[f'verdict.{check.verdict}']}"])


def _table(table: Table, catalogue: Catalogue) -> Iterator[str]:
    yield escaped(catalogue.text(table.title)) + "\n"
    yield "| " + " | ".join(escaped(catalogue.text(column)) for column in table.columns) + " |"
    yield "|" + " ---: |" * len(table.columns)
    for row in table.rows:
        yield "| " + " | ".join(escaped(cell_text(cell, catalogue)) for cell in row) + " |"
    yield ""


def escaped(text: str) -> str:
    """A text in which Markdown sees no marks of its own."""
    return re.sub(r"([\\`*_<>|#])", r"\\\1", text)
