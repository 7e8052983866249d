"""`opgraph report`: what it writes, and what it says when it cannot."""

import importlib.util
from pathlib import Path

import pytest

from opgraph.api import open_run
from opgraph.text import parse

MADE = Path(__file__).parents[1] / "render" / "report" / "made.py"
NETWORK = "a: Input(shape=(4,)) -> fc[units=3] -> prob: Softmax()"


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("made", MADE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(made, tmp_path):
    made.write_run(tmp_path / "run", parse(NETWORK), 5, measure="norms")
    return tmp_path / "run"


def test_the_page_goes_into_the_run_unless_told_otherwise(opgraph, run):
    code, out, err = opgraph("report", run)
    assert (code, out) == (0, "")
    target = run / "report.html"
    size = target.stat().st_size / 1e6
    assert err == f"wrote {target} ({size:.1f} MB): open it in a browser\n"
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_page_opens_in_chinese_if_asked(opgraph, run, tmp_path):
    assert opgraph("report", run, "-o", tmp_path / "r.html", "--lang", "zh")[0] == 0
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in text
    assert "请允许脚本运行" in text.partition('id="content"')[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "r.pdf"], "error: r.pdf: expected a file that ends in .html, received 'r.pdf'\n"),
        (["--lang", "fr"], "error: lang: expected one of en, zh, received 'fr'\n"),
    ],
)
def test_what_cannot_be_written_is_one_line(opgraph, run, words, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert opgraph("report", run, *words) == (2, "", message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert not (run / "report.html").exists()


def test_a_run_without_steps_has_no_report(opgraph, made, tmp_path):
    made.write_run(tmp_path / "run", parse(NETWORK), 0, measure="norms")
    code, _, err = opgraph("report", tmp_path / "run")
    assert code == 2
    assert err == (
        f"error: {tmp_path / 'run'}: no step is recorded yet\n   is the training under way?\n"
    )


def test_a_missing_chart_library_is_one_line(opgraph, run, monkeypatch):
    from opgraph.render.report import library

    monkeypatch.setattr(library, "find_spec", lambda name: None)
    code, _, err = opgraph("report", run)
    assert code == 2
    assert err == (
        "error: a report needs the package bokeh, which is not installed:"
        " pip install 'opgraph[report]'\n"
    )
    assert not (run / "report.html").exists()


def test_in_a_notebook_the_page_stands_in_a_frame(run):
    page = open_run(run).report()
    shown = page._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    assert "<script" not in shown
    assert repr(page).startswith("<opgraph.RunReport: ")


def test_a_run_shows_itself_in_a_notebook(run):
    shown = open_run(run)._repr_html_()
    assert shown.startswith(
        "<p><b>run</b>: finished, 5 steps, test accuracy 0.94, test loss 0.21</p><svg "
    )


def test_the_report_links_to_the_story_beside_it(run, tmp_path):
    opened = open_run(run)
    (tmp_path / "story.html").write_text("<p>", encoding="utf-8")
    assert '"story":"story.html"' in opened.report(tmp_path / "r.html").html
    assert '"story":null' in opened.report(run / "r.html").html
