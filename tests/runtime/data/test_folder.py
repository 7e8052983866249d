"""Pictures in folders, and single pictures."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opgraph.runtime.data import Data, DataFacts, load, peek

Refusal = Callable[..., str]
Load = Callable[..., Data]
SHAPE = (6, 9, 3)
LAYOUT = (
    "\n   expected folder/class/picture.png, or folder/train/class/... and folder/test/class/..."
)


def paint(path: Path, seed: int = 0, size: tuple[int, int] = (13, 7), mode: str = "RGB") -> Path:
    """A picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


@pytest.fixture
def pets(place: Path) -> Path:
    """Four pictures of each of two classes, of many sizes."""
    for number in range(4):
        paint(place / "pets/dog" / f"{number}.png", number, (10 + number, 7))
        paint(place / "pets/cat" / f"{number}.png", 10 + number, (7, 10 + number))
    (place / "pets/cat/notes.txt").write_text("not a picture")
    (place / "pets/.hidden").mkdir()
    paint(place / "pets/cat/.thumb.png")
    return place / "pets"


def test_each_folder_is_a_class(pets: Path, load_one: Load) -> None:
    data = load_one("pets", SHAPE)
    assert data.class_names == ("cat", "dog")
    assert (data.train.size, data.test.size) == (6, 2)
    assert np.bincount(data.train.labels[0]).tolist() == [3, 3]
    assert data.description["passed_over"] == 2
    assert data.description["inputs"][0] == {
        "name": "x",
        "shape": [6, 9, 3],
        "dtype": "float32",
        "vocabulary": None,
        "example_shape": [6, 9, 3],
        "range": data.description["inputs"][0]["range"],
        "kind": "pictures",
        "native": None,
        "size": [6, 9, 3],
        "resized": "bilinear, half-pixel centres",
        "channels": "grey is repeated 3 times",
        "divided_by": 255.0,
        "layout": "image",
    }


def test_pictures_are_resized_as_pillow_does_it(pets: Path, load_one: Load) -> None:
    data = load_one("pets", SHAPE)
    seen = np.concatenate([data.train.inputs[0], data.test.inputs[0]])
    for path in pets.glob("*/?.png"):
        with Image.open(path) as picture:
            theirs = np.asarray(picture.resize((9, 6), Image.Resampling.BILINEAR), np.float64)
        # Pillow rounds to whole numbers after each of its two passes.
        assert np.abs(seen - theirs / 255).max((1, 2, 3)).min() < 1.6 / 255


def test_grey_inputs_and_sequences(pets: Path, load_one: Load) -> None:
    image = load_one("pets", (6, 9, 1)).train.inputs[0]
    assert np.array_equal(load_one("pets", (6, 9)).train.inputs[0], image[..., 0])
    colour = load_one("pets", SHAPE).train.inputs[0]
    assert np.allclose(image[..., 0], colour @ [0.299, 0.587, 0.114], atol=1e-6)


def test_train_and_test_folders(place: Path, refusal: Refusal, load_one: Load) -> None:
    for number, half in enumerate(("train", "test")):
        for pet in ("cat", "dog"):
            paint(place / half / pet / "0.jpg", number)
    data = load_one(str(place), SHAPE)
    assert (data.train.size, data.test.size) == (2, 2)
    assert data.train.labels[0].tolist() == data.test.labels[0].tolist() == [0, 1]
    paint(place / "test/fox/0.png")
    (place / "data").mkdir()
    (place / "test").rename(place / "data/test")
    (place / "train").rename(place / "data/train")
    assert refusal(load_one, "data", SHAPE) == (
        f"{Path('data/test')}: class 'fox' is not among those to train on: cat, dog"
    )


def test_peek_counts_folders(pets: Path) -> None:
    assert peek("pets") == DataFacts(None, 2, "float32")


def test_folders_that_hold_no_data(place: Path, refusal: Refusal, load_one: Load) -> None:
    expected = "one folder for each of at least two classes is expected" + LAYOUT
    (place / "d").mkdir()
    assert refusal(load_one, "d", SHAPE) == f"d: no folders; {expected}"
    assert refusal(peek, "d") == f"d: no folders; {expected}"
    paint(place / "d/cat/0.png")
    assert refusal(load_one, "d", SHAPE) == f"d: one folder only, 'cat'; {expected}"
    (place / "d/cat/0.png").unlink()
    (place / "d/dog").mkdir()
    assert refusal(load_one, "d", SHAPE) == (
        "d: no pictures in its folders; pictures end in .bmp, .gif, .jpeg, .jpg, .pbm, .pgm, .png,"
        " .ppm, .tif, .tiff, .webp" + LAYOUT
    )
    paint(place / "d/dog/0.png")
    assert refusal(load_one, "d", SHAPE) == (
        "d: all 1 labels are 1 ('dog'); there is nothing to tell apart\n"
        "   a classifier needs examples of at least two classes"
    )


def test_unreadable_pictures_are_all_named(pets: Path, refusal: Refusal, load_one: Load) -> None:
    (pets / "cat/bad.png").write_bytes(b"zzz")
    (pets / "dog/cut.png").write_bytes((pets / "dog/0.png").read_bytes()[:200])
    assert refusal(load_one, "pets", SHAPE) == (
        f"{Path('pets/cat/bad.png')}: is not a picture; expected one of PNG, JPEG, BMP, GIF, WEBP,"
        " TIFF, PPM\n\n"
        f"{Path('pets/dog/cut.png')}: cannot be read as a picture (image file is truncated)"
    )


def test_many_unreadable_pictures_are_named_up_to_five(
    pets: Path, refusal: Refusal, load_one: Load
) -> None:
    for number in range(9):
        (pets / "cat" / f"bad{number}.png").write_bytes(b"zzz")
    assert refusal(load_one, "pets", SHAPE).count("is not a picture") == 5


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_many_modes(pets: Path, load_one: Load, mode: str) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    paint(pets / f"cat/other{suffix}", mode=mode)
    assert load_one("pets", SHAPE).train.inputs[0].shape[1:] == SHAPE


def test_pictures_of_sixteen_bits(pets: Path, refusal: Refusal, load_one: Load) -> None:
    Image.fromarray(np.zeros((3, 3), np.uint16)).save(pets / "cat/deep.png")
    assert refusal(load_one, "pets", SHAPE) == (
        f"{Path('pets/cat/deep.png')}: has pixels of mode 'I;16'; expected 8 bits a channel, grey"
        " or colour\n   save it as an 8-bit PNG"
    )


def png_that_declares(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes with this size in its head."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((8000, 8000), "8,000 x 8,000"),
        ((10_000, 10_000), "10,000 x 10,000"),
        ((60_000, 60_000), "far more"),
    ],
)
def test_bombs_are_refused_before_memory_is_taken(
    pets: Path, refusal: Refusal, load_one: Load, size: tuple[int, int], text: str
) -> None:
    (pets / "cat/bomb.png").write_bytes(png_that_declares(*size))
    tracemalloc.start()
    assert refusal(load_one, "pets", SHAPE) == (
        f"{Path('pets/cat/bomb.png')}: has {text} pixels; at most 50,000,000 are allowed\n"
        "   make the picture smaller"
    )
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_postscript_is_not_run(pets: Path, refusal: Refusal, load_one: Load) -> None:
    (pets / "cat/evil.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "is not a picture" in refusal(load_one, "pets", SHAPE)


def test_inputs_without_a_size(pets: Path, refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, "pets", (None, None, 3)) == (
        "input 'x': has shape (None, None, 3), but pictures of many sizes need a fixed one\n"
        "   give it one: --set 'x.shape=(32, 32, 3)'"
    )


def test_too_many_pictures_for_the_memory(pets: Path, refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, "pets", SHAPE, most_bytes=1000) == (
        "pets: 8 examples would take 5.1 KiB of memory; at most 1000 B are allowed\n"
        "   use fewer or smaller examples, or a smaller input"
    )


def test_two_inputs_see_the_same_picture(pets: Path) -> None:
    data = load("pets", [("a", SHAPE, None), ("b", (49,), None)])
    assert data.train.inputs[1].shape == (6, 49)
