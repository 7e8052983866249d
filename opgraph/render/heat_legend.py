"""The legend of a coloured picture: what is coloured, its scale with ticks, what has no place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from opgraph.render.card import measure, wrap
from opgraph.render.notes.model import JOINED_WORDS, Annotation, Notes
from opgraph.render.scale import LEVELS, NONE, NONFINITE, ZERO, Scale
from opgraph.render.scene import Group, Item, Rect, Text
from opgraph.render.wording import figure_text

SEGMENT, BAR_HEIGHT, TICK = 8.0, 10.0, 4.0
CHIP_WIDTH, CHIP_GAP, ENTRY_GAP, TICK_GAP = 14.0, 5.0, 16.0, 8.0
WORDS = {ZERO: "0", NONFINITE: "NaN or Inf", NONE: "not measured"}


def heat_rows(
    note: Annotation, scale: Scale | None, levels: Iterable[str], folded: bool, width: float
) -> list[tuple[Item, ...]]:
    """Rows of the legend; each has its origin at the left end of its base line."""
    rows = [tuple(_line(words)) for words in _wrapped(_about(note, scale, folded), width)]
    if scale is not None:
        rows += [tuple(_bar(scale)), tuple(tick_labels(scale, note.unit))]
    chips = [level for level in WORDS if level in set(levels)]
    return [*rows, tuple(_chips(chips))] if chips else rows


def scope_row(notes: Notes, folded: bool, width: float) -> list[tuple[Item, ...]]:
    """What the numbers in the boxes are of, where the colour does not say it already."""
    told = notes.colour.scope if notes.colour else ""
    scopes = [scope for scope in notes.scopes if scope != told]
    parts = [f"numbers of {scope}" for scope in scopes]
    if folded and notes.rows:
        by_way: dict[str, list[str]] = {}
        for note in notes.rows:
            by_way.setdefault(JOINED_WORDS[note.joined], []).append(note.name)
        parts += [f"{', '.join(names)} of a fold: {way}" for way, names in by_way.items()]
    return [tuple(_line(words)) for words in _wrapped(parts, width)]


def _about(note: Annotation, scale: Scale | None, folded: bool) -> list[str]:
    """What is coloured, in a few words each."""
    parts = [note.name]
    if note.scope:
        parts.append(note.scope)
    if any(len(found) > 1 for found in note.values.values()):
        which = "that of its largest weight" if note.is_ratio else JOINED_WORDS[note.joined]
        parts.append(f"of a node with several: {which}")
    if folded:
        parts.append(f"of a fold: {JOINED_WORDS[note.joined]}")
    if scale is not None and scale.log:
        on = f", from {tick_text(scale.floor)} on both sides of 0" if scale.floor else ""
        parts.append(f"logarithmic{on}")
    if note.wanted is not None:
        parts.append(f"around {tick_text(note.wanted)}")
    return parts


def _wrapped(parts: Sequence[str], width: float) -> list[str]:
    """Parts set in lines of a width."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]} · {part}" if lines else part
        if lines and measure(joined, "foot") <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return [piece for line in lines for piece in wrap(line, width, "foot")]


def _line(words: str) -> Iterator[Item]:
    yield Text(0.0, 0.0, words, "foot", measure(words, "foot"))


def _bar(scale: Scale) -> Iterator[Item]:
    """Each piece reaches under the next one, so that no seam shows."""
    for index in range(LEVELS):
        room = SEGMENT if index == LEVELS - 1 else SEGMENT + 1.0
        yield Rect(index * SEGMENT, -BAR_HEIGHT + 4, room, BAR_HEIGHT, f"h-{scale.ramp}{index}")


def tick_labels(scale: Scale, unit: str) -> Iterator[Item]:
    """Ticks below the bar; a label that would touch one that stands already is left out."""
    taken: list[tuple[float, float]] = []
    whole = LEVELS * SEGMENT
    for number in scale.ticks():
        words = tick_text(number, unit)
        room = measure(words, "foot")
        x = scale.share(number) * (whole - SEGMENT) + SEGMENT / 2
        left = min(max(0.0, x - room / 2), max(0.0, whole - room))
        if any(left < b + TICK_GAP and a < left + room + TICK_GAP for a, b in taken):
            continue
        taken.append((left, left + room))
        yield Rect(x - 0.5, -BAR_HEIGHT - 4.0, 1.0, TICK, "tick")
        yield Text(left, 0.0, words, "foot", room)


def tick_text(number: float, unit: str = "") -> str:
    """A number without zeros at its end.

    >>> tick_text(0.4), tick_text(10_000, "B"), tick_text(1e-4), tick_text(1000)
    ('0.4', '10 kB', '1e−4', '1 k')
    """
    return re.sub(
        r"(\.\d*?)0+(?!\d)", lambda found: found[1].rstrip("."), figure_text(number, unit)
    )


def _chips(levels: Sequence[str]) -> Iterator[Item]:
    x = 0.0
    for level in levels:
        chip = Rect(x, -BAR_HEIGHT + 1, CHIP_WIDTH, BAR_HEIGHT, f"box h-{level}", 2.0)
        yield Group((chip,))  # by itself: its ink is not for the words beside it
        x += CHIP_WIDTH + CHIP_GAP
        room = measure(WORDS[level], "foot")
        yield Text(x, 0.0, WORDS[level], "foot", room)
        x += room + ENTRY_GAP
