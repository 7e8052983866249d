"""A picture in a file, read by Pillow.

Owns which formats are read, how large a picture may be, and how a single one is made to fit a
network (`read_image`); must not know folders or datasets.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.errors import DataError, MissingDependencyError
from opgraph.ops import Shape
from opgraph.runtime.data.pictures import fit
from opgraph.runtime.data.result import Array, Wanted

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
)
MOST_PIXELS = 50_000_000
WHITE = 255.0
GREY_MODES = frozenset({"1", "L", "LA", "La"})
COLOUR_MODES = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"})


def read_pixels(path: Path, name: str, most_pixels: int = MOST_PIXELS) -> Array:
    """The pixels (H, W, 1 or 3) of a picture, 0 to 255; transparency is left out.

    Args:
        path: of the file.
        name: what to call it in a message.
        most_pixels: bound on height x width, checked before the picture is unpacked.

    Raises:
        DataError: it is no picture, damaged, or too large.
        MissingDependencyError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        problem = (
            "pictures are read by Pillow, which is not installed: pip install 'opgraph[train]'"
        )
        raise MissingDependencyError(problem) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as picture:
                _require_size(name, picture.width, picture.height, most_pixels)
                mode = _mode(name, picture.mode)
                pixels = np.asarray(picture.convert(mode))
    except Image.DecompressionBombError:
        raise _too_large(name, "far more", most_pixels) from None
    except Image.UnidentifiedImageError:
        problem = f"is not a picture; expected one of {', '.join(FORMATS)}"
        raise DataError(problem, where=name) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        problem = f"cannot be read as a picture ({_reason(error)})"
        raise DataError(problem, where=name) from None
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _mode(name: str, mode: str) -> str:
    if mode in GREY_MODES:
        return "L"
    if mode in COLOUR_MODES:
        return "RGB"
    raise DataError(
        f"has pixels of mode {mode!r}; expected 8 bits a channel, grey or colour",
        where=name,
        hint="save it as an 8-bit PNG",
    )


def _require_size(name: str, width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise _too_large(name, f"{width:,} x {height:,}", most_pixels)


def _too_large(name: str, size: str, most_pixels: int) -> DataError:
    problem = f"has {size} pixels; at most {most_pixels:,} are allowed"
    return DataError(problem, where=name, hint="make the picture smaller")


def read_image(path: str | Path, shape: Shape, description: Mapping[str, Any]) -> Array:
    """A picture as a trained network wants it, without the batch axis.

    The picture gets the same treatment as those the network was trained on: made grey or colour,
    brought to the size of the original pictures (8x8 for the digits), then enlarged the same way,
    on a scale from 0 (black) to 1 (white).

    Args:
        path: of the file.
        shape: of the network's input, without the batch.
        description: of the data the network was trained on (`Data.description`).

    Raises:
        DataError: the file is no picture, or the network was not trained on pictures.
    """
    note = _only_input(path, description)
    wanted = Wanted(note["name"], tuple(shape), np.dtype(note["dtype"]))
    return read_picture(Path(path), str(path), wanted, note.get("native"))


def read_picture(
    path: Path, name: str, wanted: Wanted, native: tuple[int, int, int] | None
) -> Array:
    """A picture as an input wants it, by way of the native size of the pictures it belongs to."""
    pixels = read_pixels(path, name)[None]
    if native is None:
        return fit(pixels, wanted, WHITE)[0]
    original = Wanted(wanted.name, tuple(native), np.dtype(np.float32))
    # The digits count the ink in each of 8x8 squares, so a larger picture is reduced by area.
    return fit(fit(pixels, original, WHITE, by_area=True), wanted, 1.0)[0]


def _only_input(path: str | Path, description: Mapping[str, Any]) -> Mapping[str, Any]:
    inputs = description["inputs"]
    if len(inputs) != 1:
        problem = f"one picture cannot be dealt to the {len(inputs)} inputs of the network"
        raise DataError(problem, where=str(path))
    note = inputs[0]
    if note["kind"] == "pictures" or _holds_pictures(note):
        return note
    raise DataError(
        f"the network was trained on {description['spec']!r}, which does not say how a picture"
        " becomes numbers",
        where=str(path),
        hint="predict reads pictures for networks trained on digits, a folder of pictures, or an"
        " .npz of pixels as bytes or fractions",
    )


def _holds_pictures(note: Mapping[str, Any]) -> bool:
    """Arrays of pixels on a scale from 0 to 1."""
    low, high = note["range"]
    return note["kind"] == "arrays" and len(note["shape"]) > 1 and low >= 0 and 0 < high <= 1
