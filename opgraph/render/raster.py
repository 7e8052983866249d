"""Pixels: arrays of numbers as colours, and colours as a PNG file.

Owns colour scales and the file's form; must not know what the numbers are.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Numbers = NDArray[Any]
NONFINITE = (255, 0, 255)  # a colour that no scale has
NEGATIVE, MIDDLE, POSITIVE = (0, 114, 178), (255, 255, 255), (213, 94, 0)
DEEP = (8, 48, 107)


def limits(numbers: Numbers) -> tuple[float, float]:
    """Where a scale begins and ends: around zero if there are negative numbers, else from zero.

    >>> limits(np.array([-1.0, 3.0])), limits(np.array([0.5, 2.0])), limits(np.array([np.nan]))
    ((-3.0, 3.0), (0.0, 2.0), (0.0, 0.0))
    """
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return 0.0, 0.0
    largest = float(np.abs(finite).max())
    return (-largest if finite.min() < 0 else 0.0), largest


def coloured(numbers: Numbers, low: float, high: float, *, grey: bool = False) -> Pixels:
    """A colour for each number (..., 3).

    Args:
        numbers: any array.
        low: begins the scale; below zero it is blue, white at zero and orange.
        high: ends it.
        grey: from black to white instead, as pictures are.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        share = np.clip(numbers / high if high else numbers * 0, -1, 1)
    share = np.where(np.isfinite(share), share, 0)[..., None]
    if grey:
        low_share = -1 if low < 0 else 0
        made = 255 * (share - low_share) / (1 - low_share) * np.ones(3)
    else:
        above = POSITIVE if low < 0 else DEEP
        ends = np.where(share < 0, np.array(NEGATIVE), np.array(above))
        made = np.array(MIDDLE) + np.abs(share) * (ends - np.array(MIDDLE))
    made = np.where(np.isfinite(numbers)[..., None], made, np.array(NONFINITE))
    return np.rint(made).astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    """A PNG file of (height, width, 3)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
