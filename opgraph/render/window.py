"""A part of an image marked on it: the rest is pale, a frame goes around it.

Owns how the part is marked; how numbers become pixels is `tiles`' to know.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opgraph.render.raster import POSITIVE, Numbers
from opgraph.render.tiles import Tiles, make_tiles

PALE, FRAME = 0.45, 2


def mark_window(image: Numbers, window: tuple[int, int, int, int]) -> Tiles:
    """An image (height, width, channels) with a part of it marked.

    Args:
        image: its numbers; of other than one or three channels the mean is drawn.
        window: top, left, height, width of the part.
    """
    shown = image if image.shape[-1] in (1, 3) else image.mean(axis=-1, keepdims=True)
    tiles = make_tiles(shown, "output", axes=(1, 2, 3), rank=4, is_picture=True)
    rows, columns = tiles.pixels.shape[0] // len(image), tiles.pixels.shape[1] // image.shape[1]
    top, left, height, width = window
    part = slice(top * rows, (top + height) * rows), slice(left * columns, (left + width) * columns)
    pixels = np.rint(255 - (255 - tiles.pixels.astype(np.float64)) * PALE).astype(np.uint8)
    pixels[part] = POSITIVE
    inner = tuple(slice(side.start + FRAME, side.stop - FRAME) for side in part)
    pixels[inner] = tiles.pixels[inner]
    return replace(tiles, pixels=pixels)
