"""How a message is laid out: where, what, the line with a caret, what to do."""

import pytest

from opgraph.errors import (
    DataError,
    OpgraphError,
    ParseError,
    Place,
    Problems,
    Source,
    UnknownOpError,
    raise_all,
    suggest,
)

SOURCE = Source("tiny.txt", "a -> b\r\n\nstem -> Conv3D(filters=32)\n")


def place(text: str, source: Source = SOURCE) -> Place:
    start = source.text.index(text)
    return Place(source, start, start + len(text))


def test_message_with_a_place():
    error = UnknownOpError("unknown op 'Conv3D'", place=place("Conv3D"), hint="did you mean 'X'?")
    assert str(error) == (
        "tiny.txt:3:9  unknown op 'Conv3D'\n"
        "   3 │ stem -> Conv3D(filters=32)\n"
        "               ^^^^^^\n"
        "   did you mean 'X'?"
    )


def test_message_without_a_place():
    error = DataError("is empty", where="digits.csv", hint="write some rows")
    assert str(error) == "digits.csv: is empty\n   write some rows"


def test_carriage_return_does_not_show():
    assert place("b").excerpt() == "   1 │ a -> b\n            ^"


def test_carets_stand_under_wide_characters():
    source = Source("x", "输入层 -> 卷积层 -> b")
    excerpt = place("卷积层", source).excerpt()
    assert excerpt == "   1 │ 输入层 -> 卷积层 -> b\n                 ^^^^^^"


def test_a_long_line_is_cut_around_the_place():
    source = Source("x", "a" * 500 + "HERE" + "b" * 500)
    line, carets = place("HERE", source).excerpt().splitlines()
    assert len(line) == len("   1 │ ") + 76
    assert line[7] == line[-1] == "…"
    assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_a_long_line_keeps_its_beginning_while_it_can():
    source = Source("x", "start " + "a" * 40 + " HERE " + "b" * 500)
    line, carets = place("HERE", source).excerpt().splitlines()
    assert line.startswith("   1 │ start aaa")
    assert line.endswith("b…")
    assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_a_long_place_is_cut_too():
    source = Source("x", "say " + "卷" * 200)
    line, carets = Place(source, 4, 204).excerpt().splitlines()
    assert line.startswith("   1 │ …卷卷")
    assert line.endswith("卷…")
    assert len(line) < 60
    assert carets.count("^") <= 76


def test_control_characters_do_not_reach_the_terminal():
    source = Source("x", "a\x1b[31mb BAD")
    assert "\x1b" not in place("BAD", source).excerpt()


def test_end_of_text_has_a_place():
    source = Source("x", "a ->")
    assert str(ParseError("more was expected", place=Place(source, 4, 4))).endswith("^")


def test_as_data():
    error = ParseError("no", place=place("Conv3D"), hint="yes", node="stem")
    assert error.as_dict() == {
        "error": "ParseError",
        "problem": "no",
        "node": "stem",
        "hint": "yes",
        "file": "tiny.txt",
        "line": 3,
        "column": 9,
    }


def test_raise_all():
    raise_all([])
    with pytest.raises(ParseError):
        raise_all([ParseError("one")])
    with pytest.raises(Problems) as caught:
        raise_all([ParseError("one"), DataError("two")])
    assert str(caught.value) == "one\n\ntwo"
    assert caught.value.problem == "2 problems"
    assert isinstance(caught.value, OpgraphError)


@pytest.mark.parametrize(
    ("word", "answer"),
    [("conv2", "did you mean 'Conv2D'?"), ("dens", "did you mean 'Dense'?"), ("zzz", None)],
)
def test_suggest(word, answer):
    assert suggest(word, ["Conv2D", "Dense"]) == answer
