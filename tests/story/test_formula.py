"""Formulas and digits: what is printed can be worked out again."""

import math
import random

import numpy as np
from arithmetic import last_place, number, work_out

from opgraph.render.story.infix import infix
from opgraph.story import Call, Fraction, Minus, Num, Power, Product, Sum, evaluate, numeral
from opgraph.story.checks import worked
from opgraph.story.model import Worked


def expression(draw, depth):
    if depth == 0:
        return Num(round(draw.gauss(0, 10 ** draw.randint(-4, 3)), 12))
    parts = tuple(expression(draw, depth - 1) for _ in range(draw.randint(1, 3)))
    positive = Sum((Num(1), Power(parts[0], Num(2))))
    return draw.choice(
        [
            Sum(parts), Product(parts), Minus(parts[0]), Fraction(parts[0], positive),
            Call("sqrt", (positive,)), Call("max", parts), Sum((parts[0], Minus(parts[-1]))),
        ]
    )  # fmt: skip


def test_printed_formulas_give_the_printed_result():
    draw = random.Random(0)
    for _ in range(500):
        line = Worked("x", None, expression(draw, 3))
        digits, shown = line.digits
        result = numeral(line.value, shown)
        again = work_out(infix(line.numbers, digits))
        assert again is not None
        assert abs(again - number(result)) <= last_place(result) * 1.001, infix(
            line.numbers, digits
        )


def test_where_terms_cancel_more_digits_are_printed():
    line = Worked("x", None, Sum((Num(1.23456789), Minus(Num(1.23456788)))))
    assert infix(line.numbers, line.digits[0]) == "1.23456789 − 1.23456788"


def test_numbers_are_spelled_so_that_they_can_be_read():
    assert numeral(-1.5e-7) == "−1.5e-7"
    assert infix(Product((Num(2), Num(-3)))) == "2 × (−3)"
    assert infix(Sum((Num(1, "#3"), Num(-2)))) == "1 [#3] − 2"
    assert math.isclose(evaluate(Power(Num(2), Num(10))), 1024)


def test_the_tolerance_grows_with_the_root_of_the_terms():
    one, many = (worked("x", None, Num(1.0), recorded=1.0, terms=n).check for n in (1, 100))
    assert np.isclose(many.tolerance / one.tolerance, 10)


def test_a_difference_is_not_hidden_and_a_tie_is_named():
    off = worked("x", None, Num(1.0), recorded=1.001, independent=1.0)
    assert off.check.verdict == "disagrees"
    assert worked("x", None, Num(1.0), recorded=0.0, tie=True).check.verdict == "tie"
    assert worked("x", None, Num(1.0), recorded=math.nan).check.verdict == "disagrees"
