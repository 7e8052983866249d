"""Pages of made-up stories: hostile texts, verdicts, maps of numbers."""

import base64
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from pages import main_of, tags_of

from opgraph.render.story import folded, to_html
from opgraph.render.story.window import WindowMap, window_svg
from opgraph.story import (
    Block,
    Check,
    Num,
    Over,
    Phase,
    Picture,
    Story,
    Sum,
    Sym,
    Table,
    Worked,
    read_catalogue,
    say,
)

EVIL = "</code></details><script>alert(1)</script><b onclick='x()'>&amp; ]]> \"' \u202e\u2066\x1b"
LONG = EVIL + "x" * 10_000


def story_of(*items, name="a", label=None, kind="Dense"):
    blocks = (Block(name, kind, items, label),)
    return Story(1, 0, True, (), (Phase("forward", blocks),))


@pytest.mark.parametrize("text", [EVIL, LONG])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_hostile_texts_stay_texts(text, lang):
    catalogue = read_catalogue(lang)
    story = story_of(
        say("backward.joined", count=2, readers=text),
        Worked(text, Sum((Sym(text), Over(text, Sym(f"x[{text}]")))), Sum((Num(1, text), Num(2)))),
        Table(say("follow.slot", name=text), (say("follow.slot", name=text),), ((text,), (1.5,))),
        Picture(say("picture.window", source=text), np.ones((4, 4)), (0, 0, 2, 2)),
        name=text,
        label=text,
        kind=text,
    )
    page = to_html(story, catalogue, [folded(text, "<p></p>")])
    tags = tags_of(page)
    assert not {"script", "b onclick"} & set(tags.seen)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    told = "".join(main_of(page).itertext())
    assert told.count("<script>alert(1)</script>") >= 10
    assert not re.search("[\u202e\u2066\x1b]", page)


CHECKS = {
    "agrees": ("✓ agrees", "✓ 1 of 1 numbers agree"),
    "tie": ("~ tie", "~ 0 of 1 numbers agree"),
    "disagrees": ("✗ DISAGREES", "✗ 0 of 1 numbers agree"),
}


@pytest.mark.parametrize("verdict", CHECKS)
def test_verdicts_have_a_sign_and_a_word(verdict):
    line = Worked("a", None, Num(1), Check(1.5, 1.0, 0.5, 0.25, 1, verdict))
    page = to_html(story_of(line), read_catalogue("en"))
    word, tally = CHECKS[verdict]
    main = main_of(page)
    (said,) = (e for e in main.iter("span") if e.get("class") == verdict)
    assert "".join(said.itertext()) == word
    (row,) = (e for e in main.iter("p") if e.get("class") == "check")
    assert (
        "".join(row.itertext()) == f"recorded 1.5 independent 1 difference 0.5 allowed 0.25 {word}"
    )
    (head,) = (e for e in main.iter("span") if (e.get("class") or "").startswith("tally"))
    assert "".join(head.itertext()) == tally


def test_an_unverified_step_is_not_called_right():
    story = Story(1, 0, False, (), ())
    first = main_of(to_html(story, read_catalogue("en"))).find("p")
    assert "".join(first.itertext()).startswith("✗ 0 of 0 numbers agree. NOT VERIFIED")


def test_names_and_exponents_in_sentences():
    words = (say("update.adam_bias", step=2, first=0.9, second=0.999),
             say("forward.winner", winner=(1, 2)), say("backward.moved", source="a^2"))  # fmt: skip
    page = to_html(story_of(*words), read_catalogue("en"))
    assert "a share of 0.9<sup>t</sup>, the second a share of 0.999<sup>t</sup>." in page
    assert "<p>The number at [1, 2] won.</p>" in page
    assert "came from in <code>a^2</code>.</p>" in page


# Maps -------------------------------------------------------------------------------------------

SVG = ET.fromstring


def pixels_of(image):
    """The colours of a PNG in an <image>, read by a reader of our own."""
    content = base64.b64decode(image.get("href").partition(",")[2])
    width, height = struct.unpack(">II", content[16:24])
    data, at = b"", 8
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        if content[at + 4 : at + 8] == b"IDAT":
            data += content[at + 8 : at + 8 + size]
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 3 * width)
    return rows[:, 1:].reshape(height, width, 3)


def drawn(array, window):
    return SVG(window_svg(WindowMap(Picture(say("column.blank"), np.array(array), window)), "t"))


def test_signed_numbers_are_blue_and_orange_around_white():
    svg = drawn([[-2.0, 0.0], [1.0, 2.0]], (0, 0, 1, 1))
    whole, window, _ = svg.findall("image")
    colours = pixels_of(whole)
    assert colours[0, 0].tolist() == [0x00, 0x72, 0xB2]
    assert colours[0, 1].tolist() == [255, 255, 255]
    assert colours[1, 1].tolist() == [0xD5, 0x5E, 0x00]
    assert pixels_of(window).tolist() == [[[0x00, 0x72, 0xB2]]]
    texts = [text.text for text in svg.findall("text")]
    assert texts == ["−2", "−2", "0", "2"]


def test_magnitudes_begin_at_zero():
    svg = drawn([[1.0, 4.0], [2.0, 3.0]], (0, 0, 1, 2))
    assert [text.text for text in svg.findall("text")] == ["1", "4", "0", "4"]


def test_the_frame_is_where_the_window_is():
    svg = drawn(np.arange(64.0).reshape(8, 8), (2, 4, 2, 3))
    whole = svg.find("image")
    unit = float(whole.get("width")) / 8
    mark = next(rect for rect in svg.findall("rect") if rect.get("class") == "mark")
    place = [float(mark.get(name)) for name in ("x", "y", "width", "height")]
    assert place == pytest.approx([1 + 4 * unit, 1 + 2 * unit, 3 * unit, 2 * unit], abs=0.06)
    enlarged = pixels_of(svg.findall("image")[1])
    assert (enlarged == pixels_of(whole)[2:4, 4:7]).all()
    numbers = [text.text for text in svg.findall("text")][:6]
    assert numbers == ["20", "21", "22", "28", "29", "30"]


def test_three_channels_are_a_picture_and_more_a_mean():
    colours = np.zeros((2, 2, 3))
    colours[0, 0] = (1, 0.5, 0)
    picture = WindowMap(Picture(say("column.blank"), colours, (0, 0, 1, 1)))
    assert picture.is_colour
    assert picture.pixels()[0, 0].tolist() == [255, 128, 0]
    many = WindowMap(Picture(say("column.blank"), np.dstack([np.eye(2)] * 4), (0, 0, 1, 1)))
    assert (many.channels, many.numbers.tolist()) == (4, [[1, 0], [0, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_has_a_colour_and_words_of_its_own(value):
    picture = Picture(say("picture.window", source="a"), np.array([[value, 1.0]]), (0, 0, 1, 1))
    page = to_html(story_of(picture), read_catalogue("en"))
    assert "The window on <code>a</code>. Magenta: NaN or infinite.</figcaption>" in page
    assert WindowMap(picture).pixels()[0, 0].tolist() == [0xA2, 0x1C, 0xAF]


@pytest.mark.parametrize("array", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones((1, 900))])
def test_odd_maps_can_be_drawn(array):
    svg = drawn(array, (0, 0, 1, 1))
    assert float(svg.get("width")) < 400
    assert max(pixels_of(svg.find("image")).shape) <= 300


def test_a_window_that_is_the_whole_map_is_not_enlarged():
    assert len(drawn(np.eye(3), (0, 0, 3, 3)).findall("image")) == 2
