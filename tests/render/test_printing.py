"""PNG and PDF: opened again, they have the size of the picture, and texts at their places."""

import io
import re

import pytest

from opgraph.errors import FormatError
from opgraph.render import draw_svg, picture_bytes
from opgraph.render.printing import MOST_PIXELS, checked_suffix, to_pdf, to_png

cairosvg = pytest.importorskip("cairosvg")
Image = pytest.importorskip("PIL.Image")


def size_of(svg):
    return tuple(map(float, re.search(r' width="([\d.]+)" height="([\d.]+)"', svg).groups()))


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_a_png_has_two_pixels_a_unit(network, theme, tmp_path):
    svg = draw_svg(network("residual"), theme=theme)
    with Image.open(io.BytesIO(picture_bytes(svg, tmp_path / "a.PNG"))) as image:
        assert image.size == tuple(round(2 * side) for side in size_of(svg))
        corner = image.convert("RGB").getpixel((1, 1))
    assert corner == {"dark": (15, 23, 42)}.get(theme, (255, 255, 255))


def test_a_pdf_is_one_page_of_the_size_of_the_picture(network):
    svg = draw_svg(network("residual"))
    pdf = to_pdf(svg)
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    box = re.search(rb"/MediaBox \[ ?([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ?\]", pdf)
    sides = [float(number) for number in box.groups()]
    assert sides[:2] == [0, 0]
    assert sides[2:] == pytest.approx([side * 0.75 for side in size_of(svg)], abs=1)


def ink(svg):
    """Columns of pixels, in units of the picture, that are not of the ground."""
    with Image.open(io.BytesIO(to_png(svg))) as image:
        pixels = image.convert("L").point(lambda value: 255 * (value < 200))
        left, _, right, _ = pixels.getbbox()
    return left / 2, right / 2


@pytest.mark.parametrize(
    "words", ["WWWWWWWWWW", "iiiiiiiiii", "a &lt; b &amp; c", "update_ratio " * 20]
)
def test_a_text_is_as_long_as_it_was_measured(words):
    length = 300.0
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" id="r" width="400" height="30"'
        ' viewBox="0 0 400 30"><style>#r .name{font-size:12px}</style>'
        '<path fill="#fff" d="M0 0H400V30H0Z"/>'
        f'<text class="name" x="50" y="20" textLength="{length:g}"'
        f' lengthAdjust="spacingAndGlyphs">{words}</text></svg>'
    )
    left, right = ink(svg)
    assert left == pytest.approx(50, abs=9)
    assert right == pytest.approx(350, abs=12)


def test_text_on_a_dark_box_is_light(network):
    from opgraph.render import make_notes

    analysis = network("residual")
    svg = draw_svg(analysis, notes=make_notes(analysis, color_by="flops"))
    outlined = to_png(svg)
    assert outlined != to_png(re.sub(r"#[\w-]+ \.h-\w+~text\{[^}]*\}\n", "", svg))


def test_too_many_pixels_are_refused():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" id="r" width="40000" height="30000"></svg>'
    with pytest.raises(FormatError) as caught:
        to_png(svg)
    assert str(caught.value) == (
        "the picture would have 4,800 million pixels, expected at most 120\n"
        "   fold it (--fold 40), or write .svg or .pdf"
    )
    assert MOST_PIXELS == 120_000_000


@pytest.mark.parametrize(
    ("name", "received"), [("a.jpg", "'.jpg'"), ("a", "no suffix"), ("a.svgz", "'.svgz'")]
)
def test_other_suffixes_are_refused(tmp_path, name, received):
    with pytest.raises(FormatError) as caught:
        checked_suffix(tmp_path / name)
    assert str(caught.value) == (
        f"{tmp_path / name}: pictures are written as .svg, .png, .pdf, received {received}"
    )
