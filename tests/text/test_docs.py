"""The reference page: its edge lists are read, its errors are what really comes."""

import re
from pathlib import Path

import pytest

from opgraph.errors import OpgraphError, Source
from opgraph.text import parse, to_text

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "edge-list.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", TEXT, re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return [text for words, text in BLOCKS if words == kind]


@pytest.mark.parametrize("text", blocks("edge-list"))
def test_examples_are_read_and_printed(text):
    graph = parse(text)
    assert len(graph.edges)
    assert parse(to_text(graph)) == graph


@pytest.mark.parametrize(
    ("text", "expected"), zip(blocks("edge-list-with-errors"), blocks("errors"), strict=True)
)
def test_examples_of_errors(text, expected):
    with pytest.raises(OpgraphError) as caught:
        parse(Source("net.txt", text))
    assert f"{caught.value}\n" == expected


def test_pairs_that_mean_the_same():
    same = blocks("edge-list-same")
    assert len(same) >= 2
    first, *others = (parse(text) for text in same)
    assert all(other == first for other in others)


def test_there_are_examples():
    assert len(blocks("edge-list")) >= 8
    assert len(blocks("errors")) >= 3
    kinds = {"edge-list", "edge-list-with-errors", "edge-list-same", "errors", "ebnf", "text"}
    assert {words for words, _ in BLOCKS} <= {*kinds, "console", "python"}


def test_every_form_of_the_grammar_is_a_named_rule():
    """Each name used in the grammar is defined in it."""
    (grammar,) = blocks("ebnf")
    grammar = re.sub(r'"[^"]*"|\?[^?]*\?|\(\*.*?\*\)', "", grammar)
    defined = set(re.findall(r"^(\w+) *=", grammar, re.MULTILINE))
    used = set(re.findall(r"\b[a-z_]+\b", grammar))
    assert used == defined
