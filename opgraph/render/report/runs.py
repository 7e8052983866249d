"""The list of runs that a reader of the served pages begins with."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from opgraph.record import RunSummary
from opgraph.render.page import document, escape
from opgraph.render.report.facts import shown_name
from opgraph.render.report.words import read_words
from opgraph.render.wording import figure_text

STYLE = "th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}\n"


def runs_page(runs: Sequence[RunSummary], lang: str) -> str:
    """All runs as a page, each with a link to its report.

    Args:
        runs: newest first.
        lang: `en` or `zh`.
    """
    words = read_words(lang)
    heads = "".join(
        f"<th>{escape(words[key])}</th>"
        for key in ("runs.run", "runs.status", "card.steps", "card.accuracy", "card.test_loss")
    )
    rows = "".join(_row(run, words) for run in runs)
    table = f'<div class="scroll"><table><tr>{heads}</tr>{rows}</table></div>'
    body = table if runs else f"<p>{escape(words['runs.none'])}</p>"
    title = words["runs.title"]
    page = f"<main><h1>{escape(title)}</h1>{body}</main>"
    return document(title, page, lang=lang, style=STYLE)


def _row(run: RunSummary, words: dict[str, str]) -> str:
    name = escape(shown_name(run.name))
    link = f'<a href="run/{quote(run.name)}/">{name}</a>' if run.steps is not None else name
    figures = ("" if one is None else figure_text(one) for one in (run.accuracy, run.loss))
    steps = "" if run.steps is None else f"{run.steps:,}"
    status = words.get(f"status.{run.status}", run.status)
    cells = (link, escape(status), steps, *figures)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
