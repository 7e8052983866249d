"""Widths agree with the font's own tables and with figures known from Arial's metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from opgraph.render.metrics import shorten, text_width

FONTS = Path("/usr/share/fonts/truetype/liberation")

# Widths in thousandths of an em from Adobe's metrics of Helvetica, whose widths the font has.
HELVETICA = {"a": 556, "A": 667, "i": 222, "W": 944, "0": 556, "_": 556, "@": 1015, " ": 278}
HELVETICA_BOLD = {"a": 556, "A": 722, "i": 278, "W": 944, "0": 556, "m": 889}


@pytest.mark.parametrize(("char", "width"), HELVETICA.items())
def test_regular_widths_are_those_of_helvetica(char: str, width: int) -> None:
    assert text_width(char, 1000) == pytest.approx(width, abs=1)


@pytest.mark.parametrize(("char", "width"), HELVETICA_BOLD.items())
def test_bold_widths_are_those_of_helvetica(char: str, width: int) -> None:
    assert text_width(char, 1000, bold=True) == pytest.approx(width, abs=1)


@pytest.mark.skipif(not FONTS.exists(), reason="Debian's fonts-liberation is not installed")
@pytest.mark.parametrize(("face", "bold"), [("Regular", False), ("Bold", True)])
def test_widths_agree_with_the_font_file(face: str, bold: bool) -> None:
    ttfont = pytest.importorskip("fontTools.ttLib").TTFont
    font = ttfont(FONTS / f"LiberationSans-{face}.ttf")
    glyphs, metrics = font.getBestCmap(), font["hmtx"]
    for char in "conv2d_1 BatchNormalization 3×3 · → … − ≥ αβγ ЖИ ﬁ".replace("ﬁ", ""):
        expected = metrics[glyphs[ord(char)]][0] / font["head"].unitsPerEm
        assert text_width(char, 1, bold) == pytest.approx(expected, abs=1e-9), char


def test_digits_have_one_width() -> None:
    assert len({text_width(digit, 11) for digit in "0123456789"}) == 1


@pytest.mark.parametrize(
    ("text", "ems"), [("卷积层", 3), ("ＡＢ", 2), ("한글", 2), ("e\u0301", 0.556)]
)
def test_other_scripts_are_measured_by_their_kind(text: str, ems: float) -> None:
    assert text_width(text, 1) == pytest.approx(ems, abs=1e-3)


@pytest.mark.parametrize("text", ["a" * 10_000, "卷积" * 500, "Wi" * 40, "x"])
@pytest.mark.parametrize("room", [0, 5, 40, 123.4])
def test_shortened_text_fits_and_keeps_both_ends(text: str, room: float) -> None:
    short = shorten(text, room, 12)
    assert text_width(short, 12) <= max(room, text_width("…", 12))
    if short != text and len(short) > 2:
        head, tail = short.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
