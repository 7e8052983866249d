"""The small rounded tag that stands for a long line."""

from __future__ import annotations

from collections.abc import Sequence

from opgraph.render.cleaning import clean
from opgraph.render.layout import Point
from opgraph.render.metrics import shorten, text_width
from opgraph.render.scene import Group, Rect, Text
from opgraph.render.stubs import TAG_HEIGHT, Tag
from opgraph.render.theme import TYPE

TAG_WIDTH = 110.0
MOST_LISTED = 20


def set_tag(tag: Tag, names: Sequence[str], corner: Point) -> Group:
    """A tag with the name of the other end, and a link to it."""
    sources = [names[source] for source in tag.sources]
    readers = [names[reader] for reader in tag.readers]
    if tag.is_start:
        text, goal = f"→ {_who(readers)}", tag.readers[0]
    else:
        text, goal = f"{_who(sources)} →", tag.sources[0]
    size, bold, _, _ = TYPE["shape"]
    short = shorten(clean(text), TAG_WIDTH - 16, size, bold)
    width = text_width(short, size, bold)
    return Group(
        (
            Rect(0.0, 0.0, TAG_WIDTH, TAG_HEIGHT, "tag", TAG_HEIGHT / 2),
            Text((TAG_WIDTH - width) / 2, 12.5, short, "shape", width),
        ),
        at=corner,
        kind="stub",
        title=f"{_listed(sources)} → {_listed(readers)}",
        href=f"n{goal}",
    )


def _who(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} nodes"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more
