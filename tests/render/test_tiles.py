"""Tensors as grids of pictures: each number at its place, in its colour."""

from __future__ import annotations

import base64
import io
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from opgraph.render import make_tiles
from opgraph.render.raster import NEGATIVE, NONFINITE, POSITIVE, coloured, png


def read(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_png_reads_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read(png(pixels)), pixels)


def test_colours() -> None:
    numbers = np.array([-2.0, 0.0, 2.0, np.nan, np.inf])
    white = (255, 255, 255)
    assert list(map(tuple, coloured(numbers, -2, 2))) == [
        *(NEGATIVE, white, POSITIVE, NONFINITE, NONFINITE),
    ]
    assert coloured(np.array([0.0, 1.0, 2.0]), 0, 2, grey=True)[:, 0].tolist() == [0, 128, 255]
    assert coloured(np.zeros(2), 0, 0).tolist() == [[255] * 3] * 2


def tile(tiles: Any, row: int, column: int, height: int, width: int, scale: int) -> np.ndarray:
    y, x = row * (height * scale + 2), column * (width * scale + 2)
    return tiles.pixels[y : y + height * scale : scale, x : x + width * scale : scale]


def test_kernels_have_a_tile_for_each_pair_of_channels() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    tiles = make_tiles(kernel, "weight")
    assert tiles.note == "3 x 3; rows: 2 input channels; columns: 4 output channels"
    assert tiles.high == -tiles.low == np.abs(kernel).max()
    scale = (tiles.pixels.shape[0] - 2) // 6
    for row, column in ((0, 0), (1, 3)):
        wanted = coloured(kernel[:, :, row, column], tiles.low, tiles.high)
        np.testing.assert_array_equal(tile(tiles, row, column, 3, 3, scale), wanted)


def test_feature_maps_of_examples_and_channels() -> None:
    maps = np.random.default_rng(0).random((2, 4, 5, 3))
    tiles = make_tiles(maps, "output")
    assert tiles.note == "4 x 5; rows: 2 examples; columns: 3 channels"
    assert (tiles.low, tiles.high) == (0.0, maps.max())
    scale = (tiles.pixels.shape[0] - 2) // 8
    wanted = coloured(maps[1, :, :, 2], 0, tiles.high)
    np.testing.assert_array_equal(tile(tiles, 1, 2, 4, 5, scale), wanted)
    one = make_tiles(maps[1], "output", axes=(1, 2, 3), rank=4)
    assert one.note == "4 x 5; columns: 3 channels"


def test_pictures_in_colour_and_grey() -> None:
    pictures = np.random.default_rng(0).random((2, 4, 4, 3))
    tiles = make_tiles(pictures, "output", is_picture=True)
    assert tiles.note == "4 x 4; rows: 2 examples; in colour"
    scale = (tiles.pixels.shape[0] - 2) // 8
    wanted = np.rint(255 * pictures[1] / pictures.max()).astype(np.uint8)
    np.testing.assert_array_equal(tile(tiles, 1, 0, 4, 4, scale), wanted)
    grey = make_tiles(pictures[..., :1], "output", is_picture=True)
    assert len(np.unique(grey.pixels.std(axis=2))) == 1


def test_many_are_broken_into_rows_and_cut() -> None:
    assert make_tiles(np.ones((300, 2, 2, 1)), "output").note == (
        "2 x 2; the first 128 of 300 examples, row by row"
    )
    assert make_tiles(np.ones((20, 2, 2, 40)), "output").note == (
        "2 x 2; rows: the first 16 of 20 examples; columns: the first 32 of 40 channels"
    )
    assert make_tiles(np.ones((2000, 3)), "weight").note == "the first 1024 x 3 of 2000 x 3"
    ten = make_tiles(np.ones((10, 2, 2, 1)), "output")
    assert (ten.pixels[-1, -1] == 203).all(), "nothing is drawn where there is no tile"


@pytest.mark.parametrize("rank", range(8))
@pytest.mark.parametrize("what", ["output", "weight"])
def test_any_rank(what: str, rank: int) -> None:
    tiles = make_tiles(np.ones((2,) * rank), what)
    assert read(tiles.png()).shape == tiles.pixels.shape


def test_the_svg_is_whole_and_escaped() -> None:
    text = make_tiles(np.eye(3), "weight").svg("a <b> & 'c' at step 3")
    root = ElementTree.fromstring(text)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "a <b> & 'c' at step 3"
    content = re.findall(r"data:image/png;base64,([^\"]+)", text)
    assert read(base64.b64decode(content[0])).shape == (72, 72, 3)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text == make_tiles(np.eye(3), "weight").svg("a <b> & 'c' at step 3")
