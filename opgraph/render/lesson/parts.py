"""The parts of a lesson's page: a node, what is given for a question, its answer."""

from __future__ import annotations

from opgraph.ops import find
from opgraph.render.page import escape
from opgraph.render.story import folded, formula_html, items_html
from opgraph.story import Catalogue, numeral, say
from opgraph.story.lesson import NodePart, Question

PLACE = "at"  # the index of an element, which the question says
SHOWN = 64  # given numbers up to which the page shows them itself


def node_html(part: NodePart, catalogue: Catalogue) -> str:
    """What one node does, with its formula and how many numbers it learns."""
    kind = find(part.kind)
    category = "opaque" if kind is None else kind.category
    words = [f"<span>{escape(word)}</span>" for word in (part.kind, part.label) if word]
    rows = [
        f'<article class="node" style="border-left-color:var(--bar-{category})">',
        f"<h3><b>{escape(part.name)}</b> {' '.join(words)}</h3>",
        *items_html(part.said, catalogue),
    ]
    if part.formula is not None:
        name = f"<code>{escape(part.name)}.output</code>"
        rows.append(f'<div class="worked">{name}{formula_html(part.formula)}</div>')
    if part.params is not None:
        rows += items_html((part.params,), catalogue)
    return "\n".join([*rows, "</article>"])


def given_html(number: int, question: Question, catalogue: Catalogue, file: str) -> str:
    """The given numbers, or where they stand if they are many; none if the question says them."""
    if question.says_all:
        return ""
    given = {name: x for name, x in question.given.items() if name.partition("[")[0] != PLACE}
    if len(given) > SHOWN:
        many = say("page.lesson_many", count=len(given), file=file, number=number)
        return "\n".join(items_html((many,), catalogue))
    pairs = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(_shown(value))}</dd></div>"
        for name, value in given.items()
    )
    return f'<p class="muted">{escape(catalogue["page.lesson_given"])}</p><dl>{pairs}</dl>'


def _shown(value: float | int | str) -> str:
    return value if isinstance(value, str) else numeral(float(value))


def answer_html(question: Question, catalogue: Catalogue) -> str:
    """The answer, folded away."""
    body = "\n".join(items_html(question.answer, catalogue))
    return folded(catalogue["page.lesson_answer"], body, "answer")
