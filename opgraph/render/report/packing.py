"""Numbers as text that a page can hold: little-endian arrays in base64, JSON that ends no script.

Must not know what the numbers mean.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from opgraph.record import Array

# What could end a script element, begin a comment, or be a line end in JavaScript.
HARMLESS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def pack_floats(array: Array) -> str:
    """Numbers as float32; infinities become NaN, which a page shows as no value.

    >>> pack_floats(np.array([1.0, np.inf]))
    'AACAPwAAwH8='
    """
    with np.errstate(over="ignore"):
        small = np.asarray(array, np.float64).astype("<f4")
    small[~np.isfinite(small)] = np.nan
    return base64.b64encode(small.tobytes()).decode()


def pack_shares(array: Array) -> str:
    """Shares from 0 to 1 in 65,535 steps; what is not zero does not become zero.

    >>> pack_shares(np.array([0.0, 1e-9, 1.0]))
    'AAABAP//'
    """
    steps = np.round(np.asarray(array, np.float64) * 65535)
    steps = np.where((steps == 0) & (np.asarray(array) > 0), 1, steps)
    return base64.b64encode(steps.astype("<u2").tobytes()).decode()


def script_json(data: Any) -> str:
    r"""Data as JSON that can stand inside a script element.

    >>> script_json({"name": "</script><!--"})
    '{"name":"\\u003c/script\\u003e\\u003c!--"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(HARMLESS)
