"""Everything that the page holds, as plain data: graph, numbers, histograms, colours and words.

Puts together what the other modules of this package find; computes nothing about networks.
"""

from __future__ import annotations

from math import prod
from typing import Any

from opgraph.analysis import Analysis
from opgraph.record import Record
from opgraph.render.heat import heat_colour, heat_ink
from opgraph.render.report.facts import nodes_data, run_data, totals_data
from opgraph.render.report.histograms import histogram_data
from opgraph.render.report.numbers import Grids, numbers_data, read_numbers
from opgraph.render.report.panels import choose_panels
from opgraph.render.report.picture import Pictures
from opgraph.render.report.silent import silent_channels
from opgraph.render.report.words import LANGUAGES, read_words
from opgraph.render.scale import LEVELS, NONE, NONFINITE, ZERO
from opgraph.render.theme import THEMES


def page_content(record: Record, analysis: Analysis, pictures: Pictures) -> dict[str, Any]:
    """The data of the page.

    Raises:
        RunError: a part of the run is damaged.
    """
    nodes = {name: number for number, name in enumerate(analysis.facts)}
    # A training may be under way: all of the page is about the same steps.
    steps = range(record.info.first_step + 1, record.last_step + 1)
    measured, grids = read_numbers(record, steps), Grids()
    silent = silent_channels(record, steps, _activations(analysis))
    measured += [silent] if silent is not None else []
    panels = choose_panels(record.survey, [one.quantity.full_name for one in measured])
    boxes = {
        which: [[nodes[name] for name in inside] for inside in found]
        for which, found in pictures.boxes.items()
    }
    return {
        "run": run_data(record.info, record.path, steps),
        "nodes": nodes_data(analysis),
        "totals": totals_data(analysis),
        "quantities": numbers_data(measured, grids, nodes, _sizes(record)),
        "grids": grids.rows,
        "histograms": histogram_data(record, steps, nodes),
        "panels": [[panel.key, list(panel.names)] for panel in panels],
        "boxes": boxes,
        "colours": {name: _colours(name) for name in ("light", "dark")},
        "words": {language: read_words(language) for language in LANGUAGES},
    }


def _activations(analysis: Analysis) -> list[str]:
    facts = analysis.facts.items()
    return [name for name, about in facts if about.node.kind.category == "activation"]


def _sizes(record: Record) -> dict[str, int]:
    """Elements of each weight, by the name of its site."""
    return {
        f"{site.node}/{site.weight}": prod(dim or 1 for dim in site.shape)
        for site in record.survey.of("weight")
    }


def _colours(name: Any) -> dict[str, Any]:
    """The colours of scales in a theme, each with the ink that can be read on it."""
    theme = THEMES[name]
    ramps = {
        ramp: [
            [heat_colour(theme, f"{ramp}{n}"), heat_ink(theme, f"{ramp}{n}")] for n in range(LEVELS)
        ]
        for ramp in ("m", "s")
    }
    single = {
        level: [heat_colour(theme, level), heat_ink(theme, level)]
        for level in (ZERO, NONE, NONFINITE)
    }
    roles = {
        role: getattr(theme, role) for role in ("background", "surface", "border", "text", "muted")
    }
    return {**ramps, **single, **roles, "lines": list(_lines(name))}


def _lines(name: Any) -> tuple[str, ...]:
    from opgraph.render.curves.style import STYLES

    return STYLES[name].colours
