"""A film: one layout and one scale, everything that changes is seen at its time, and no more."""

import math
import re
from xml.etree import ElementTree

import pytest

from opgraph.analysis import analyze
from opgraph.errors import FormatError, OpgraphError
from opgraph.formats import from_json
from opgraph.record import open_run
from opgraph.render.film import film_page, make_film, write_film, write_stills
from opgraph.render.heat import heat_colour
from opgraph.render.scene import Group, Rect, Text
from opgraph.render.theme import THEMES

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def record(recorded, tmp_path_factory):
    return open_run(recorded.write_run(tmp_path_factory.mktemp("run") / "a", planted=False))


@pytest.fixture(scope="module")
def film(record):
    analysis = analyze(from_json(record.graph))
    return make_film(analysis, record, color_by="output.rms", annotate="output.rms", frames=5)


def nodes(scene):
    """Box and texts of each node."""
    found = {}
    graph = next(
        item for item in scene.children if isinstance(item, Group) and item.kind == "graph"
    )
    for group in graph.children:
        if group.kind == "node":
            rect = next(item for item in group.children if isinstance(item, Rect))
            texts = [item.content for item in group.children if isinstance(item, Text)]
            found[group.data["node"]] = rect.kind.split()[1], texts, group.at
    return found


def test_the_steps_are_spread(film):
    assert film.steps == (1, 4, 7, 9, 12)
    assert film.starts == pytest.approx((0, 1 / 8, 2 / 8, 3 / 8, 4 / 8))


def test_nothing_moves_but_numbers_and_colours(film):
    first = nodes(film.scenes[0])
    for scene in film.scenes:
        found = nodes(scene)
        assert {name: entry[2] for name, entry in found.items()} == {
            name: entry[2] for name, entry in first.items()
        }
        assert (scene.width, scene.height) == (film.scenes[0].width, film.scenes[0].height)


def seen(svg, share):
    """What a browser shows at a time: colour and texts of each node, by reading the key frames."""
    frames = {
        name: [(float(at) / 100, dict(re.findall(r"([\w-]+):([^;}]+)", body)))
               for at, body in re.findall(r"([\d.]+)%\{([^}]*)\}", text)]
        for name, text in re.findall(r"@keyframes ([\w-]+)\{((?:[\d.]+%\{[^}]*\})*)\}", svg)
    }  # fmt: skip
    now = {
        name: [state for at, state in steps if at <= share + 1e-9][-1]
        for name, steps in frames.items()
    }
    root = ElementTree.fromstring(svg)
    ident = root.get("id")
    static = dict(re.findall(rf"#{ident} \.(v\d+)\{{visibility:(\w+)\}}", svg))

    def visible(group):
        name = group.get("class") or ""
        state = now.get(f"{ident}-{name}", {}).get("visibility", static.get(name, "visible"))
        return state == "visible"

    def fill(rect):
        level, key = re.search(r"h-(\w+) (k\d+)", rect.get("class")).groups()
        moving = now.get(f"{ident}-{key}", {}).get("fill")
        return moving or heat_colour(THEMES["light"], level)

    found = {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "node":
            texts = [text.text for text in group.findall(f"{SVG}text")]
            for inner in group.findall(f"{SVG}g"):
                if visible(inner):
                    texts += [text.text for text in inner.iter(f"{SVG}text")]
            found[group.get("data-node")] = fill(group.find(f"{SVG}rect")), sorted(texts)
    return found


def test_every_step_is_shown_at_its_time(film):
    svg = write_film(film)
    for start, scene in zip(film.starts, film.scenes, strict=True):
        expected = {
            name: (heat_colour(THEMES["light"], look.removeprefix("h-")), sorted(texts))
            for name, (look, texts, _) in nodes(scene).items()
        }
        assert seen(svg, start + 0.001) == expected


def test_valid_unique_and_the_same_again(film):
    svg = write_film(film)
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert svg == write_film(film)
    assert "prefers-reduced-motion:reduce" in svg
    assert "script" not in svg


def test_no_more_than_a_part_is_there_twice(film):
    stills = [len(still) for still in write_stills(film)]
    assert len(write_film(film)) < 0.6 * sum(stills)


def test_tooltips_do_not_name_one_step(film):
    assert "(step" not in write_film(film)


def test_what_was_never_measured_together(record):
    analysis = analyze(from_json(record.graph))
    with pytest.raises(OpgraphError, match="nothing is called 'nosuch'"):
        make_film(analysis, record, color_by="nosuch")


def test_a_film_of_a_folder_that_is_no_film(record, tmp_path):
    from opgraph.api import animate

    with pytest.raises(FormatError) as caught:
        animate(record.path, tmp_path / "a.mp4")
    assert str(caught.value) == (
        f"{tmp_path / 'a.mp4'}: films are written as .svg, .gif, .html, received '.mp4'\n"
        "   write a .gif, then: ffmpeg -i film.gif film.mp4"
    )
    assert not (tmp_path / "a.mp4").exists()


def test_as_a_gif(record, tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("cairosvg")
    from opgraph.api import animate

    film = animate(record.path, tmp_path / "a.gif", frames=4, seconds=7)
    with image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 4
        assert gif.size == (round(film.scenes[0].width), round(film.scenes[0].height))
        assert gif.info["loop"] == 0
        gif.seek(3)
        assert gif.info["duration"] == 4000


def test_as_a_page(film):
    page = film_page(film, "dark")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en" data-theme="dark">')
    assert 'max="4" value="0"' in page
    assert '"steps": [1, 4, 7, 9, 12]' in page
    assert '"pause": 1500.0' in page
    assert "step-end infinite paused" in page
    assert "prefers-reduced-motion" not in page  # it moves only when asked to
    assert not re.search(r"@import|https?:(?!//www\.w3\.org/2000/svg)|src=|<link", page)


def test_a_hostile_title_is_text(record):
    analysis = analyze(from_json(record.graph))
    film = make_film(analysis, record, color_by="output.rms", frames=2, title="</script><b>&")
    for text in (film_page(film), write_film(film)):
        assert "<b>" not in text
        assert "&lt;/script&gt;&lt;b&gt;&amp;" in text


def test_one_scale_for_all_steps(film, record):
    table = record.table("output", steps=list(film.steps)).to_pandas()
    numbers = table.groupby(["step", "node"])["rms"].max()
    low, high = numbers.min(), numbers.max()
    assert high > 100 * low  # so that the scale is logarithmic
    for step, scene in zip(film.steps, film.scenes, strict=True):
        for name, (look, _, _) in nodes(scene).items():
            if (step, name) in numbers.index:
                share = math.log(numbers[step, name] / low) / math.log(high / low)
                assert look == f"h-m{round(share * 32)}"
