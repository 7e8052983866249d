"""Stills: one scene for each of some steps, all of one layout and one scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opgraph.analysis import Analysis
from opgraph.analysis import fold as fold_regions
from opgraph.render.film.strip import STRIP_HEIGHT, Losses, read_losses, strip_items
from opgraph.render.layout import Layout, Sketch, arrange
from opgraph.render.notes import Annotation, Notes, make_film_notes
from opgraph.render.options import Banner, Fixed, Options
from opgraph.render.picture import Picture
from opgraph.render.scale import scale_for
from opgraph.render.scene import Scene

if TYPE_CHECKING:
    from opgraph.record import Record
    from opgraph.render.draw import Direction

HOLD = 4


@dataclass(frozen=True)
class Film:
    """Scenes that follow one another.

    Attributes:
        steps: of the training, one a scene.
        scenes: all of one layout.
        seconds: how long all of it takes.
    """

    steps: tuple[int, ...]
    scenes: tuple[Scene, ...]
    seconds: float

    @property
    def starts(self) -> tuple[float, ...]:
        """When each scene begins, from 0 to 1; the last stays as long as several others.

        >>> Film((1, 5), (), 10.0).starts
        (0.0, 0.2)
        """
        whole = len(self.steps) - 1 + HOLD
        return tuple(index / whole for index in range(len(self.steps)))


def make_film(
    analysis: Analysis,
    record: Record,
    *,
    color_by: str,
    annotate: str | Iterable[str] | None = None,
    frames: int = 30,
    seconds: float = 12.0,
    direction: Direction = "TB",
    title: str | None = None,
    fold: str | int = "auto",
    opened: Iterable[str] = (),
) -> Film:
    """The picture of a graph at some steps of a training, from the first to the last.

    Args:
        analysis: the graph and its facts.
        record: the training.
        color_by: what colours the boxes; the scale is that of all scenes.
        annotate: what stands in the boxes, as in `make_notes`.
        frames: at most so many scenes.
        seconds: how long all of it takes.
        direction: top to bottom (`TB`) or left to right (`LR`).
        title: above the picture; the graph's name when None.
        fold: as in `draw_svg`.
        opened: as in `draw_svg`.

    Raises:
        OpgraphError: there is nothing of a name, or it is not a number.
        RunError: nothing of it was measured, or the run is that of another graph.
    """
    notes = make_film_notes(analysis, annotate, color_by, record, frames)
    losses = read_losses(record)
    folded = fold_regions(analysis, fold, opened)
    scope = _scope(notes)
    choices = [
        Options(title=title, notes=_timeless(found, scope), banner=_banner(losses, step))
        for step, found in notes.items()
    ]
    fixed = _fixed([Picture(folded, options, arrange) for options in choices])
    layout = _Once(direction)
    scenes = [
        Picture(folded, replace(options, fixed=fixed), layout, direction == "LR").scene()
        for options in choices
    ]
    return Film(tuple(notes), tuple(scenes), seconds)


class _Once:
    """The layout of the first still, which is that of all: boxes and wires do not change."""

    def __init__(self, direction: Direction) -> None:
        self.direction: Direction = direction
        self.found: Layout | None = None

    def __call__(self, sketch: Sketch) -> Layout:
        if self.found is None:
            self.found = arrange(sketch, self.direction)
        return self.found


def _fixed(drafts: Sequence[Picture]) -> Fixed:
    """Room for the largest content of each box, and a scale for the numbers of all stills."""
    width = max(draft.width for draft in drafts)
    heights = tuple(map(max, *(draft.heights_at(width) for draft in drafts)))
    note = drafts[0].options.notes.colour
    scale = note and scale_for((n for draft in drafts for n in draft.numbers), note.wanted)
    return Fixed(width, heights, scale)


def _scope(notes: Mapping[int, Notes]) -> str:
    """Which steps the numbers are of."""
    steps = list(notes)
    return f"{len(steps):,} of the steps {steps[0]:,} to {steps[-1]:,}"


def _timeless(notes: Notes, scope: str) -> Notes:
    """Notes that name all steps instead of one; the banner says which one it is."""

    def told(note: Annotation) -> Annotation:
        return replace(note, scope=scope) if note.scope else note

    colour = notes.colour and told(notes.colour)
    return replace(notes, rows=tuple(map(told, notes.rows)), colour=colour)


def _banner(losses: Losses, step: int) -> Banner:
    return Banner(STRIP_HEIGHT, lambda width: tuple(strip_items(losses, step, width)))
