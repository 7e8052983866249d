"""A map of numbers with a window marked on it, and the window enlarged beside it.

Owns sizes, colours and the legend of such a picture; texts and frames take their colour from the
page, so that it can be read on a light and on a dark one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from opgraph.render.heat import heat_colour, heat_ink
from opgraph.render.heat_legend import tick_text
from opgraph.render.raster import Numbers, Pixels, limits, png
from opgraph.render.scale import LEVELS, NONFINITE, Scale
from opgraph.render.svg import escape, number
from opgraph.render.theme import THEMES
from opgraph.render.wording import figure_text
from opgraph.story import Picture

SIDE, CELL, GAP, BAR = 176.0, 44.0, 44.0, 132.0
MOST_PIXELS = 256
FOOT = 34.0
THEME = THEMES["light"]


class Box(NamedTuple):
    """A rectangle in the picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class WindowMap:
    """A map and its colours.

    Attributes:
        picture: what is drawn.
    """

    picture: Picture

    @cached_property
    def is_colour(self) -> bool:
        """Whether the numbers are red, green and blue."""
        array = self.picture.array
        return array.ndim == 3 and array.shape[-1] == 3 and bool((array >= 0).all())

    @cached_property
    def channels(self) -> int:
        """How many channels the mean is drawn of; 1 where nothing is averaged."""
        array = self.picture.array
        return 1 if array.ndim == 2 or self.is_colour else array.shape[-1]

    @cached_property
    def numbers(self) -> Numbers:
        """The map (height, width), the mean over channels where there are several."""
        array = np.asarray(self.picture.array, np.float64)
        return array if array.ndim == 2 else array.mean(axis=-1)

    @cached_property
    def scale(self) -> Scale:
        """From zero, or around it where there are numbers of both signs."""
        low, high = limits(self.numbers)
        return Scale(low, high, "s" if low < 0 else "m", log=False)

    @cached_property
    def has_nonfinite(self) -> bool:
        """Whether some numbers are NaN or infinite."""
        return not np.isfinite(self.numbers).all()

    def pixels(self, numbers: Numbers | None = None) -> Pixels:
        """A colour for each number of a map (height, width, 3)."""
        if numbers is None and self.is_colour:
            array = np.asarray(self.picture.array, np.float64)
            return np.rint(255 * array / (array.max() or 1.0)).astype(np.uint8)
        shown = self.numbers if numbers is None else numbers
        names = [*(f"{self.scale.ramp}{n}" for n in range(LEVELS)), NONFINITE]
        colours = np.array([_rgb(heat_colour(THEME, name)) for name in names], np.uint8)
        low, high = self.scale.low, self.scale.high
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = (shown - low) / (high - low) if high > low else np.full(shown.shape, 0.5)
        levels = np.rint(np.clip(np.where(np.isfinite(shown), share, 0), 0, 1) * (LEVELS - 1))
        return colours[np.where(np.isfinite(shown), levels, LEVELS).astype(int)]


def window_svg(drawn: WindowMap, title: str) -> str:
    """The picture as an SVG element of a page.

    Args:
        drawn: the map.
        title: what it shows, for those who cannot see it.
    """
    height, width = drawn.numbers.shape
    unit = SIDE / max(height, width)
    top, left, rows, columns = drawn.picture.window
    whole = Box(1, 1, width * unit, height * unit)
    marked = Box(1 + left * unit, 1 + top * unit, columns * unit, rows * unit)
    cell = min(CELL, SIDE / max(rows, columns))
    large = Box(whole.width + GAP, 1, columns * cell, rows * cell)
    is_whole = (rows, columns) == (height, width)
    right = whole.width if is_whole else large.x + large.width
    tall = max(whole.height, 0 if is_whole else large.height) + 2
    body = [_image(_thinned(drawn.pixels()), whole), _frame(whole, "hair")]
    if not is_whole:
        body += [*_lines(marked, large), *_frames(marked), *_enlarged(drawn, large, cell)]
    body += _legend(drawn, tall + 8)
    wide, full = max(right + 2, BAR + 12), tall + (0 if drawn.is_colour else FOOT)
    return (
        f'<svg class="map" width="{number(wide)}" height="{number(full)}"'
        f' viewBox="0 0 {number(wide)} {number(full)}" role="img" aria-label="{escape(title)}">\n'
        f"{''.join(body)}</svg>"
    )


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _thinned(pixels: Pixels) -> Pixels:
    """No more pixels than can be seen."""
    step = -(-max(pixels.shape[:2]) // MOST_PIXELS)
    return np.ascontiguousarray(pixels[::step, ::step])


def _image(pixels: Pixels, box: Box) -> str:
    content = base64.b64encode(png(pixels)).decode("ascii")
    return (
        f'<image {_place(box)} preserveAspectRatio="none"'
        f' href="data:image/png;base64,{content}"/>\n'
    )


def _place(box: Box) -> str:
    names = ("x", "y", "width", "height")
    return " ".join(f'{name}="{number(value)}"' for name, value in zip(names, box, strict=True))


def _frame(box: Box, kind: str) -> str:
    return f'<rect class="{kind}" {_place(box)}/>\n'


def _frames(box: Box) -> Iterator[str]:
    """A dark line in a light one: seen on every colour."""
    yield _frame(box, "halo")
    yield _frame(box, "mark")


def _lines(small: Box, large: Box) -> Iterator[str]:
    """From the corners of the window to those of its enlargement."""
    for part in (0, 1):
        start = f"{number(small.x + small.width)} {number(small.y + part * small.height)}"
        end = f"{number(large.x)} {number(large.y + part * large.height)}"
        yield f'<path class="ray" d="M{start}L{end}"/>\n'


def _enlarged(drawn: WindowMap, box: Box, cell: float) -> Iterator[str]:
    """The window alone, its numbers written in where there is one map and room for them."""
    top, left, rows, columns = drawn.picture.window
    part = (slice(top, top + rows), slice(left, left + columns))
    yield _image(np.ascontiguousarray(drawn.pixels()[part]), box)
    if drawn.channels == 1 and not drawn.is_colour and cell == CELL:
        yield from _written(drawn, box, drawn.numbers[part])
    yield from _frames(box)


def _written(drawn: WindowMap, box: Box, numbers: Numbers) -> Iterator[str]:
    for (row, column), value in np.ndenumerate(numbers):
        x, y = box.x + (column + 0.5) * CELL, box.y + (row + 0.5) * CELL + 4
        ink = heat_ink(THEME, drawn.scale.level(float(value)))
        words = figure_text(float(value))
        yield (
            f'<text x="{number(x)}" y="{number(y)}" text-anchor="middle" fill="{ink}">'
            f"{escape(words)}</text>\n"
        )


def _legend(drawn: WindowMap, y: float) -> list[str]:
    """The scale, with the numbers at its ends and at its middle where that is zero."""
    if drawn.is_colour:
        return []
    low, high = drawn.scale.low, drawn.scale.high
    ramp = drawn.pixels(np.linspace(low, high, LEVELS)[None, :])
    box = Box(1, y, BAR, 8)
    ticks = [(low, "start", 1.0), (high, "end", 1 + BAR)]
    if low < 0:
        ticks.insert(1, (0.0, "middle", 1 + BAR / 2))
    return [
        _image(ramp, box),
        _frame(box, "hair"),
        *(
            f'<text class="tick" x="{number(x)}" y="{number(y + 21)}" text-anchor="{anchor}">'
            f"{escape(tick_text(value))}</text>\n"
            for value, anchor, x in ticks
        ),
    ]
