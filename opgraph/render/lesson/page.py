"""The page of a lesson: the network, its nodes, a step, a later step, questions, a worksheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from opgraph.render.lesson.parts import answer_html, given_html, node_html
from opgraph.render.page import document, escape
from opgraph.render.page.style import read_style
from opgraph.render.story import block_html, items_html, opening_html
from opgraph.story import Catalogue, Story, Table, say
from opgraph.story.lesson import Lesson, Question, program

SECTIONS = ("overview", "nodes", "step", "later", "questions", "worksheet")


class Sheet(NamedTuple):
    """Names of the two files that belong to the page."""

    csv: str = "lesson.csv"
    npz: str = "lesson.npz"


def lesson_html(
    lesson: Lesson, catalogue: Catalogue, figures: Sequence[str] = (), sheet: Sheet | None = None
) -> str:
    """A lesson as one self-contained page.

    Args:
        lesson: what is taught.
        catalogue: the language.
        figures: HTML of pictures of the network and its training.
        sheet: names of the files of given numbers.
    """
    named = sheet or Sheet()
    title = catalogue.text(say("page.lesson_title", name=lesson.title))
    bodies = {
        "overview": _overview(lesson, catalogue, figures),
        "nodes": (node_html(part, catalogue) for part in lesson.nodes),
        "step": [
            *opening_html(lesson.story, catalogue),
            *_step(lesson.story, catalogue, "step"),
        ],
        "later": [
            *items_html(lesson.later.opening, catalogue),
            *_step(lesson.later, catalogue, "later"),
        ],
        "questions": _questions(lesson, catalogue, named),
        "worksheet": _worksheet(lesson, catalogue, named),
    }
    parts = [
        '<main class="story lesson">',
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(catalogue['page.lesson_intro'])}</p>",
        *_contents(lesson, catalogue),
    ]
    for number, section in enumerate(SECTIONS, 1):
        heading = escape(catalogue[f"page.lesson_{section}"])
        parts += [f'<section id="{section}">', f"<h2>{number}. {heading}</h2>"]
        parts += [*bodies[section], "</section>"]
    style = read_style("story") + read_style("lesson")
    body = "\n".join([*parts, "</main>"])
    return document(title, body, lang=catalogue.language, style=style)


def _overview(lesson: Lesson, catalogue: Catalogue, figures: Sequence[str]) -> list[str]:
    """What is said, then the pictures, then the tables."""
    tables = [item for item in lesson.overview if isinstance(item, Table)]
    words = [item for item in lesson.overview if not isinstance(item, Table)]
    return [*items_html(words, catalogue), *figures, *items_html(tables, catalogue)]


def _contents(lesson: Lesson, catalogue: Catalogue) -> Iterator[str]:
    words = escape(catalogue["page.lesson_contents"])
    yield f'<nav aria-label="{words}">\n<p class="heading">{words}</p>\n<ol>'
    for section in SECTIONS:
        title = escape(catalogue[f"page.lesson_{section}"])
        inside = _links(lesson) if section == "questions" else ""
        yield f'<li><a class="phase" href="#{section}">{title}</a> {inside}</li>'
    yield "</ol>\n</nav>"


def _links(lesson: Lesson) -> str:
    numbers = range(1, len(lesson.questions) + 1)
    return " ".join(f'<a href="#question-{number}">{number}</a>' for number in numbers)


def _step(story: Story, catalogue: Catalogue, prefix: str) -> Iterator[str]:
    """The phases of a step; each block leads to what other phases tell of the same node."""
    known = [
        (block.name, phase.name, f"{prefix}-{phase.name}-{number}")
        for phase in story.phases
        for number, block in enumerate(phase.blocks, 1)
    ]
    for phase in story.phases:
        if not phase.blocks:
            continue
        ident = f"{prefix}-{phase.name}"
        yield f'<h3 id="{ident}" class="phase">{escape(catalogue[f"phase.{phase.name}"])}</h3>'
        for number, block in enumerate(phase.blocks, 1):
            others = {p: at for name, p, at in known if name == block.name and p != phase.name}
            yield from block_html(f"{ident}-{number}", block, catalogue, number == 1, others)


def _questions(lesson: Lesson, catalogue: Catalogue, sheet: Sheet) -> Iterator[str]:
    asked = say("page.lesson_asked", step=lesson.later.step, example=lesson.later.example)
    yield from items_html((asked,), catalogue)
    for number, question in enumerate(lesson.questions, 1):
        yield from _question(number, question, catalogue, sheet)


def _question(number: int, question: Question, catalogue: Catalogue, sheet: Sheet) -> Iterator[str]:
    title = escape(catalogue.text(say("page.lesson_question", number=number)))
    words = " · ".join(w for w in (question.node, question.op, question.label) if w)
    yield f'<article class="question" id="question-{number}">'
    yield f"<h3>{title} <span>{escape(words)}</span></h3>"
    yield from items_html((question.asked,), catalogue)
    yield given_html(number, question, catalogue, sheet.csv)
    yield answer_html(question, catalogue)
    yield "</article>"


def _worksheet(lesson: Lesson, catalogue: Catalogue, sheet: Sheet) -> Iterator[str]:
    files = say("page.lesson_files", csv=sheet.csv, npz=sheet.npz)
    yield from items_html((files, say("page.lesson_cell")), catalogue)
    code = program(lesson, sheet.csv, sheet.npz)
    yield f'<pre><code class="language-python">{escape_code(code)}</code></pre>'


def escape_code(text: str) -> str:
    """A program with its line ends; what is in a line is escaped."""
    return "\n".join(escape(line) for line in text.splitlines())
