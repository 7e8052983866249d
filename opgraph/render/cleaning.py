"""Texts from outside, made harmless before they are measured, drawn or printed."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

REPLACEMENT = "\ufffd"
LONGEST = 10_000


@lru_cache(maxsize=16384)
def clean(text: str) -> str:
    r"""The text on one line, without anything that could drive what shows it.

    Control characters, characters that change the direction of text, surrogates and those that XML
    1.0 does not allow become U+FFFD; line ends and tabs become spaces.

    >>> clean("a\u202eb\x1b[31m\tc")
    'a\ufffdb\ufffd[31m c'
    """
    if text.isprintable():
        return text[:LONGEST]
    return "".join(map(_clean_char, text[:LONGEST]))


def _clean_char(char: str) -> str:
    if char in "\n\r\t":
        return " "
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    bad = category in ("Cc", "Cf", "Cs", "Zl", "Zp") or ord(char) in (0xFFFE, 0xFFFF)
    return REPLACEMENT if bad else char
