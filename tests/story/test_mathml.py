"""MathML is read back by another reader and worked out again."""

import random
import xml.etree.ElementTree as ET

import pytest
from arithmetic import last_place, number, work_out
from pages import spoken
from test_formula import expression

from opgraph.render.story.mathml import mathml
from opgraph.render.story.symbols import symbols
from opgraph.story import (
    Call,
    Fraction,
    Minus,
    Num,
    Over,
    Power,
    Product,
    Sum,
    Sym,
    evaluate,
    numeral,
)
from opgraph.story.model import Worked


def read(markup):
    return spoken(ET.fromstring(f"<div>{markup}</div>"))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_printed_formulas_give_the_printed_result(depth):
    draw = random.Random(depth)
    for _ in range(200):
        line = Worked("x", None, expression(draw, depth))
        digits, shown = line.digits
        result = numeral(line.value, shown)
        again = work_out(read(mathml(line.numbers, digits)))
        assert again is not None
        assert abs(again - number(result)) <= last_place(result) * 1.001, line.numbers


NESTED = [
    Power(Sum((Num(1.5), Num(2.25))), Num(2)),
    Power(Num(-3), Num(2)),
    Power(Num(2.5e-7), Num(2)),
    Power(Fraction(Num(1), Num(3)), Num(3)),
    Power(Power(Num(2), Num(3)), Num(2)),
    Fraction(Num(2), Product((Num(3), Num(4)))),
    Fraction(Num(1), Num(2.5e-7)),
    Product((Num(2), Num(-3), Sum((Num(1), Minus(Num(5)))))),
    Minus(Sum((Num(1), Num(2)))),
    Sum((Minus(Minus(Num(2))), Num(-1e-9), Minus(Sum((Num(3), Num(-4)))))),
    Call("abs", (Sum((Num(1), Minus(Num(5)))),)),
    Call("exp", (Minus(Num(1)),)),
    Product((Call("ln", (Num(3),)), Call("tanh", (Num(-0.5),)), Call("erf", (Num(0.25),)))),
    Call("min", (Num(3), Num(-2), Call("sqrt", (Num(2),)))),
]
LONG = Sum(tuple(Num(0.123456 * (-1.1) ** (n + 1), f"#{n}") for n in range(12)))
BROKEN = [
    LONG,
    Fraction(LONG, Product((Num(2), Num(3)))),
    Power(LONG, Num(2)),
    Call("sqrt", (LONG,)),
    Call("max", tuple(Num(n / 7) for n in range(12))),
    Product((Num(-2), LONG, LONG)),
    Sum((Num(1), Minus(LONG), Minus(Product((LONG, Num(2)))))),
    Minus(LONG),
    Fraction(Num(1), LONG),
    Fraction(Num(1), Product((LONG, Num(2)))),
    Fraction(Fraction(LONG, Num(2)), Fraction(Num(3), LONG)),
]


@pytest.mark.parametrize("given", NESTED + BROKEN, ids=str)
def test_brackets_stand_where_they_must(given):
    assert work_out(read(mathml(given, 17))) == pytest.approx(evaluate(given), rel=1e-9)


@pytest.mark.parametrize("given", BROKEN, ids=str)
def test_long_formulas_can_be_broken(given):
    parts = ET.fromstring(f"<div>{mathml(given)}</div>")
    assert len(parts) >= 12
    assert max(len(spoken(part)) for part in parts) < 60


def test_fractions_roots_sums_and_powers_are_drawn_as_such():
    root = Call("sqrt", (Sum((Sym("variance"), Sym("epsilon"))),))
    drawn = mathml(Fraction(Sum((Sym("x"), Minus(Sym("mean")))), root))
    assert drawn == (
        '<math><mfrac><mrow><mi>x</mi><mo form="infix">−</mo><mi>mean</mi></mrow>'
        '<mrow><msqrt><mi>variance</mi><mo form="infix">+</mo><mi>epsilon</mi></msqrt></mrow>'
        "</mfrac></math>"
    )
    total = mathml(Over("i, j", Product((Sym("x[i, j]"), Sym("w")))))
    assert "<munder><mo>∑</mo><mrow>" in total
    assert "<msub><mi>x</mi><mrow><mi>i</mi>" in total
    assert mathml(Num(-1.5e-7)) == (
        '<math><mo form="prefix">−</mo><mn>1.5</mn><mo form="infix">×</mo>'
        '<msup><mn>10</mn><mrow><mo form="prefix">−</mo><mn>7</mn></mrow></msup></math>'
    )
    assert mathml(Num(2, "#3")) == '<math><mn>2</mn><mtext class="note">[#3]</mtext></math>'


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("x", "x"),
        ("Σ (x − mean)^2", "∑ ( x − mean )^(2)"),
        ("y × ln(p) + (1 − y) × ln(1 − p)", "y × ln ( p ) + ( 1 − y ) × ln ( 1 − p )"),
        ("kernel[2, j]", "kernel__2 , j"),
        ("beta_1 × m", "beta__1 × m"),
        ("grad(relu_1)", "grad ( relu_1 )"),
        ("‖w‖", "‖ w ‖"),
        ("β^2", "β^(2)"),
        ("^2", "^(2)"),
        ("", ""),
    ],
)
def test_names_are_taken_apart(text, meaning):
    assert read(f"<mrow>{symbols(text)}</mrow>") == meaning


HOSTILE = ["</math><script>1</script>", "a]]>b", "x[<b>]", "a&b\"'", "a\u202eb", "^<", "卷积 层"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_stays_text(name):
    tree = ET.fromstring(f"<div>{mathml(Sum((Sym(name), Num(1, name))))}</div>")
    allowed = {"div", "math", "mi", "mo", "mn", "mrow", "msub", "msup", "mtext"}
    assert {element.tag for element in tree.iter()} <= allowed
    assert "\u202e" not in "".join(tree.itertext())
