"""A formula on one line: `a × b + (c − d) / √(e)`.

Owns brackets and signs; how long lines are broken is the page's to know. What is printed with
numbers can be read and worked out again.
"""

from __future__ import annotations

import re
from typing import assert_never

from opgraph.story import (
    Call,
    Expr,
    Fraction,
    Minus,
    Num,
    Over,
    Power,
    Product,
    Sum,
    Sym,
    numeral,
)

SUM, PRODUCT, POWER, ATOM = range(4)
SPOKEN = {"sqrt": "√"}


def infix(expression: Expr, digits: int = 6) -> str:
    """A formula as text.

    >>> infix(Sum((Product((Num(0.5), Num(-2))), Minus(Num(3)))))
    '0.5 × (−2) − 3'
    """
    return "".join(parts(expression, digits))


def parts(expression: Expr, digits: int = 6) -> list[str]:
    """The same in pieces between which a line may be broken: before each sign of the outer sum."""
    if not isinstance(expression, Sum):
        return [_text(expression, SUM, digits)]
    found: list[str] = []
    for at, term in enumerate(expression.terms):
        sign, body = _signed(term, digits)
        if at == 0:
            found.append(f"−{body}" if sign == "−" else body)
        else:
            found.append(f" {sign} {body}")
    return found


def split(pieces: list[str], room: int) -> list[str]:
    """The pieces, those that are too long broken before the signs inside them."""
    return [
        part
        for piece in pieces
        for part in (re.split(r"(?= [+−] )", piece) if len(piece) > room else [piece])
    ]


def _signed(term: Expr, digits: int) -> tuple[str, str]:
    """The sign in front of a term, and the term without it."""
    if isinstance(term, Minus):
        return "−", _text(term.of, PRODUCT, digits)
    text = _text(term, PRODUCT, digits, bare=True)
    if isinstance(term, Num) and text.startswith("−"):
        return "−", text[1:]
    return "+", text


def _text(expression: Expr, level: int, digits: int, bare: bool = False) -> str:
    """The text of a part, in brackets where it binds less tightly than it must.

    Args:
        expression: the part.
        level: how tightly it must bind.
        digits: of its numbers.
        bare: a negative number needs no brackets here.
    """
    match expression:
        case Num(value, note):
            text = numeral(value, digits) + (f" [{note}]" if note else "")
            return f"({text})" if text.startswith("−") and level >= PRODUCT and not bare else text
        case Sym(name):
            return f"({name})" if level >= PRODUCT and " " in name and "[" not in name else name
        case Sum():
            return _within("".join(parts(expression, digits)), level > SUM)
        case Minus(of):
            return _within(f"−{_text(of, PRODUCT, digits)}", level > SUM)
        case Product(factors):
            body = " × ".join(_text(each, PRODUCT, digits) for each in factors)
            return _within(body, level > PRODUCT)
        case Fraction(top, bottom):
            body = f"{_text(top, PRODUCT, digits)} / {_text(bottom, POWER, digits)}"
            return _within(body, level > PRODUCT)
        case Power(base, exponent):
            return f"{_text(base, ATOM, digits)}^{_text(exponent, ATOM, digits)}"
        case Call(name, arguments):
            inside = ", ".join(_text(each, SUM, digits) for each in arguments)
            return f"{SPOKEN.get(name, name)}({inside})"
        case Over(index, of):
            return _within(f"Σ({index}) {_text(of, PRODUCT, digits)}", level > PRODUCT)
        case _:
            assert_never(expression)


def _within(text: str, brackets: bool) -> str:
    return f"({text})" if brackets else text
