"""How wide a text is, by the advance widths of Liberation Sans.

That font has the widths of Arial and Helvetica, so what is measured here holds nearly everywhere.
Owns measuring and shortening; knows nothing of what the text says. The table is made by
`tools/font_widths.py`. Characters the font lacks count 1 em where they are wide (Chinese, Japanese,
Korean), 0 where they combine, else 0.6 em.
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

ELLIPSIS = "…"
FALLBACK_EM = 0.6


@cache
def _face(bold: bool) -> dict[str, float]:
    """Widths in em by character."""
    source = files("opgraph.render") / "assets" / "liberation_sans.json"
    face = json.loads(source.read_text(encoding="utf-8"))["faces"]["bold" if bold else "regular"]
    em = face["units_per_em"]
    return {
        chr(int(start) + offset): width / em
        for start, run in face["runs"].items()
        for offset, width in enumerate(run)
    }


def _missing(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(char) in "WF" else FALLBACK_EM


@lru_cache(maxsize=65536)
def _ems(text: str, bold: bool) -> float:
    face = _face(bold)
    return sum(face[char] if char in face else _missing(char) for char in text)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of a text in pixels at a font size.

    >>> round(text_width("conv2d_1", 12), 2), text_width("卷积", 10)
    (52.04, 20.0)
    """
    return _ems(text, bold) * size


@lru_cache(maxsize=16384)
def shorten(text: str, room: float, size: float, bold: bool = False) -> str:
    """The text, or as much of its two ends as fits into `room` pixels around an ellipsis.

    >>> shorten("a_very_long_name_of_a_node", 80, 12)
    'a_ver…_node'
    """
    if text_width(text, size, bold) <= room:
        return text
    face = _face(bold)
    left = room / size - face[ELLIPSIS]
    head, tail = 0, 0
    while left > 0 and head + tail < len(text):
        from_head = head <= tail
        char = text[head] if from_head else text[-1 - tail]
        left -= face[char] if char in face else _missing(char)
        if left < 0:
            break
        head, tail = (head + 1, tail) if from_head else (head, tail + 1)
    return text[:head] + ELLIPSIS + (text[-tail:] if tail else "")
