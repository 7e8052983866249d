"""The report in a real browser: what a reader does, and what a hostile graph tries."""

import csv
import re
from itertools import pairwise

import pandas as pd
import pytest

from opgraph.api import open_run as open_run_handle
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.record import open_run
from opgraph.render.heat import heat_colour
from opgraph.render.report import report_page
from opgraph.render.scale import level_of, scale_for
from opgraph.render.theme import THEMES
from opgraph.text import parse

pytestmark = pytest.mark.browser

NETWORK = """
    x: Input(shape=(8, 8, 1)) -> conv: Conv2D(filters=4)
    conv -> norm: BatchNormalization()
    norm -> relu: ReLU() -> pool: MaxPooling2D() -> flat: Flatten() -> fc[units=10]
    fc -> prob: Softmax()
"""


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "small"
    measure = ["default", "*.*histogram:every=20"]
    analysis = made.write_run(path, parse(NETWORK), 60, measure=measure)
    (path / "report.html").write_text(report_page(open_run(path), analysis), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def file(run):
    return run / "report.html"


def weights(run):
    return pd.read_parquet(run / "weight")


def heading(seen) -> str:
    return seen.page.locator("#right h2").first.inner_text()


def test_each_view_opens_in_both_themes_and_languages(look, file):
    for theme in ("light", "dark"):
        seen = look(file, theme=theme)
        for view in ("overview", "layers", "node", "table"):
            seen.page.click(f"#tab-{view}")
            if view == "node":
                seen.page.keyboard.press("ArrowDown")
                seen.page.keyboard.press("ArrowDown")
                seen.page.keyboard.press("ArrowDown")
            if view != "table":
                seen.drawn()
            seen.page.wait_for_timeout(150)
            seen.shot(f"{theme}-{view}")
        assert seen.page.evaluate("document.documentElement.dataset.theme") == theme
    seen.page.click("#lang")
    assert seen.page.locator("#tab-overview").inner_text() == "总览"
    assert seen.page.evaluate("document.documentElement.lang") == "zh-Hans"
    seen.page.click("#theme")
    assert seen.page.evaluate("document.documentElement.dataset.theme") == "light"
    seen.page.click("#tab-overview")
    seen.drawn()
    seen.shot("zh-overview")
    text = seen.page.inner_text("#app")
    assert not re.search(r"\b(?:page|view|node|panel|card|health|graph)\.[a-z_]+", text)


def test_the_slider_shows_the_recorded_numbers_of_each_step(look, run, file):
    seen = look(file)
    steps = pd.read_parquet(run / "steps").set_index("step")
    slider = seen.page.locator("#step")
    for step, place in ((1, "0"), (37, "36"), (60, "59")):
        slider.fill(place)
        assert seen.page.inner_text("#where") == f"step {step} of 60"
        shown = seen.page.locator("footer .figure").first.inner_text()
        assert shown == f"loss {steps.loss[step]:#.3g}"


def test_the_colours_of_the_graph_are_those_of_opgraph_draw(look, run, file):
    """The page computes them in the browser; `opgraph draw` in Python."""
    table = weights(run)
    kernels = table[table.weight.isin(["kernel", "gamma"])]
    for quantity, wanted in (("grad_norm", None), ("update_ratio", 1e-3)):
        seen = look(file, f"#colour=weight.{quantity}&step=25")
        scale = scale_for(table[quantity].dropna().tolist(), wanted)
        for node in ("conv", "norm", "fc"):
            mine = table[(table.node == node) & (table.step == 25)]
            number = mine[quantity].max() if wanted is None else None
            if number is None:
                number = kernels[(kernels.node == node) & (kernels.step == 25)][quantity].iloc[0]
            colour = heat_colour(THEMES["light"], level_of(scale, float(number)))
            got = seen.page.evaluate(
                f"getComputedStyle(document.querySelector('g.node[data-node={node}] .box')).fill"
            )
            red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
            assert got == f"rgb({red}, {green}, {blue})", (quantity, node)


def test_a_click_on_a_node_shows_it_and_stands_in_the_address(look, file):
    seen = look(file)
    seen.page.click("g.node[data-node=conv]")
    assert heading(seen).startswith("conv")
    seen.until("location.hash.includes('node=conv')")
    assert "3×3×1×4 = 36" in seen.page.inner_text(".facts")
    assert seen.page.locator("g.node.chosen").get_attribute("data-node") == "conv"
    seen.page.click("dl.facts button:has-text('norm')")
    assert heading(seen).startswith("norm")
    seen.page.get_by_text("Variance: batch and moving").scroll_into_view_if_needed()
    seen.drawn(3)
    assert "Mean: batch and moving" in seen.page.inner_text("#right")


def test_the_numbers_of_a_node_are_those_recorded(look, run, file):
    seen = look(file, "#step=42&node=fc")
    row = weights(run).query("node == 'fc' and weight == 'kernel' and step == 42").iloc[0]
    shown = seen.page.locator("tr", has=seen.page.get_by_text("kernel · gradient norm", exact=True))
    assert shown.locator("td.now").inner_text() == f"{row.grad_norm:#.3g}"
    seen.page.keyboard.press("ArrowRight")
    row = weights(run).query("node == 'fc' and weight == 'kernel' and step == 43").iloc[0]
    assert shown.locator("td.now").inner_text() == f"{row.grad_norm:#.3g}"


def test_search_finds_by_part_of_a_name_or_by_op(look, file):
    seen = look(file)
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("batchnorm")
    assert seen.page.locator("#found li").count() == 1
    seen.page.keyboard.press("Enter")
    assert heading(seen).startswith("norm")
    seen.page.fill("#search", "nothing like it")
    assert seen.page.inner_text("#found") == "no node"


def test_the_keyboard_does_what_the_mouse_does(look, file):
    seen = look(file)
    where = lambda: seen.page.inner_text("#where")  # noqa: E731
    seen.page.keyboard.press("Home")
    assert where() == "step 1 of 60"
    seen.page.keyboard.press("Shift+ArrowRight")
    seen.page.keyboard.press("ArrowLeft")
    assert where() == "step 10 of 60"
    seen.page.keyboard.press("End")
    assert where() == "step 60 of 60"
    for key, view in zip("1234", ("overview", "layers", "node", "table"), strict=True):
        seen.page.keyboard.press(key)
        assert seen.page.locator("[aria-selected=true]").get_attribute("id") == f"tab-{view}"
    seen.page.keyboard.press("ArrowDown")
    assert heading(seen).startswith("x")
    seen.page.keyboard.press("?")
    assert seen.page.locator("dialog").is_visible()
    seen.page.keyboard.press("Escape")
    seen.until("document.querySelector('dialog') === null")
    seen.page.focus("g.node[data-node=x]")
    seen.page.keyboard.press("Enter")
    assert heading(seen).startswith("x")


def test_whoever_cannot_see_it_is_told_what_each_control_is(look, file):
    seen = look(file, "#node=fc&other=conv")
    for view in "1234":
        seen.page.keyboard.press(view)
        nameless = seen.page.evaluate(
            """[...document.querySelectorAll('button, input, select, [role=button], [role=img]')]
            .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim()
              || (one.labels && [...one.labels].some((label) => label.textContent.trim()))))
            .map((one) => one.outerHTML.slice(0, 200))"""
        )
        assert nameless == []
    spoken = seen.page.locator("g.node[data-node=fc]").get_attribute("aria-label")
    assert re.fullmatch(r"fc, gradient at the output: RMS [\d.e−]+", spoken)
    assert seen.page.locator("#step").get_attribute("aria-valuetext") == "step 60"


def test_it_works_in_the_frame_of_a_notebook(look, run, tmp_path):
    frame = open_run_handle(run).report()._repr_html_()
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html><p>Out[1]</p>{frame}", "utf-8")
    seen = look(tmp_path / "notebook.html", ready="iframe")
    inside = seen.page.frame_locator("iframe")
    inside.locator("html[data-ready=yes]").wait_for()
    inside.locator("g.node[data-node=fc]").click()
    assert inside.locator("#right h2").first.inner_text().startswith("fc")
    inside.locator("[data-drawn=yes]").first.wait_for()
    seen.page.keyboard.press("Home")
    assert inside.locator("#where").inner_text() == "step 1 of 60"


def test_play_goes_through_the_steps_and_stops_at_the_end(look, file):
    seen = look(file)
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("Space")
    assert seen.page.inner_text("#play") == "Pause"
    seen.until("document.getElementById('step').value > 5")
    seen.until("document.getElementById('play').textContent === 'Play'")
    assert seen.page.inner_text("#where") == "step 60 of 60"


def test_a_link_opens_the_page_as_it_was(look, file):
    seen = look(file, "#step=12&node=fc&other=conv&lang=zh&theme=dark&colour=output.rms")
    assert seen.page.inner_text("#where") == "第 12 步，共 60 步"
    assert seen.page.locator(".heads h2").count() == 2
    assert seen.page.locator("#colour").input_value() == "output.rms"
    assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"
    seen.drawn()
    seen.shot("zh-dark-compare")
    again = look(file, "#step=x&node=nobody&view=__proto__&colour=constructor&lang=toString")
    assert again.page.inner_text("#where") == "step 60 of 60"


def test_the_table_sorts_filters_and_is_saved_with_all_digits(look, run, file, tmp_path):
    seen = look(file, "#view=table&step=30&colour=weight.grad_norm", accept_downloads=True)
    column = seen.page.locator("th button", has_text="parameters")
    column.click()
    first = seen.page.locator("table.nodes tbody tr").first
    assert first.locator("td").first.inner_text() == "fc"
    column.click()
    assert first.locator("td").first.inner_text() == "x"
    seen.page.fill("#filter", "conv")
    assert seen.page.locator("table.nodes tbody tr").count() == 1
    seen.page.fill("#filter", "")
    with seen.page.expect_download() as waiting:
        seen.page.click("#csv")
    assert waiting.value.suggested_filename == "small-step-30.csv"
    waiting.value.save_as(tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 8
    table = weights(run).query("step == 30").groupby("node").grad_norm.max()
    saved = {row["node"]: float(row["weight.grad_norm"]) for row in rows if row["weight.grad_norm"]}
    assert saved.keys() == set(table.index)
    for node, number in saved.items():
        assert number == pytest.approx(table[node], rel=1e-7)


def test_a_click_into_a_chart_goes_to_that_step(look, file):
    seen = look(file)
    seen.drawn()
    box = seen.page.locator("[data-drawn=yes]").first.bounding_box()
    seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.until("!document.getElementById('where').textContent.includes('step 60 ')")
    step = int(re.search(r"step (\d+)", seen.page.inner_text("#where"))[1])
    assert 24 <= step <= 38


HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=alert(1)>",
    "]]></script><script>alert(2)</script>",
    "javascript:alert(3)",
    "</style><!-- {{constructor}} ${7*7} -->",
    "evil\u202egnp.exe\u2066",
    "bell\x07\x1b[31m\x00tab\tline\nend",
    "long" * 2500,
    "__proto__",
    "=1+1",
]


@pytest.fixture(scope="module")
def hostile(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "run <b>&amp;'\"x"
    kinds = [require("Input"), *[require("Dense")] * (len(HOSTILE) - 1)]
    nodes = [
        Node(name, kind, {"shape": (4,)} if kind.kind == "Input" else {"units": 4}, label=name[:50])
        for name, kind in zip(HOSTILE, kinds, strict=True)
    ]
    edges = [Edge(a, b, 0) for a, b in pairwise(HOSTILE)]
    analysis = made.write_run(
        path, OpGraph(nodes, edges, "</title><script>"), 12, measure="default"
    )
    target = path.parent / "hostile.html"
    target.write_text(report_page(open_run(path), analysis), encoding="utf-8")
    return target


# Text of the page, that of the charts' shadow trees included.
ALL_TEXT = """(() => {
  const texts = [];
  const walk = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (!element.shadowRoot) continue;
      texts.push(element.shadowRoot.textContent);
      walk(element.shadowRoot);
    }
  };
  walk(document);
  return texts.join(' ');
})()"""


def test_the_text_of_a_hostile_graph_stays_text(look, hostile):
    seen = look(hostile)
    dialogs = []
    seen.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert seen.page.title() == "run <b>&amp;'\"x · opgraph report"
    seen.page.click("#tab-table")
    shown = seen.page.locator("table.nodes tbody tr td:first-child").all_inner_texts()
    assert shown[0] == HOSTILE[0]
    assert shown[2] == HOSTILE[2]
    assert shown[3] == HOSTILE[3]
    assert shown[5] == "evil\ufffdgnp.exe\ufffd"
    assert shown[6] == "bell\ufffd\ufffd[31m\ufffdtab line end"
    assert len(shown[7]) == 400
    assert shown[8] == "__proto__"
    for _ in HOSTILE:
        seen.page.keyboard.press("ArrowDown")
        assert heading(seen)
    seen.page.keyboard.press("ArrowUp")
    while not heading(seen).startswith("<img"):
        seen.page.keyboard.press("ArrowUp")
    seen.drawn()
    box = seen.page.locator("[data-drawn=yes]").first.bounding_box()
    for share in (0.3, 0.5, 0.7):  # what hovers beside the line is text, too
        seen.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        seen.page.wait_for_timeout(60)
    assert "<img src=x onerror=alert(1)>" in seen.page.evaluate(ALL_TEXT)
    seen.shot("hostile-hover")
    for view in "1234":
        seen.page.keyboard.press(view)
        seen.page.wait_for_timeout(100)
        seen.shot(f"hostile-{view}")
    assert dialogs == []
    assert (
        seen.page.evaluate("document.querySelectorAll('img, script:not([id=content])').length") == 1
    )
    assert seen.page.evaluate("document.querySelectorAll('a[href^=javascript]').length") == 0


def test_a_fold_opens_where_it_is_clicked(look, made, tmp_path):
    blocks = [
        f"b{n - 1} -> c{n}: Dense(units=4) -> r{n}: ReLU() -> b{n}: Dense(units=4)"
        for n in range(1, 40)
    ]
    text = "\n".join(["b0: Input(shape=(4,))", *blocks])
    analysis = made.write_run(tmp_path / "deep", parse(text), 3, measure="norms")
    page = report_page(open_run(tmp_path / "deep"), analysis)
    (tmp_path / "deep.html").write_text(page, encoding="utf-8")
    seen = look(tmp_path / "deep.html")
    fold = seen.page.locator("[data-picture=folded] g.node[aria-label*=nodes]").first
    assert re.match(
        r"\d+ nodes, gradient at the output: norm [\d.]+", fold.get_attribute("aria-label")
    )
    assert seen.page.locator("#fold").inner_text() == "Show all nodes"
    fold.click()
    assert seen.page.locator("#fold").inner_text() == "Fold"
    assert not seen.page.locator("[data-picture=folded]").is_visible()
    chosen = seen.page.locator("[data-picture=whole] g.node.chosen")
    assert chosen.is_visible()
    assert heading(seen).startswith(chosen.get_attribute("data-node"))
    seen.page.click("#fold")
    assert seen.page.locator("[data-picture=folded]").is_visible()
    assert seen.page.locator("[data-picture=folded] g.node.chosen").count() == 1
