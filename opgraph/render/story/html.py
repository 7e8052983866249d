"""A story as a page: contents, phases, blocks that fold; formulas as MathML, maps as SVG.

Owns what stands where on the page; how a formula is written is `mathml`'s to know, how a map is
drawn `window`'s, the document around it `page`'s. It is read without a script.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from opgraph.ops import find
from opgraph.render.page import document, escape
from opgraph.render.page.style import read_style
from opgraph.render.story.infix import infix
from opgraph.render.story.mathml import mathml
from opgraph.render.story.text import MARKS, cell_text, summary
from opgraph.render.story.window import WindowMap, window_svg
from opgraph.story import (
    Block,
    Catalogue,
    Cell,
    Check,
    Expr,
    Item,
    Num,
    Phase,
    Picture,
    Sentence,
    Story,
    Table,
    Worked,
    numeral,
    say,
)
from opgraph.story.numerals import USUAL

FEW = 3  # so many blocks of a phase are all open; of more, the first one
EXPONENT = re.compile(r"(?<=\d)\^(−?\w+)")
OPENED = ("", ' open=""')  # written so that the page is XML, too
DIGITS = re.compile(r"[#−\d]|$")
READING = ("opening.checks", "opening.rest")


def to_html(story: Story, catalogue: Catalogue, figures: Sequence[str] = ()) -> str:
    """A story as one self-contained page.

    Args:
        story: what is told.
        catalogue: the language.
        figures: HTML that stands before the first phase, such as the picture of the network.
    """
    title = catalogue.text(story.title or say("page.title", step=story.step))
    parts = [
        '<main class="story">',
        f"<h1>{escape(title)}</h1>",
        *_opening(story, catalogue),
        *figures,
        *_contents(story, catalogue),
        *_phases(story, catalogue),
        "</main>",
    ]
    return document(title, "\n".join(parts), lang=catalogue.language, style=read_style("story"))


def folded(title: str, body: str, kind: str = "", is_open: bool = False) -> str:
    """HTML under a title that it can be folded away to.

    Args:
        title: any text.
        body: HTML.
        kind: class of the element.
        is_open: whether it is unfolded to begin with.
    """
    return (
        f'<details class="{kind}"{OPENED[is_open]}><summary>{escape(title)}</summary>\n'
        f"{body}\n</details>"
    )


def _opening(story: Story, catalogue: Catalogue) -> Iterator[str]:
    verdict = "disagrees" if story.defects or not story.verified else "agrees"
    words = escape(summary(story, catalogue))
    yield f'<p class="summary {verdict}">{_mark(verdict)} {words}</p>'
    reading = [x for x in story.opening if isinstance(x, Sentence) and x.key in READING]
    for item in story.opening:
        if item not in reading:
            yield from _item(item, catalogue)
    if reading:
        body = "\n".join(line for item in reading for line in _item(item, catalogue))
        yield folded(catalogue["page.reading"], body, "aside")


def _contents(story: Story, catalogue: Catalogue) -> Iterator[str]:
    yield f'<nav aria-label="{escape(catalogue["page.contents"])}">'
    yield f'<p class="heading">{escape(catalogue["page.contents"])}</p>\n<ol>'
    for phase in story.phases:
        first = {block.name: number for number, block in reversed([*enumerate(phase.blocks, 1)])}
        names = (
            ""
            if len(first) == 1
            else " ".join(
                f'<a href="#{phase.name}-{number}">{escape(name)}</a>'
                for name, number in reversed(first.items())
            )
        )
        title = escape(catalogue[f"phase.{phase.name}"])
        yield f'<li><a class="phase" href="#{phase.name}">{title}</a> {names}</li>'
    yield "</ol>\n</nav>"


def _phases(story: Story, catalogue: Catalogue) -> Iterator[str]:
    places: dict[str, dict[str, str]] = {}
    for phase in story.phases:
        for number, block in enumerate(phase.blocks, 1):
            places.setdefault(block.name, {}).setdefault(phase.name, f"{phase.name}-{number}")
    for number, phase in enumerate(story.phases, 1):
        yield from _phase(number, phase, catalogue, places)


def _phase(
    number: int, phase: Phase, catalogue: Catalogue, places: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    yield f'<section id="{phase.name}">'
    yield f"<h2>{number}. {escape(catalogue[f'phase.{phase.name}'])}</h2>"
    if not phase.blocks:
        yield f'<p class="muted">{escape(catalogue["page.nothing"])}</p>'
    for place, block in enumerate(phase.blocks, 1):
        is_open = place == 1 or len(phase.blocks) <= FEW
        others = {name: ident for name, ident in places[block.name].items() if name != phase.name}
        links = _elsewhere(others, catalogue) if others and len(phase.blocks) > 1 else ""
        yield from _block(f"{phase.name}-{place}", block, catalogue, is_open, links)
    yield "</section>"


def _elsewhere(places: Mapping[str, str], catalogue: Catalogue) -> str:
    """Links to what other phases tell of a node."""
    links = (
        f'<a href="#{ident}">{escape(catalogue[f"phase.{name}"])}</a>'
        for name, ident in places.items()
    )
    return f'<p class="also">{escape(catalogue["page.elsewhere"])} {" · ".join(links)}</p>'


def _block(
    ident: str, block: Block, catalogue: Catalogue, is_open: bool, links: str = ""
) -> Iterator[str]:
    """A block; its anchor is inside, so that a browser that is sent there unfolds it."""
    kind = find(block.kind)
    category = "opaque" if kind is None else kind.category
    style = f"border-left-color:var(--bar-{category})"
    yield f'<details class="block" style="{style}"{OPENED[is_open]}>'
    words = [f"<b>{escape(block.name)}</b>"]
    words += [f"<span>{escape(word)}</span>" for word in (block.kind, block.label) if word]
    yield f"<summary><h3>{' '.join(words)}</h3>{_tally(block, catalogue)}</summary>"
    yield f'<div id="{ident}">'
    for item in block.items:
        yield from _item(item, catalogue)
    yield f"{links}</div>\n</details>"


def _tally(block: Block, catalogue: Catalogue) -> str:
    """How many numbers of a block agree, by sign and word."""
    verdicts = [check.verdict for _, check in block.checks]
    if not verdicts:
        return ""
    agreed = verdicts.count("agrees")
    worst = next((v for v in ("disagrees", "tie") if v in verdicts), "agrees")
    words = catalogue.text(say("page.agreed", agreed=agreed, all=len(verdicts)))
    return f'<span class="tally {worst}">{_mark(worst)} {escape(words)}</span>'


def _mark(verdict: str) -> str:
    return f'<span class="sign">{MARKS[verdict]}</span>'


def _item(item: Item, catalogue: Catalogue) -> Iterator[str]:
    match item:
        case Sentence():
            yield f"<p>{_said(item, catalogue)}</p>"
        case Worked():
            yield from _worked(item, catalogue)
        case Table():
            yield from _table(item, catalogue)
        case Picture():
            yield _picture(item, catalogue)


def _said(sentence: Sentence, catalogue: Catalogue) -> str:
    """A sentence; the names in it can be told from its words, and exponents are raised."""
    told = "".join(
        f"<code>{escape(text)}</code>" if is_name else escape(text)
        for text, is_name in catalogue.pieces(sentence)
    )
    return EXPONENT.sub(r"<sup>\1</sup>", told)


def _worked(line: Worked, catalogue: Catalogue) -> Iterator[str]:
    """Name, formula, the formula with numbers, result: aligned on the equals sign."""
    digits, shown = line.digits
    yield f'<div class="worked">\n<code>{escape(line.name)}</code>'
    if line.formula is not None:
        yield _equals("formula", mathml(line.formula, USUAL))
    result = numeral(line.value, shown)
    if infix(line.numbers, digits) != result:
        yield _equals("numbers", mathml(line.numbers, digits))
    check = "" if line.check is None else _check(line.check, catalogue)
    yield _equals("result", mathml(Num(line.value), shown) + check)
    yield "</div>"


def _equals(kind: str, right: str) -> str:
    return f'<div class="{kind}"><math><mo>=</mo></math><div>{right}</div></div>'


def _check(check: Check, catalogue: Catalogue) -> str:
    """What the training recorded, what was computed independently, and whether they agree."""
    known = [
        f"{escape(catalogue[f'page.{name}'])} <b class='{name}'>{numeral(value, 9)}</b>"
        for name, value in (("recorded", check.recorded), ("independent", check.independent))
        if value is not None
    ]
    if check.difference is not None:
        known += [
            f"{escape(catalogue[f'page.{name}'])} <b class='{name}'>{numeral(value, 2)}</b>"
            for name, value in (("difference", check.difference), ("allowed", check.tolerance))
        ]
    verdict = f"{_mark(check.verdict)} {escape(catalogue[f'verdict.{check.verdict}'])}"
    known.append(f'<span class="{check.verdict}">{verdict}</span>')
    return f'<p class="check">{" ".join(f"<span>{part}</span>" for part in known)}</p>'


def _table(table: Table, catalogue: Catalogue) -> Iterator[str]:
    yield f"<figure>\n<figcaption>{_said(table.title, catalogue)}</figcaption>"
    kinds = [_side([row[at] for row in table.rows]) for at in range(len(table.columns))]
    heads = (catalogue.text(column) for column in table.columns)
    yield f"<div class='scroll'><table><thead>{_cells('th', kinds, heads)}</thead>\n<tbody>"
    for row in table.rows:
        yield _cells("td", kinds, (cell_text(cell, catalogue) for cell in row))
    yield "</tbody></table></div>\n</figure>"


def _side(cells: Sequence[Cell]) -> str:
    """Words begin at the left, numbers end at the right."""
    is_words = any(not isinstance(cell, float) and not DIGITS.match(str(cell)) for cell in cells)
    return ' class="words"' if is_words else ""


def _cells(tag: str, kinds: Sequence[str], texts: Iterable[str]) -> str:
    cells = (f"<{tag}{k}>{escape(t)}</{tag}>" for k, t in zip(kinds, texts, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _picture(picture: Picture, catalogue: Catalogue) -> str:
    """A map with its window, and in words what is drawn."""
    drawn = WindowMap(picture)
    sentences = [picture.title]
    if drawn.channels > 1:
        sentences.append(say("page.averaged", channels=drawn.channels))
    if drawn.has_nonfinite:
        sentences.append(say("page.nonfinite"))
    between = "" if catalogue.language == "zh" else " "
    told = between.join(_said(sentence, catalogue) for sentence in sentences)
    drawing = window_svg(drawn, catalogue.text(picture.title))
    return f"<figure>\n{drawing}\n<figcaption>{told}</figcaption>\n</figure>"


# For other pages ----------------------------------------------------------------------------------


def items_html(items: Iterable[Item], catalogue: Catalogue) -> list[str]:
    """Sentences, formulas, tables and pictures as HTML."""
    return [line for item in items for line in _item(item, catalogue)]


def opening_html(story: Story, catalogue: Catalogue) -> list[str]:
    """How many numbers agree, and what is said before the first phase."""
    return list(_opening(story, catalogue))


def block_html(
    ident: str,
    block: Block,
    catalogue: Catalogue,
    is_open: bool,
    others: Mapping[str, str] | None = None,
) -> list[str]:
    """A block that can be folded away.

    Args:
        ident: its anchor.
        block: what is told.
        catalogue: the language.
        is_open: whether it is unfolded to begin with.
        others: anchors of what other phases tell of the same node, by phase.
    """
    links = _elsewhere(others, catalogue) if others else ""
    return list(_block(ident, block, catalogue, is_open, links))


def formula_html(formula: Expr) -> str:
    """A formula in symbols, behind an equals sign."""
    return _equals("formula", mathml(formula, USUAL))
