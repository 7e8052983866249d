"""What is too much: each bound with its message."""

import pytest

from opgraph.errors import FormatError, OpgraphError, Source
from opgraph.graph import Node, OpGraph
from opgraph.ops import require
from opgraph.text import parse, parser, table, to_text


def message(text: str) -> str:
    with pytest.raises(OpgraphError) as caught:
        parse(Source("net.txt", text))
    return str(caught.value).splitlines()[0]


NESTED = "[" * 33 + "]" * 33


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x -> " + "a" * 1001, "net.txt:1:6  a name of 1,001 characters; 1,000 are allowed"),
        (f'x -> "{"a" * 1001}"', "net.txt:1:6  a name of 1,001 characters; 1,000 are allowed"),
        (f"x -> {'l' * 1001} (c)", "net.txt:1:6  a name of 1,001 characters; 1,000 are allowed"),
        (f"x -> fc[a={NESTED}]", "net.txt:1:43  nested more than 32 deep"),
        (
            f"x -> fc[a=[{'1,' * 10_001}]]",
            "net.txt:1:11  more than 10,000 items in brackets",
        ),
        ("x -> fc[units=" + "9" * 401 + "]", "net.txt:1:15  a number of more than 400 characters"),
        ("a," * 10_001 + "a -> add", "net.txt:1:20000  more than 10,000 names in a row"),
    ],
)
def test_bounds(text, expected):
    assert message(text) == expected


def test_what_is_just_allowed():
    assert "a" * 1000 in parse("x -> " + "a" * 1000 + ": ReLU")
    graph = parse(f"x -> fc[kernel_initializer={NESTED[1:-1]}, units={'9' * 400}]")
    assert graph["fc"].given["units"] == int("9" * 400)
    assert len(parse(",".join(f"a{i}" for i in range(10_000)) + " -> add").edges) == 10_000


def test_numbers_of_edges_lines_and_mentions(monkeypatch):
    monkeypatch.setattr(parser, "MOST_LINKS", 5)
    assert message("a, b, c -> add, concat") == "net.txt: more than 5 edges"
    assert message("a\nb\nc\nd\ne\nf\n") == "net.txt: more than 5 lines without an arrow"
    definitions = "".join(f"d{i}: Dense\n" for i in range(11))
    assert message(definitions) == "net.txt: nodes are mentioned more than 10 times"


def test_number_of_rows(monkeypatch):
    monkeypatch.setattr(table, "MOST_ROWS", 1)
    assert message("source,target\na,relu\nrelu,gap") == "net.txt: more than 1 rows"


def test_a_long_value_is_shortened_in_the_message():
    first = message(f'x -> fc[units="{"u" * 5000}"]')
    assert first.startswith("net.txt:1:9  fc.units: expected a whole number of at least 1, receiv")
    assert " … " in first
    assert len(first) < 500


def test_a_name_too_long_to_write():
    with pytest.raises(FormatError) as caught:
        to_text(OpGraph([Node("a" * 1001, require("Input"))], []))
    assert str(caught.value) == "a name of 1,001 characters cannot be written"


def test_a_sentence_of_many_words_is_passed_over():
    assert len(parse("word " * 150 + "\nx -> relu")) == 2
