"""A tensor as a grid of small pictures: one for each example and channel, or for each kernel.

Owns which axis goes where and how large things are; colours and files are `raster`'s to know.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from opgraph.render.metrics import text_width
from opgraph.render.raster import Numbers, Pixels, coloured, limits, png
from opgraph.render.svg import escape
from opgraph.render.theme import FONT_FAMILY, THEMES

GAP, LEAST, MOST = 2, 48, 720
ROWS, COLUMNS, WRAP = 16, 32, 8
MOST_PIXELS = 1024
SIZE, MARGIN = 11.0, 14.0
# What the axes of a tensor are: y and x of a tile, row and column of the grid.
OUTPUT_AXES = {0: "", 1: "x", 2: "yx", 3: "ryx", 4: "ryxc", 5: "rryxc"}
WEIGHT_AXES = {0: "", 1: "x", 2: "yx", 3: "yrc", 4: "yxrc", 5: "ryxrc"}
NOUNS = {"output": ("example", "channel"), "weight": ("input channel", "output channel")}


@dataclass(frozen=True)
class Tiles:
    """A grid of pictures.

    Attributes:
        pixels: all of them, enlarged, with gaps (height, width, 3).
        low: number at the beginning of the scale.
        high: number at its end.
        note: what is where, and what is left out.
        grey: whether the scale goes from black to white.
    """

    pixels: Pixels
    low: float
    high: float
    note: str
    grey: bool = False

    def png(self) -> bytes:
        """The grid alone, as a PNG file."""
        return png(self.pixels)

    def svg(self, title: str) -> str:
        """The grid under a title, with its scale and what is where; the same bytes every time."""
        theme = THEMES["light"]
        height, width, _ = self.pixels.shape
        ends = [f"{self.low:.4g}", f"{self.high:.4g}"]
        bar = self._bar()
        needed = max(width, text_width(title, 15, bold=True), text_width(self.note, SIZE), 160.0)
        total, tall = needed + 2 * MARGIN, height + 92.0
        y = 40.0 + height
        style = f'font-family="{escape(FONT_FAMILY)}" font-size="{SIZE:g}" fill="{theme.muted}"'
        after = MARGIN + text_width(ends[0], SIZE) + 6
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:.0f}" height="{tall:.0f}"'
            f' viewBox="0 0 {total:.0f} {tall:.0f}" role="img">\n<title>{escape(title)}</title>\n'
            f'<rect width="100%" height="100%" fill="{theme.background}"/>\n<g {style}>\n'
            f'<text x="{MARGIN:g}" y="24" font-size="15" font-weight="bold"'
            f' fill="{theme.text}">{escape(title)}</text>\n'
            f"{_image(self.pixels, MARGIN, 36, width, height)}"
            f'<text x="{MARGIN:g}" y="{y + 16:g}">{escape(self.note)}</text>\n'
            f'<text x="{MARGIN:g}" y="{y + 38:g}">{ends[0]}</text>\n'
            f"{_image(bar, after, y + 29, 96, 10)}"
            f'<text x="{after + 102:g}" y="{y + 38:g}">{ends[1]}</text>\n</g>\n</svg>\n'
        )

    def _bar(self) -> Pixels:
        numbers = np.linspace(self.low, self.high, 96)[None, :]
        return coloured(numbers, self.low, self.high, grey=self.grey)


class _Cut(NamedTuple):
    """Tiles (rows, columns, height, width), what is where, and how many of them are drawn."""

    tiles: Numbers
    notes: list[str]
    drawn: int


def make_tiles(
    array: Numbers,
    what: str,
    *,
    axes: Sequence[int] | None = None,
    rank: int | None = None,
    is_picture: bool = False,
) -> Tiles:
    """The grid of a tensor.

    Args:
        array: its numbers; where some axes were chosen by an index, those that are left.
        what: `output` or `weight`; says what the axes are.
        axes: which axes of the whole tensor these are; all when left out.
        rank: axes of the whole tensor.
        is_picture: whether it is what a picture consists of: grey, or colours if there are three.
    """
    left = range(array.ndim) if axes is None else axes
    known = OUTPUT_AXES if what == "output" else WEIGHT_AXES
    names = known.get(array.ndim if rank is None else rank)
    letters = [names[axis] for axis in left] if names is not None else _last_two(array.ndim)
    numbers = np.asarray(array).astype(np.float64)
    if is_picture and letters[-1:] == ["c"] and numbers.shape[-1] == 3:
        return _colour_pictures(numbers, letters[:-1])
    cut = _cut(_ordered(numbers, letters), NOUNS["output" if what == "output" else "weight"])
    low, high = limits(cut.tiles)
    return Tiles(
        _grid(coloured(cut.tiles, low, high, grey=is_picture), cut.drawn),
        low, high, "; ".join(cut.notes), is_picture,
    )  # fmt: skip


def _last_two(rank: int) -> list[str]:
    return ["r"] * (rank - 2) + ["y", "x"]


def _ordered(numbers: Numbers, letters: Sequence[str]) -> Numbers:
    """As (rows, columns, height, width); a kind of axis that occurs twice is run together."""
    order = [axis for kind in "rcyx" for axis, name in enumerate(letters) if name == kind]
    sizes = [
        int(np.prod([numbers.shape[axis] for axis, name in enumerate(letters) if name == kind]))
        for kind in "rcyx"
    ]
    return numbers.transpose(order).reshape(sizes)


def _cut(tiles: Numbers, nouns: tuple[str, str]) -> _Cut:
    """No more than fits into a picture; a single row of many is broken into several."""
    rows, columns, height, width = tiles.shape
    notes = [f"{height} x {width}"]
    if height > MOST_PIXELS or width > MOST_PIXELS:
        tiles = tiles[:, :, :MOST_PIXELS, :MOST_PIXELS]
        notes = [f"the first {min(height, MOST_PIXELS)} x {min(width, MOST_PIXELS)} of {notes[0]}"]
    if min(rows, columns) == 1 and max(rows, columns) > WRAP:
        noun = nouns[0] if columns == 1 else nouns[1]
        return _wrapped(tiles, notes, noun)
    for axis, most in ((0, ROWS), (1, COLUMNS)):
        count = tiles.shape[axis]
        if count > 1:
            first = f"the first {most} of {count}" if count > most else f"{count}"
            notes.append(f"{('rows', 'columns')[axis]}: {first} {nouns[axis]}s")
    kept = tiles[:ROWS, :COLUMNS]
    return _Cut(kept, notes, kept.shape[0] * kept.shape[1])


def _wrapped(tiles: Numbers, notes: list[str], noun: str) -> _Cut:
    flat = tiles.reshape(-1, *tiles.shape[2:])
    most = ROWS * WRAP
    first = f"the first {most} of {len(flat)}" if len(flat) > most else f"{len(flat)}"
    kept = flat[:most]
    full = -(-len(kept) // WRAP) * WRAP
    filled = np.zeros((full, *kept.shape[1:]))
    filled[: len(kept)] = kept
    shape = (full // WRAP, WRAP, *kept.shape[1:])
    return _Cut(filled.reshape(shape), [*notes, f"{first} {noun}s, row by row"], len(kept))


def _grid(tiles: Pixels, count: int) -> Pixels:
    """Coloured tiles (rows, columns, height, width, 3) side by side, enlarged."""
    rows, columns, height, width, _ = tiles.shape
    scale = max(1, min(LEAST // max(height, width) + 1, MOST // (columns * width)))
    if rows == columns == 1:
        scale = max(1, min(MOST // max(width, height), 24))
    large = tiles.repeat(scale, axis=2).repeat(scale, axis=3)
    high, wide = height * scale, width * scale
    shape = (rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, 3)
    sheet = np.full(shape, 203, np.uint8)
    for row, column in (divmod(number, columns) for number in range(count)):
        y, x = row * (high + GAP), column * (wide + GAP)
        sheet[y : y + high, x : x + wide] = large[row, column]
    return sheet


def _colour_pictures(numbers: Numbers, letters: Sequence[str]) -> Tiles:
    """Red, green and blue at the last axis."""
    channels = [_cut(_ordered(numbers[..., i], letters), NOUNS["output"]) for i in range(3)]
    tiles = np.stack([cut.tiles for cut in channels], axis=-1)
    low, high = limits(tiles)
    bottom = min(low, 0.0)
    share = (tiles - bottom) / ((high - bottom) or 1.0)
    pixels = np.rint(255 * np.clip(np.where(np.isfinite(share), share, 0), 0, 1)).astype(np.uint8)
    drawn = _grid(pixels, channels[0].drawn)
    return Tiles(drawn, low, high, "; ".join([*channels[0].notes, "in colour"]), True)


def _image(pixels: Pixels, x: float, y: float, width: float, height: float) -> str:
    content = base64.b64encode(png(pixels)).decode("ascii")
    return (
        f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        f' style="image-rendering:pixelated" preserveAspectRatio="none"'
        f' href="data:image/png;base64,{content}"/>\n'
    )
