"""A story as plain data, for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from opgraph.render.story.infix import infix
from opgraph.story import Catalogue, Item, Picture, Sentence, Story, Table, Worked


def story_data(story: Story, catalogue: Catalogue) -> dict[str, Any]:
    """A story as lists, texts and numbers."""
    verdicts = [check.verdict for *_, check in story.checks()]
    return {
        "step": story.step,
        "example": story.example,
        "verified": story.verified,
        "language": catalogue.language,
        "checks": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "phases": [
            {
                "phase": phase.name,
                "blocks": [
                    {"name": block.name, "op": block.kind, "items": _items(block.items, catalogue)}
                    for block in phase.blocks
                ],
            }
            for phase in story.phases
        ],
    }


def _items(items: tuple[Item, ...], catalogue: Catalogue) -> list[dict[str, Any]]:
    return [_item(item, catalogue) for item in items if not isinstance(item, Picture)]


def _item(item: Item, catalogue: Catalogue) -> dict[str, Any]:
    match item:
        case Sentence():
            return {"sentence": catalogue.text(item), "key": item.key}
        case Worked():
            check = (
                None
                if item.check is None
                else {k: _number(v) for k, v in asdict(item.check).items()}
            )
            formula = None if item.formula is None else infix(item.formula)
            numbers = infix(item.numbers, item.digits[0])
            return {
                "name": item.name,
                "formula": formula,
                "numbers": numbers,
                "value": _number(item.value),
                "check": check,
            }
        case Table():
            rows = [
                [catalogue.text(c) if isinstance(c, Sentence) else _number(c) for c in row]
                for row in item.rows
            ]
            return {
                "table": catalogue.text(item.title),
                "columns": [catalogue.text(c) for c in item.columns],
                "rows": rows,
            }
        case Picture():
            return {}


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
