"""Pictures made to fit the inputs of a network.

Owns the rules by which a picture becomes an image, a sequence of rows or a row of numbers, and the
notes that record them; must not know where the pictures were read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from opgraph.errors import DataError
from opgraph.ops import Shape
from opgraph.runtime.data.resize import recolor, resize
from opgraph.runtime.data.result import Array, Request, Wanted


def target(wanted: Wanted, native: tuple[int | None, int | None, int]) -> tuple[int, int, int]:
    """Height, width and channels that the pictures get for an input.

    Args:
        wanted: the input; (H, W, C) takes images, (T, F) grey rows as a sequence, (N,) a picture laid
            out as a row: all its numbers if it has N, else N grey pixels of a square.
        native: height, width and channels of the pictures; None where each has its own.

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


def _flat(
    wanted: Wanted, length: int | None, native: tuple[int | None, int | None, int]
) -> tuple[int | None, int | None, int]:
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
        raise _refuse(wanted, f"has shape {wanted.shape}; pictures of many sizes need a fixed one")
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


def fit(pictures: Array, wanted: Wanted, divided_by: float) -> Array:
    """Pictures (N, H, W, C) as one input wants them, divided by what white counts.

    Examples:
        Numbers are divided first, then resized, so that the bits do not depend on the order.
    """
    height, width, channels = target(wanted, _native(pictures))
    scaled = pictures / np.float64(divided_by)
    grey = scaled if channels >= scaled.shape[-1] else recolor(scaled, channels)
    sized = resize(_colored(grey, wanted), height, width)
    colored = _colored(recolor(sized, channels), wanted)
    return colored.reshape(len(pictures), *_final(wanted, height, width, channels))


def _colored(pictures: Array | None, wanted: Wanted) -> Array:
    if pictures is None:
        raise _refuse(wanted, "cannot be made from pictures with this number of channels")
    return pictures


def _native(pictures: Array) -> tuple[int, int, int]:
    _, height, width, channels = pictures.shape
    return height, width, channels


def _final(wanted: Wanted, height: int, width: int, channels: int) -> tuple[int, ...]:
    if len(wanted.shape) == 3:
        return (height, width, channels)
    return (height, width) if len(wanted.shape) == 2 else (height * width * channels,)


def note(
    wanted: Wanted, native: tuple[int | None, int | None, int], divided_by: float
) -> dict[str, Any]:
    """What `fit` does, as plain JSON; `read_image` does the same to a single picture."""
    size = target(wanted, native)
    return {
        "kind": "pictures",
        "native": None if native[0] is None else list(native),
        "size": list(size),
        "resized": "bilinear, half-pixel centres",
        "channels": _channels(native[2], size[2]),
        "divided_by": float(divided_by),
        "layout": {3: "image", 2: "rows as a sequence", 1: "flattened"}[len(wanted.shape)],
    }


def _channels(present: int, asked: int) -> str:
    if present == asked:
        return "as they are"
    return f"repeated {asked} times" if present < asked else "grey by ITU-R 601"


def require_memory(request: Request, examples: int, shapes: list[Shape]) -> None:
    """Refuse data whose arrays would not fit in the memory that they may take.

    Raises:
        DataError: before anything is allocated.
    """
    needed = sum(
        examples * math.prod(dim or 1 for dim in shape) * wanted.dtype.itemsize
        for shape, wanted in zip(shapes, request.wanted, strict=True)
    )
    if needed > request.most_bytes:
        raise DataError(
            f"{examples:,} examples would take {size_text(needed)} of memory; at most"
            f" {size_text(request.most_bytes)} are allowed",
            where=request.spec,
            hint="use fewer or smaller examples, or a smaller input",
        )


def size_text(count: int) -> str:
    """A number of bytes for people.

    >>> size_text(999), size_text(123_456), size_text(4 << 30)
    ('999 B', '120.6 KiB', '4.0 GiB')
    """
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:,.1f} {unit}"
