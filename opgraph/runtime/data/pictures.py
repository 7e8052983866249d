"""Pictures made to fit the inputs of a network.

Owns the rules by which a picture becomes an image, a sequence of rows or a row of numbers, and the
notes that record them; must not know where the pictures were read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.resize import recolor, resize
from opgraph.runtime.data.result import Array, Wanted

Native = tuple[int | None, int | None, int]
BLOCK = 1 << 22


def target(wanted: Wanted, native: Native) -> tuple[int, int, int]:
    """Height, width and channels that the pictures get for an input.

    Args:
        wanted: the input; (H, W, C) takes images, (T, F) grey rows as a sequence,
            (N,) a picture laid out as a row: all its numbers if it has N, else N grey pixels of a
            square.
        native: height, width and channels of the pictures; None where each has its own size.

    Raises:
        DataError: the input's shape cannot hold a picture.
    """
    if wanted.is_integer:
        raise _refuse(wanted, f"asks for {wanted.dtype}, but pictures are fractions from 0 to 1")
    shape, rank = wanted.shape, len(wanted.shape)
    if rank == 3:
        return _known(wanted, tuple(s if s else n for s, n in zip(shape, native, strict=True)))
    if rank == 2:
        return _known(wanted, (shape[0] or native[0], shape[1] or native[1], 1))
    if rank != 1:
        raise _refuse(wanted, f"has shape {shape}, which cannot hold a picture")
    return _known(wanted, _flat(wanted, shape[0], native))


def _flat(wanted: Wanted, length: int | None, native: Native) -> Native:
    height, width, channels = native
    area = None if height is None or width is None else height * width
    if length is None or (area is not None and length == area * channels):
        return native
    if area is not None and length == area:
        return (height, width, 1)
    side = math.isqrt(length)
    if side * side != length:
        near = f"{side * side} or {(side + 1) ** 2}"
        raise _refuse(wanted, f"takes {length} numbers, which no square picture has ({near} fit)")
    return (side, side, 1)


def _known(wanted: Wanted, size: tuple[int | None, ...]) -> tuple[int, int, int]:
    height, width, channels = size
    if height is None or width is None or channels is None:
        raise DataError(
            f"has shape {wanted.shape}, but pictures of many sizes need a fixed one",
            where=f"input {wanted.name!r}",
            node=wanted.name,
            hint=f"give it one: --set '{wanted.name}.shape=(32, 32, 3)'",
        )
    if channels not in (1, 3):
        raise _refuse(wanted, f"asks for {channels} channels; pictures have 1 (grey) or 3 (colour)")
    return height, width, channels


def _refuse(wanted: Wanted, problem: str) -> DataError:
    return DataError(
        problem,
        where=f"input {wanted.name!r}",
        node=wanted.name,
        hint="pictures fit shapes (height, width, 1 or 3), (rows, columns) and (square number,)",
    )


def fit(pictures: Array, wanted: Wanted, divided_by: float, *, by_area: bool = False) -> Array:
    """Pictures (N, H, W, C) as one input wants them, divided by what white counts, in float32.

    Args:
        pictures: numbers of any type.
        wanted: the input.
        divided_by: what white counts.
        by_area: shrink by averaging over just the pixels that are covered.

    Raises:
        DataError: the input's shape cannot hold a picture.
    """
    height, width, channels = target(wanted, _native(pictures))
    if recolor(pictures[:0], channels) is None:
        problem = f"asks for {channels} channels; the pictures have {pictures.shape[-1]}"
        raise _refuse(wanted, problem)
    fitted = np.empty((len(pictures), height, width, channels), np.float32)
    block = max(1, BLOCK // max(1, height * width * channels))
    for start in range(0, len(pictures), block):
        sized = resize(pictures[start : start + block], height, width, by_area=by_area)
        fitted[start : start + block] = recolor(sized / divided_by, channels)
    return fitted.reshape(len(pictures), *_final(wanted, height, width, channels))


def _native(pictures: Array) -> tuple[int, int, int]:
    _, height, width, channels = pictures.shape
    return height, width, channels


def _final(wanted: Wanted, height: int, width: int, channels: int) -> tuple[int, ...]:
    if len(wanted.shape) == 3:
        return (height, width, channels)
    return (height, width) if len(wanted.shape) == 2 else (height * width * channels,)


def note(wanted: Wanted, native: Native, divided_by: float) -> dict[str, Any]:
    """What `fit` does, as plain JSON; `read_image` does the same to a single picture."""
    size = target(wanted, native)
    return {
        "kind": "pictures",
        "native": None if native[0] is None else list(native),
        "size": list(size),
        "resized": "bilinear, half-pixel centres",
        "channels": _channels(native, size[2]),
        "divided_by": float(divided_by),
        "layout": {3: "image", 2: "rows as a sequence", 1: "flattened"}[len(wanted.shape)],
    }


def _channels(native: Native, asked: int) -> str:
    present = native[2]
    if native[0] is None:
        return (
            "colour becomes grey by ITU-R 601" if asked == 1 else f"grey is repeated {asked} times"
        )
    if present == asked:
        return "as they are"
    return f"repeated {asked} times" if present < asked else "grey by ITU-R 601"
