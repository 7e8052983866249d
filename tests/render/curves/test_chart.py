"""Pictures of curves, read back from the SVG."""

import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from opgraph.errors import FormatError, MissingDependencyError
from opgraph.record import open_run
from opgraph.render.curves.chart import CurveOptions, render_curves
from opgraph.render.curves.series import Series, catalogue, find_quantity, read_series
from opgraph.render.curves.style import STYLES, contrast, readable

SVG = "{http://www.w3.org/2000/svg}"


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recorded = load("recorded")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return open_run(recorded.write_run(tmp_path_factory.mktemp("curves") / "run"))


@pytest.fixture(scope="module")
def quantity(record):
    return find_quantity("weight.grad_norm", catalogue(record))


def panel(record, word, **options):
    return read_series(record, find_quantity(word, catalogue(record)), **options)


def made(quantity, values, *, name="fc/kernel", run="", steps=None, tainted=None):
    values = np.asarray(values, dtype=np.float64)
    steps = np.arange(1, len(values) + 1) if steps is None else np.asarray(steps)
    nothing = np.zeros(len(values), dtype=bool)
    found = nothing if tainted is None else np.asarray(tainted)
    return Series(quantity, name, name.split("/")[0], run, steps, values, nothing, found)


def drawn(panels, folder, **options):
    path = folder / "x.svg"
    render_curves(panels, path, CurveOptions(**options))
    return ElementTree.parse(path).getroot()


def texts(root):
    return ["".join(item.itertext()) for item in root.iter(f"{SVG}text")]


def places(root):
    """Text -> (x, y) of its start, from the transform."""
    found = {}
    for item in root.iter(f"{SVG}text"):
        move = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", item.get("transform", ""))
        x, y = (move[1], move[2]) if move else (item.get("x"), item.get("y"))
        found["".join(item.itertext())] = (float(x), float(y))
    return found


def lines(root, colour):
    """The points of each polyline of a colour that is drawn in full strength."""
    found = []
    for item in root.iter(f"{SVG}path"):
        style = item.get("style", "")
        if (
            f"stroke: {colour.lower()}" in style
            and "fill: none" in style
            and "clip-path" in item.attrib
        ):
            numbers = re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", item.get("d"))
            found.append(np.array(numbers, dtype=float))
    return found


def test_the_same_numbers_make_the_same_bytes(record, tmp_path):
    panels = [panel(record, "loss"), panel(record, "weight.grad_norm")]
    for suffix in ("svg", "png", "pdf"):
        for name in "ab":
            render_curves(panels, tmp_path / f"{name}.{suffix}", CurveOptions())
        one, other = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert one == other
        assert len(one) > 3000
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()


def test_texts_are_texts(record, tmp_path):
    root = drawn(
        [panel(record, "loss"), panel(record, "weight.grad_norm")], tmp_path, title="Tïtle"
    )
    shown = texts(root)
    for text in (
        "Tïtle",
        "loss",
        "weight.grad_norm",
        "conv/kernel",
        "fc/kernel",
        "fc/bias",
        "step",
    ):
        assert text in shown
    style = next(item.get("style") for item in root.iter(f"{SVG}text"))
    assert "'Liberation Sans'" in style
    assert "sans-serif" in style


@pytest.mark.parametrize("log", ["on", "off"])
def test_points_lie_where_the_values_are(quantity, tmp_path, log):
    values = np.array([0.5, 1.0, 8.0, 2.0, 0.25])
    points = lines(drawn([[made(quantity, values)]], tmp_path, log=log), "#0072B2")[0]
    scale = np.log(values) if log == "on" else values
    slope = (points[1, 1] - points[0, 1]) / (scale[1] - scale[0])
    assert slope < 0, "larger is higher"
    np.testing.assert_allclose(points[:, 1] - points[0, 1], slope * (scale - scale[0]), atol=1e-3)
    assert np.diff(points[:, 0]) == pytest.approx(np.full(4, points[1, 0] - points[0, 0]), abs=1e-3)


def test_gaps_and_marks_where_a_value_is_no_number(quantity, tmp_path):
    values = [1.0, 1.5, np.nan, 1.2, 1.1, np.inf, 1.3, 1.2]
    root = drawn([[made(quantity, values)]], tmp_path)
    style = "stroke: #0072b2"
    paths = [item for item in root.iter(f"{SVG}path") if style in item.get("style", "")]
    d = next(item.get("d") for item in paths if "clip-path" in item.attrib)
    assert d.count("M") == 3
    assert d.count("M") + d.count("L") == 6
    marks = [item for item in root.iter(f"{SVG}use") if "#b91c1c" in item.get("style", "")]
    assert len(marks) == 2
    assert "× NaN or Inf among the elements · ▲ ▼ infinite" in texts(root)


def test_steps_with_nonfinite_elements_are_marked_on_the_line(quantity, tmp_path):
    root = drawn([[made(quantity, [1.0, 2.0, 3.0], tainted=[False, True, False])]], tmp_path)
    marks = [item for item in root.iter(f"{SVG}use") if "#b91c1c" in item.get("style", "")]
    point = lines(root, "#0072B2")[0][1]
    assert [float(marks[0].get("x")), float(marks[0].get("y"))] == pytest.approx(point)
    assert len(marks) == 1


def test_names_at_line_ends_do_not_overlap(quantity, tmp_path):
    some = [made(quantity, [1.0, 2.0 + n * 1e-6], name=f"node_{n}") for n in range(12)]
    found = places(drawn([some], tmp_path))
    heights = sorted(found[f"node_{n}"][1] for n in range(12))
    assert min(np.diff(heights)) >= 9.5
    assert heights[0] > 0
    width, height = drawn([some], tmp_path).get("viewBox").split()[2:]
    assert max(heights) < float(height)
    assert max(found[f"node_{n}"][0] for n in range(12)) < float(width) - 20


def test_many_lines_are_coloured_by_position_and_only_extremes_named(quantity, tmp_path):
    some = [made(quantity, [1.0, 2.0 + n], name=f"node_{n}") for n in range(20)]
    order = {f"node_{n}": n / 19 for n in range(20)}
    root = drawn([some], tmp_path, positions=order)
    shown = [text for text in texts(root) if text.startswith("node_")]
    assert sorted(shown) == ["node_0", "node_1", "node_18", "node_19"]
    assert {"first", "last node"} <= set(texts(root))
    assert len(strokes(root)) >= 20
    assert len(strokes(drawn([some], tmp_path, positions=dict.fromkeys(order, 0.5)))) < 8


def strokes(root):
    styles = [item.get("style", "") for item in root.iter(f"{SVG}path")]
    return {colour for style in styles for colour in re.findall(r"none; stroke: (#\w{6})", style)}


def test_a_long_run_is_drawn_as_range_and_mean_and_says_so(quantity, tmp_path):
    values = np.random.default_rng(0).normal(10, 1, 50_000)
    values[31_234] = 99.0
    root = drawn([[made(quantity, values)]], tmp_path)
    note = "50,000 steps: the band is the range in each pixel column, the line the mean"
    assert note in texts(root)
    assert (tmp_path / "x.svg").stat().st_size < 200_000
    assert "10,000" in texts(root)
    line = lines(root, "#0072B2")[0]
    assert len(line) < 800
    band = root.find(f".//{SVG}g[@id='FillBetweenPolyCollection_1']")
    shape, use = band.find(f".//{SVG}path"), band.find(f".//{SVG}use")
    heights = np.array(re.findall(r"[ML] [-\d.]+ ([-\d.]+)", shape.get("d")), dtype=float)
    heights += float(use.get("y"))
    assert heights.min() < line[:, 1].min() - 20, "the one spike is there"


def test_smoothing_keeps_the_raw_values(quantity, tmp_path):
    values = np.random.default_rng(0).normal(10, 1, 60)
    found = lines(drawn([[made(quantity, values)]], tmp_path, smooth=9), "#0072B2")
    assert len(found) == 2
    assert np.abs(np.diff(found[0][:, 1])).mean() > 3 * np.abs(np.diff(found[1][:, 1])).mean()
    assert "bold: the mean over 9 steps around each; faint: every step" in texts(
        drawn([[made(quantity, values)]], tmp_path, smooth=9)
    )


def test_several_runs_have_their_names(quantity, tmp_path):
    single = [made(quantity, [1.0, 2.0], run=run) for run in ("one", "two")]
    both = [*single, *(made(quantity, [1.0, 3.0], run=run, name="b") for run in ("one", "two"))]
    assert {"one", "two"} <= set(texts(drawn([single], tmp_path)))
    root = drawn([both], tmp_path)
    assert {"fc/kernel (one)", "b (two)"} <= set(texts(root))
    assert len(lines(root, "#0072B2")) == 2, "a node has one colour in all runs"
    assert "stroke-dasharray" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_one_name_has_one_colour_in_all_panels(record, tmp_path):
    panels = [panel(record, "weight.grad_norm", nodes="fc"), panel(record, "weight.value_norm")]
    root = drawn(panels, tmp_path, log="off")
    assert len(lines(root, "#0072B2")) == 2
    assert len(lines(root, "#009E73")) == 1


@pytest.mark.parametrize("theme", STYLES)
def test_texts_can_be_read_and_lines_seen(theme):
    style = STYLES[theme]
    for text in (style.text, style.muted):
        assert contrast(text, style.background) >= 4.5
    for colour in style.colours:
        assert contrast(colour, style.background) >= 2.9
        assert contrast(readable(colour, style), style.background) >= 4.5
    looks = [style.line(number) for number in range(12)]
    assert len(set(looks)) == 12


@pytest.mark.parametrize(("theme", "ground"), [("light", "#ffffff"), ("dark", "#0f172a"),
                                               ("print", "#ffffff")])  # fmt: skip
def test_themes(record, tmp_path, theme, ground):
    drawn([panel(record, "loss")], tmp_path, theme=theme)
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert f"fill: {ground}" in text
    if theme == "print":
        colours = set(re.findall(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b", text))
        assert all(a == b == c for a, b, c in colours), "black, white and grey"


def test_a_png_has_two_pixels_to_each(record, tmp_path):
    from PIL import Image

    render_curves([panel(record, "loss")], tmp_path / "x.png", CurveOptions(size=(500, 260)))
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (1000, 520)


def test_settings_of_the_process_are_left_alone(record, tmp_path):
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 7.5}):
        before = dict(matplotlib.rcParams)
        drawn([panel(record, "loss")], tmp_path)
        assert dict(matplotlib.rcParams) == before


def test_equal_values_and_single_steps_are_drawn(quantity, tmp_path):
    assert lines(drawn([[made(quantity, [0.0, 0.0, 0.0])]], tmp_path), "#0072B2")
    root = drawn([[made(quantity, [2.0])]], tmp_path)
    assert [item for item in root.iter(f"{SVG}use") if "#0072b2" in item.get("style", "")], "a dot"


def test_names_in_any_script_and_markup(quantity, tmp_path):
    root = drawn([[made(quantity, [1.0, 2.0], name="卷积<&$x$_1")]], tmp_path)
    assert "卷积<&$x$_1" in texts(root)


@pytest.mark.parametrize(("name", "received"), [("x.gif", "the suffix '.gif'"),
                                                ("x", "a name without suffix")])  # fmt: skip
def test_other_suffixes(record, tmp_path, name, received):
    with pytest.raises(FormatError) as caught:
        render_curves([panel(record, "loss")], tmp_path / name, CurveOptions())
    assert str(caught.value) == (
        f"{tmp_path / name}: curves are drawn as .svg, .png or .pdf, received {received}"
    )
    assert not list(tmp_path.iterdir())


def test_a_logarithm_needs_a_positive_value(quantity, tmp_path):
    with pytest.raises(FormatError) as caught:
        drawn([[made(quantity, [-1.0, 0.0])]], tmp_path, log="on")
    assert str(caught.value) == (
        "weight.grad_norm: a logarithmic axis needs a value above zero\n   --log off"
    )


def test_a_size_that_is_too_small(record, tmp_path):
    with pytest.raises(FormatError) as caught:
        drawn([panel(record, "weight.grad_norm")] * 3, tmp_path, size=(700, 200))
    assert str(caught.value) == (
        "700x200 is too small for 3 panels\n   a height of 319 will do, 853 is usual"
    )


def test_an_output_that_cannot_be_written(record, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FormatError, match="cannot be written"):
        render_curves([panel(record, "loss")], tmp_path / "file" / "x.svg", CurveOptions())


def test_without_matplotlib(record, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError) as caught:
        drawn([panel(record, "loss")], tmp_path)
    assert str(caught.value) == (
        "drawing curves needs matplotlib, which is not installed: pip install 'opgraph[plot]'"
    )
