"""The report as one HTML document: its pictures, its data, its script.

Owns what stands in the file; what the reader then sees is made by the script in `assets`.
"""

from __future__ import annotations

import re
from importlib.resources import files

from opgraph.analysis import Analysis
from opgraph.record import Record
from opgraph.render.page import document, escape
from opgraph.render.report.content import page_content
from opgraph.render.report.facts import shown_name
from opgraph.render.report.library import chart_library
from opgraph.render.report.packing import script_json
from opgraph.render.report.picture import Pictures
from opgraph.render.report.words import read_words

# One after the other they are one script; each says at its head what it owns.
SCRIPTS = (
    *("dom", "store", "charts", "graph", "figures", "measured", "node"),
    *("overview", "layers", "table", "state", "frame", "main"),
)
ENDINGS = re.compile(r"<(?=/script|/style|!--)", re.IGNORECASE)


def report_page(
    record: Record,
    analysis: Analysis,
    *,
    lang: str = "en",
    story: str | None = None,
    served: bool = False,
) -> str:
    """The whole training as one self-contained HTML file.

    Args:
        record: the run.
        analysis: the graph that was trained, and its facts.
        lang: the language that it opens in: `en` or `zh`.
        story: name of a page beside it in which a step is explained, if there is one.
        served: the page comes from `opgraph serve`, and asks there for what has been added.

    Raises:
        MissingDependencyError: the chart library is not installed.
        RunError: a part of the run is damaged.
    """
    library = chart_library()
    pictures = Pictures(analysis)
    content = page_content(record, analysis, pictures) | {"story": story, "served": served}
    name = shown_name(record.path.resolve().name)
    drawn = "".join(
        f'<div class="picture" data-picture="{which}" hidden>{pictures.svg(which)}</div>\n'
        for which in pictures.boxes
    )
    body = (
        f"<noscript>{escape(read_words(lang)['page.noscript'])}</noscript>\n"
        f'<div id="app" data-lang="{escape(lang)}"></div>\n'
        f'<div id="pictures" hidden>\n{drawn}</div>\n'
        f'<script type="application/json" id="content">{script_json(content)}</script>'
    )
    script = f"{library}\n;(() => {{\n'use strict';\n{''.join(map(_asset, SCRIPTS))}}})();\n"
    script = ENDINGS.sub(r"<\\", script)
    return document(name, body, lang=lang, style=_read("report.css"), script=script, served=served)


def report_json(record: Record, analysis: Analysis) -> str:
    """What the page of a run holds, as JSON: a served page takes it in place of what it had.

    Raises:
        RunError: a part of the run is damaged.
    """
    content = page_content(record, analysis, Pictures(analysis))
    return script_json(content | {"story": None, "served": True})


def _asset(name: str) -> str:
    return _read(f"{name}.js")


def _read(name: str) -> str:
    path = files("opgraph.render.report") / "assets" / name
    return path.read_text(encoding="utf-8")
