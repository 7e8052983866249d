"""The page as a file: what is in it, what it may do, its words."""

import json
import re
from importlib.resources import files

import pytest

from opgraph.record import QUANTITIES
from opgraph.render.report import read_words, report_page
from opgraph.render.report.page import SCRIPTS

ASSETS = files("opgraph.render.report") / "assets"
CODE = "".join((ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
# Keys that the script puts together, and those of the list of runs, by what they begin with.
MADE = (
    "health.silent",
    "health.zeros",
    "page.wanted",
    "runs.",
    "base.dead",
    "kind",
    "part",
    "base",
    "source",
    "status",
    "view",
    "panel",
    "steps",
    "bn",
    "dropout",
    "weight",
    "node.bn_",
)


@pytest.fixture(scope="module")
def page(reported):
    return report_page(*reported)


def test_the_page_loads_nothing_and_runs_one_script(page):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    assert re.search(r"script-src 'sha256-[^']+';", policy)
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    markup = re.sub(r"<script.*?</script>|<style>.*?</style>", "", page, flags=re.S)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", markup)


def test_the_page_of_a_small_run_is_small(page):
    assert len(page.encode()) < 3e6


def test_the_data_of_the_page_is_json(page):
    text = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.S)[1]
    assert "<" not in text
    assert json.loads(text)["run"]["name"] == "small"


def test_the_same_run_makes_the_same_page(page, reported):
    assert report_page(*reported) == page


def test_the_languages_have_the_same_words():
    english, chinese = read_words("en"), read_words("zh")
    assert english.keys() == chinese.keys()
    blank = re.compile(r"\{\w+\}")
    for key, text in english.items():
        assert sorted(blank.findall(text)) == sorted(blank.findall(chinese[key])), key
        assert text.strip()


def test_chinese_text_has_its_own_punctuation():
    for key, text in read_words("zh").items():
        assert not re.search(r"[\u4e00-\u9fff][,;:!?](?:\s|$)|[\u4e00-\u9fff] [，。；：]", text), (
            key
        )


def test_every_word_that_the_script_asks_for_is_there_and_no_other():
    known = read_words("en")
    asked = set(re.findall(r"\bt\(\s*'([\w.]+)'", CODE)) | set(
        re.findall(r"\bfact\(\s*'([\w.]+)'", CODE)
    )
    asked |= set(re.findall(r"'((?:about|help|graph)\.\w+)'", CODE)) | {"page.noscript"}
    assert len(asked) > 80
    assert asked <= known.keys()
    unused = {key for key in known.keys() - asked if not key.startswith(MADE)}
    assert not unused


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_quantity_has_a_word(language):
    known = read_words(language)
    for quantity in QUANTITIES:
        if quantity.vector or quantity.dtype in ("string", "timestamp"):
            continue
        if quantity.full_name in ("steps.epoch", "steps.index"):
            continue
        part, _, base = quantity.name.partition("_")
        names = [quantity.full_name, f"base.{quantity.name}"]
        names += [f"base.{base}"] if quantity.kind == "weight" and f"part.{part}" in known else []
        assert any(name in known for name in names), quantity.full_name


def test_the_script_makes_no_markup_from_text():
    """Nothing in it turns a text into elements or code."""
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in CODE
