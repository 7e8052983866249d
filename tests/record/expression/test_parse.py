"""What can be written, what it means, and what is said about the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.errors import ExpressionError
from opgraph.record.expression import parse
from opgraph.record.expression.tree import Binary, Call, Index, Number, Part, Reference, Unary


def shown(part: Part) -> Any:
    """A tree without places, as nested tuples."""
    match part:
        case Number():
            return part.value
        case Reference():
            return f"'{part.text}'" if part.quoted else part.text
        case Call():
            return (part.name, *map(shown, part.arguments))
        case Index():
            return ("[]", shown(part.operand), *part.items)
        case Unary():
            return (part.operator, shown(part.operand))
        case Binary():
            return (part.operator, shown(part.left), shown(part.right))
        case _:
            return (".", shown(part.operand), part.name)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1 + 2 * 3", ("+", 1.0, ("*", 2.0, 3.0))),
        ("1 - 2 - 3", ("-", ("-", 1.0, 2.0), 3.0)),
        ("-2 ** 2", ("-", ("**", 2.0, 2.0))),
        ("2 ** -1", ("**", 2.0, ("-", 1.0))),
        ("2 ** 3 ** 2", ("**", 2.0, ("**", 3.0, 2.0))),
        ("1e-4 < lr", ("<", 1e-4, "lr")),
        ("not a.b > 1 and c or d", ("or", ("and", ("not", (">", "a.b", 1.0)), "c"), "d")),
        ("conv.kernel.grad.rms > 5", (">", "conv.kernel.grad.rms", 5.0)),
        ("conv*.output.max", "conv*.output.max"),
        ("*.output.max", "*.output.max"),
        ("3*conv.output.rms", ("*", 3.0, "conv.output.rms")),
        ("x.a.rms*y.a.rms", ("*", "x.a.rms", "y.a.rms")),
        ("loss*2", ("*", "loss", 2.0)),
        ("loss * c*.output.max", ("*", "loss", "c*.output.max")),
        ("loss**2", ("**", "loss", 2.0)),
        ("'block.1/conv'.kernel", "'block.1/conv.kernel'"),
        ("mha.'query/kernel'.grad", "mha.query/kernel.grad"),
        ("lstm.output.1.rms", "lstm.output.1.rms"),
        ("卷积.output.rms", "卷积.output.rms"),
        ("d.kernel[0, :5]", ("[]", "d.kernel", 0, slice(None, 5))),
        ("d.kernel[..., -1, 2:8:2]", ("[]", "d.kernel", ..., -1, slice(2, 8, 2))),
        ("d.kernel[0].rms", (".", ("[]", "d.kernel", 0), "rms")),
        ("quantile(abs(output), 0.9)", ("quantile", ("abs", "output"), 0.9)),
        ("any.output.nonfinite > 0", (">", "any.output.nonfinite", 0.0)),
        ("any(output > 3)", ("any", (">", "output", 3.0))),
    ],
)
def test_grammar(text: str, tree: Any) -> None:
    assert shown(parse(text).root) == tree


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "expected a name, a number or a parenthesis, received the end"),
        ("1 +", 4, "expected a name, a number or a parenthesis, received the end"),
        ("x = 3", 3, "'=' means nothing here"),
        ("a & b", 3, "'&' means nothing here"),
        ("'abc", 1, '"\'" means nothing here'),
        ("0 < x < 1", 7, "expected an operator or the end, received '<'"),
        ("1 2", 3, "expected an operator or the end, received '2'"),
        ("(1", 3, "expected ')' that closes the parenthesis, received the end"),
        ("mean(x", 7, "expected ')' that closes mean(, received the end"),
        ("maen(x)", 1, "there is no function 'maen'"),
        ("mean(x, y)", 1, "expected one array, received 2 arguments"),
        ("quantile(x)", 1, "expected quantile(x, share), received 1 arguments"),
        ("x[1.5]", 3, "1.5 is no index"),
        ("x[99999999999]", 3, "99999999999 is no index"),
        ("x[]", 3, "expected a whole number, a range such as 2:5, or ..., received ']'"),
        ("x[0", 4, "expected ']' that closes the index, received the end"),
        ("x[-]", 4, "expected a whole number, received ']'"),
        ("x..y", 3, "expected the name of a statistic, received '.'"),
        ("__import__('os')", 1, "there is no function '__import__'"),
        ("x.f(1)", 1, "there is no function 'x.f'"),
        ("lambda: 0", 7, "expected an operator or the end, received ':'"),
        ("(" * 40, 32, "nested more than 30 deep"),
        ("-" * 50 + "1", 32, "nested more than 30 deep"),
        ("+".join("1" * 300), 1, "an expression has up to 200 parts"),
    ],
)
def test_what_cannot_be_read_is_marked(text: str, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.problem == said
    assert caught.value.place is not None
    assert caught.value.place.column == column


def test_a_message_as_a_whole() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("loss = 3", "condition")
    assert str(caught.value) == (
        "condition:1:6  '=' means nothing here\n"
        "   1 │ loss = 3\n"
        "            ^\n"
        "   to compare, write =="
    )
    with pytest.raises(ExpressionError) as caught:
        parse("1 + meen(x)")
    assert caught.value.hint == "did you mean 'mean'?"


def test_length_is_bounded() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("1" * 1001)
    assert str(caught.value) == "an expression has up to 1,000 characters, this one 1,001"


@given(st.text(alphabet="ab1. *+-<>=()[],:'_andort", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        said = str(parse(text))
    except ExpressionError as error:
        said = str(error)
    assert isinstance(said, str)
