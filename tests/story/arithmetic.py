"""Reads formulas out of a rendered story and works them out again, with an evaluator of its own."""

import ast
import math
import operator
import re
from typing import NamedTuple

FUNCTIONS = {
    "sqrt": math.sqrt, "exp": math.exp, "ln": math.log, "tanh": math.tanh, "erf": math.erf,
    "abs": abs, "max": lambda *x: max(x),
    "min": lambda *x: min(x),
}  # fmt: skip
OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip
NAME = re.compile(r"^    (\S.*)$")
START, GOES_ON = "      = ", "        "


class Line(NamedTuple):
    """A worked line: name, formulas behind the equals signs, recorded number, stated tolerance."""

    name: str
    formulas: list[str]
    recorded: float | None
    allowed: float = 0.0


def read_lines(text, recorded_word, bracket="(± "):
    """All worked lines of a story as terminal text."""
    found, name = [], ""
    for row in text.splitlines():
        if row.startswith(START):
            if name:
                found.append(Line(name, [], None))
                name = ""
            found[-1].formulas.append(row[len(START) :])
        elif row.startswith(GOES_ON) and row.strip().startswith(recorded_word):
            value = row.split(recorded_word)[1].split()[0]
            allowed = number(row.split(bracket)[1].rstrip(")"))
            found[-1] = found[-1]._replace(recorded=number(value), allowed=allowed)
        elif row.startswith(GOES_ON) and found and not name:
            if row[len(GOES_ON)] in "+−-":
                found[-1].formulas[-1] += " " + row.strip()
        else:
            match = NAME.match(row)
            name = match[1] if match else ""
    return found


def number(text):
    return float(text.replace("−", "-"))


def work_out(text):
    """The value of a formula with numbers; None if it has symbols."""
    plain = re.sub(r"\s\[[^\]]*\]", "", text)
    for sign, other in (("×", "*"), ("−", "-"), ("^", "**"), ("√", "sqrt")):
        plain = plain.replace(sign, other)
    try:
        tree = ast.parse(plain, mode="eval").body
        return _value(tree)
    except (SyntaxError, LookupError):
        return None


def _value(tree):
    match tree:
        case ast.Constant(value):
            return float(value)
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand)
        case ast.BinOp(left, op, right):
            return OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(ast.Name(name), arguments):
            return FUNCTIONS[name](*map(_value, arguments))
    raise LookupError(ast.dump(tree))


def last_place(text):
    """One unit of the last digit of a printed number, of the fifth at least."""
    value = abs(number(text))
    if value == 0:
        return 0.0
    digits = len(re.sub(r"e.*|[−.-]", "", text).lstrip("0"))
    return 10.0 ** (math.floor(math.log10(value)) - max(digits, 5) + 1)
