"""Every rule fires on its own example, at a place, and is silent on its counter-example."""

from pathlib import Path

import pytest

from opgraph.analysis import analyze
from opgraph.render import rule_page, rules_index
from opgraph.rules import Known, choose, lint, rules
from opgraph.text import parse

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "lint"
RULES = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.code)


def found(text, rule, known=None):
    return lint(analyze(parse(text, "example")), known or Known(), [rule]).findings


@RULES
def test_fires_on_its_example(rule):
    findings = found(rule.example.bad, rule, rule.example.known)
    assert findings
    assert all(finding.code == rule.code and finding.place for finding in findings)


@RULES
def test_is_silent_on_its_counter_example(rule):
    assert not found(rule.example.good, rule, rule.example.good_known or rule.example.known)


@RULES
def test_the_page_is_current(rule, request):
    page(f"{rule.code}.md", rule_page(rule), request)


def test_the_index_is_current(request):
    page("README.md", rules_index(), request)


def page(name, text, request):
    path = PAGES / name
    if request.config.getoption("--rewrite-golden"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "rewrite it: pytest --rewrite-golden"


def test_there_are_no_pages_of_rules_that_are_gone():
    assert {p.stem for p in PAGES.glob("OG*.md")} == {rule.code for rule in rules()}


def test_choosing():
    codes = [rule.code for rule in choose()]
    assert "OG101" in codes
    assert "OG102" not in codes
    assert [r.code for r in choose(["OG10*"], ["OG101"])] == ["OG102", "OG103", "OG104"]
    assert len(choose(everything=True)) == len(rules())
