"""A single picture gets the treatment that the network was trained with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from opgraph.errors import MissingDependencyError
from opgraph.runtime.data import Data, load, read_image

Refusal = Callable[..., str]
Load = Callable[..., Data]
SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", [("input", SHAPE, None)])


def digit(number: int, path: str, scale: int = 1, mode: str = "L") -> str:
    """One of scikit-learn's digits as a picture, enlarged without smoothing."""
    pixels = np.rint(load_digits().images[number] / 16 * 255).astype(np.uint8)
    picture = Image.fromarray(np.kron(pixels, np.ones((scale, scale), np.uint8)))
    picture.convert(mode).save(path)
    return path


def nearest(data: Data, picture: np.ndarray) -> float:
    """Largest difference to the most similar example."""
    examples = np.concatenate([data.train.inputs[0], data.test.inputs[0]])
    return float(np.abs(examples - picture).max((1, 2, 3)).min())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_digit_as_a_picture_is_the_digit_of_the_training(
    place: Path, digits: Data, mode: str
) -> None:
    picture = read_image(digit(3, "3.png", mode=mode), SHAPE, digits.description)
    assert picture.shape == SHAPE
    assert picture.dtype == np.float32
    assert nearest(digits, picture) <= 0.5 / 255 + 1e-6


def test_a_larger_digit_is_first_reduced_to_the_size_of_the_originals(
    place: Path, digits: Data
) -> None:
    picture = read_image(digit(3, "3.png", scale=12), SHAPE, digits.description)
    assert nearest(digits, picture) <= 0.5 / 255 + 1e-6


def test_description_that_went_through_json(place: Path, digits: Data) -> None:
    description = json.loads(json.dumps(digits.description))
    path = Path(digit(5, "5.png"))
    again = read_image(path, SHAPE, description)
    assert np.array_equal(again, read_image(path, SHAPE, digits.description))


@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 1)])
def test_other_inputs(place: Path, load_one: Load, shape: tuple[int, ...]) -> None:
    data = load_one("digits", shape)
    picture = read_image(digit(0, "0.png"), shape, data.description)
    assert picture.shape == shape
    pixels = np.asarray(Image.open("0.png"), np.float64) / 255
    assert np.allclose(picture.ravel(), pixels.ravel(), atol=1e-7)


def test_folders_of_pictures_have_no_size_of_their_own(place: Path, load_one: Load) -> None:
    for pet in ("cat", "dog"):
        for number in range(3):
            path = place / "pets" / pet / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (9, 5, 3), np.uint8)
            Image.fromarray(pixels).save(path)
    data = load_one("pets", (4, 4, 3))
    picture = read_image("pets/cat/1.png", (4, 4, 3), data.description)
    assert nearest(data, picture) == 0


@pytest.mark.parametrize("white", [255, 1.0])
def test_arrays_of_pixels(place: Path, load_one: Load, white: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 5, 5, 1), np.uint8)
    stored = pixels if white == 255 else pixels / 255
    np.savez("p.npz", x=stored, y=np.arange(8) % 2)
    Image.fromarray(pixels[3, ..., 0]).save("3.png")
    data = load_one("p.npz", (5, 5, 1))
    assert nearest(data, read_image("3.png", (5, 5, 1), data.description)) < 1e-7


def test_networks_that_were_not_trained_on_pictures(
    place: Path, refusal: Refusal, load_one: Load
) -> None:
    np.savez("p.npz", x=np.random.default_rng(0).normal(size=(8, 5, 5)), y=np.arange(8) % 2)
    digit(0, "0.png")
    for spec in ("synthetic:blobs", "p.npz"):
        data = load_one(spec, (5, 5))
        assert refusal(read_image, "0.png", (5, 5), data.description) == (
            f"0.png: the network was trained on {spec!r}, which does not say how a picture becomes"
            " numbers\n"
            "   predict reads pictures for networks trained on digits, a folder of pictures, or an"
            " .npz of pixels as bytes or fractions"
        )


def test_two_inputs_and_one_picture(place: Path, refusal: Refusal) -> None:
    data = load("digits", [("a", (64,), None), ("b", (64,), None)])
    assert refusal(read_image, digit(0, "0.png"), (64,), data.description) == (
        "0.png: one picture cannot be dealt to the 2 inputs of the network"
    )


def test_files_that_are_no_pictures(place: Path, refusal: Refusal, digits: Data) -> None:
    describe = digits.description
    assert refusal(read_image, "none.png", SHAPE, describe) == (
        "none.png: cannot be read as a picture (No such file or directory)"
    )
    Path("text.png").write_text("hello")
    assert refusal(read_image, "text.png", SHAPE, describe) == (
        "text.png: is not a picture; expected one of PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM"
    )
    assert refusal(read_image, ".", SHAPE, describe) == (
        ".: cannot be read as a picture (Is a directory)"
    )


def test_without_pillow(place: Path, digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    path = digit(0, "0.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError) as caught:
        read_image(path, SHAPE, digits.description)
    assert str(caught.value) == (
        "pictures are read by Pillow, which is not installed: pip install 'opgraph[train]'"
    )
