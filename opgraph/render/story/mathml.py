"""A formula as MathML, which browsers draw without a library.

Owns fractions, roots, powers, brackets, and where a long formula may be broken: browsers never
break a `<math>` element, so that each piece is one of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from opgraph.render.story.infix import ATOM, POWER, PRODUCT, SUM, infix
from opgraph.render.story.symbols import identifier, operator, symbols
from opgraph.render.svg import escape
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

ROOM = 44  # characters up to which a part stays in one piece
OPEN, CLOSE = (f'<mo stretchy="false">{sign}</mo>' for sign in "()")
MINUS = '<mo form="prefix">−</mo>'
BAR = '<mo stretchy="false">|</mo>'


def mathml(expression: Expr, digits: int = 6) -> str:
    """A formula as `<math>` elements between which a line may be broken.

    >>> mathml(Fraction(Sym("x"), Num(-2)))
    '<math><mfrac><mi>x</mi><mrow><mo form="prefix">−</mo><mn>2</mn></mrow></mfrac></math>'
    """
    return "\n".join(f"<math>{piece}</math>" for piece in pieces(expression, digits))


def pieces(expression: Expr, digits: int) -> list[str]:
    """The pieces of a formula, the signs of the outer sum at the beginning of each."""
    return list(_broken(expression, SUM, digits))


def _broken(expression: Expr, level: int, digits: int) -> Iterator[str]:
    """Pieces of a formula that binds as tightly as it must."""
    if not isinstance(expression, Sum) and _width(expression, digits) <= ROOM:
        yield _markup(expression, level, digits)
        return
    match expression:
        case Sum(terms):
            found = [piece for at, term in enumerate(terms) for piece in _term(term, at, digits)]
            yield from _bracketed(found, level > SUM)
        case Minus(of):
            inner = _before(MINUS, _broken(of, PRODUCT, digits))
            yield from _bracketed(inner, level > SUM)
        case Product(factors):
            yield from _bracketed(_factors(factors, digits), level > PRODUCT)
        case Fraction(top, bottom):
            below = _before(operator("/"), _broken(bottom, POWER, digits))
            both = [*_broken(top, PRODUCT, digits), *below]
            yield from _bracketed(both, level > PRODUCT)
        case Power(base, exponent):
            *rest, last = _bracketed(list(_broken(base, SUM, digits)), True)
            body, power = last.removesuffix(CLOSE), _markup(exponent, SUM, digits)
            yield from (*rest, f"{body}<msup>{CLOSE}{_row(power)}</msup>")
        case Call(name, arguments):
            yield from _called(name, arguments, digits)
        case _:
            yield _markup(expression, level, digits)


def _width(expression: Expr, digits: int) -> int:
    """About how many characters a part is wide in one piece."""
    if isinstance(expression, Fraction):
        return max(_width(expression.top, digits), _width(expression.bottom, digits))
    return len(infix(expression, digits))


def _term(term: Expr, at: int, digits: int) -> list[str]:
    """The pieces of a term of a sum with its sign; the first one has none if it is positive."""
    sign, body = "+", term
    if isinstance(term, Minus):
        sign, body = "−", term.of
    elif isinstance(term, Num) and term.value < 0:
        sign, body = "−", Num(-term.value, term.note)
    found = list(_broken(body, PRODUCT, digits))
    if at == 0:
        return found if sign == "+" else _before(MINUS, found)
    return _before(operator(sign), found)


def _factors(factors: Sequence[Expr], digits: int) -> list[str]:
    found: list[str] = []
    for at, factor in enumerate(factors):
        part = _broken(factor, PRODUCT, digits)
        found += _before(operator("×"), part) if at else list(part)
    return found


def _called(name: str, arguments: Sequence[Expr], digits: int) -> Iterator[str]:
    """A function whose arguments may be broken apart; a root becomes a sign before brackets."""
    found: list[str] = []
    for at, argument in enumerate(arguments):
        part = list(_broken(argument, SUM, digits))
        part[-1] += "" if at == len(arguments) - 1 else "<mo>,</mo>"
        found += part
    head = operator("√") if name == "sqrt" else identifier(name)
    yield from _before(head, _bracketed(found, True))


def _bracketed(found: list[str], brackets: bool) -> list[str]:
    if not brackets:
        return found
    first, *rest = found
    *rest, last = [OPEN + first, *rest]
    return [*rest, last + CLOSE]


def _before(sign: str, found: Iterator[str] | Sequence[str]) -> list[str]:
    first, *rest = found
    return [sign + first, *rest]


def _markup(expression: Expr, level: int, digits: int) -> str:
    """A part in one piece, in brackets where it binds less tightly than it must."""
    match expression:
        case Num(value, note):
            return _number(value, note, level, digits)
        case Sym(name):
            body = symbols(name)
            is_sum = level >= PRODUCT and re.search("[+−]", name) is not None
            return _within(body, is_sum or (level == ATOM and body.count("<m") > 1))
        case Sum(terms):
            signed = (_joined(term, at, digits) for at, term in enumerate(terms))
            return _within("".join(signed), level > SUM)
        case Minus(of):
            return _within(MINUS + _markup(of, PRODUCT, digits), level > SUM)
        case Product(factors):
            body = operator("×").join(_markup(each, PRODUCT, digits) for each in factors)
            return _within(body, level > PRODUCT)
        case Fraction(top, bottom):
            body = f"<mfrac>{_row(_markup(top, SUM, digits))}{_row(_markup(bottom, SUM, digits))}"
            return _within(f"{body}</mfrac>", level == ATOM)
        case Power(base, exponent):
            above = _row(_markup(exponent, SUM, digits))
            body = f"<msup>{_row(_markup(base, ATOM, digits))}{above}</msup>"
            return _within(body, level == ATOM)
        case Call(name, arguments):
            return _call(name, [_markup(each, SUM, digits) for each in arguments])
        case Over(index, of):
            body = f"<munder><mo>∑</mo>{_row(symbols(index))}</munder>"
            return _within(body + _markup(of, PRODUCT, digits), level > PRODUCT)
        case _:
            assert_never(expression)


def _joined(term: Expr, at: int, digits: int) -> str:
    return "".join(_term(term, at, digits))


def _number(value: float, note: str, level: int, digits: int) -> str:
    """A number; one with a power of ten is a product, one with a minus a sum."""
    text = numeral(value, digits)
    minus, text = text.startswith("−"), text.removeprefix("−")
    mantissa, _, power = text.partition("e")
    body = f"<mn>{escape(mantissa)}</mn>"
    if power:
        sign = MINUS if power.startswith("-") else ""
        raised = _row(f"{sign}<mn>{power.lstrip('-+')}</mn>")
        body += f"{operator('×')}<msup><mn>10</mn>{raised}</msup>"
    if minus:
        body = MINUS + body
    body = _within(body, (minus and level >= PRODUCT) or (bool(power) and level >= POWER))
    return body + (f'<mtext class="note">[{escape(note)}]</mtext>' if note else "")


def _call(name: str, arguments: list[str]) -> str:
    match name:
        case "sqrt":
            return f"<msqrt>{arguments[0]}</msqrt>"
        case "abs":
            return f"<mrow>{BAR}{arguments[0]}{BAR}</mrow>"
        case _:
            return f"{identifier(name)}{OPEN}{'<mo>,</mo>'.join(arguments)}{CLOSE}"


def _within(body: str, brackets: bool) -> str:
    """In one piece brackets grow with what they hold."""
    return f"<mrow><mo>(</mo>{body}<mo>)</mo></mrow>" if brackets else body


def _row(body: str) -> str:
    """One element, as fractions, powers and sums want it."""
    is_one = body.count("<m") == 1
    return body if is_one else f"<mrow>{body}</mrow>"
