"""From tokens to the tree of an expression: its grammar, by recursive descent.

    expression  or
    or          and ("or" and)*
    and         not ("and" not)*
    not         "not" not | comparison
    comparison  sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)?
    sum         product (("+" | "-") product)*
    product     sign (("*" | "/") sign)*
    sign        ("-" | "+") sign | power
    power       postfix ("**" sign)?
    postfix     atom ("[" index ("," index)* "]" | "." statistic)*
    atom        number | name | function "(" expression ("," expression)* ")" | "(" expression ")"
    index       "..." | int | int? ":" int? (":" int?)?

Owns the grammar and its bounds; nothing is executed, and no name is looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType

from opgraph.errors import ExpressionError, Place, Source, suggest
from opgraph.record.expression.functions import FUNCTIONS
from opgraph.record.expression.lexer import Token, parts_of, tokens
from opgraph.record.expression.tree import (
    Binary,
    Call,
    Expression,
    Index,
    Number,
    Part,
    Reference,
    Span,
    Statistic,
    Unary,
)

MOST_PARTS = 200
DEEPEST = 30
LARGEST_INDEX = 2**31
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def parse(text: str, name: str = "expression") -> Expression:
    """Read an expression.

    Args:
        text: such as `conv.kernel.grad.rms > 5 and loss < 1`.
        name: what error messages call the text.

    Raises:
        ExpressionError: it cannot be read; the place is marked.

    >>> parse("2 * conv.output.rms").root.operator
    '*'
    """
    source = Source(name, text)
    reading = _Reading(source, tokens(source))
    root = reading.either()
    reading.end()
    return Expression(text, root, source)


class _Reading:
    """The place in the tokens, and a method for each line of the grammar."""

    def __init__(self, source: Source, found: list[Token]) -> None:
        self.source = source
        self.found = found
        self.at = 0
        self.parts = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.found[self.at]

    def take(self, *texts: str) -> Token | None:
        """The next token, if it is one of these marks or words."""
        token = self.next
        if token.kind not in ("mark", "word") or token.text not in texts:
            return None
        self.at += 1
        return token

    def need(self, text: str, what: str) -> Token:
        token = self.take(text)
        if token is None:
            raise self.unexpected(f"{text!r} {what}")
        return token

    def end(self) -> None:
        if self.next.kind != "end":
            hint = None
            if self.next.text in COMPARISONS:
                hint = "two comparisons are joined by and: 0 < x and x < 1"
            raise self.unexpected("an operator or the end", hint)

    def either(self) -> Part:
        return self.chain(self.both, "or")

    def both(self) -> Part:
        return self.chain(self.negated, "and")

    def negated(self) -> Part:
        sign = self.take("not")
        return self.unary(sign, self.negated) if sign else self.comparison()

    def comparison(self) -> Part:
        left = self.sum()
        sign = self.take(*COMPARISONS)
        return self.binary(sign, left, self.sum()) if sign else left

    def sum(self) -> Part:
        return self.chain(self.product, "+", "-")

    def product(self) -> Part:
        return self.chain(self.sign, "*", "/")

    def sign(self) -> Part:
        sign = self.take("-", "+")
        return self.unary(sign, self.sign) if sign else self.power()

    def power(self) -> Part:
        base = self.postfix()
        sign = self.take("**")
        return self.binary(sign, base, self.nested(self.sign)) if sign else base

    def postfix(self) -> Part:
        part = self.atom()
        while True:
            if self.take("["):
                part = self.index(part)
            elif self.take("."):
                token = self.name("the name of a statistic")
                part = self.made(Statistic(part, token.text, part.span.to(token.span)))
            else:
                return part

    def atom(self) -> Part:
        token = self.next
        if self.take("("):
            inner = self.nested(self.either)
            self.need(")", "that closes the parenthesis")
            return inner
        if token.kind == "number":
            self.at += 1
            return self.made(Number(float(token.text), token.span))
        token = self.name("a name, a number or a parenthesis")
        if self.take("("):
            return self.call(token)
        parts = parts_of(token.text)
        return self.made(Reference(parts, token.text[0] in "'\"", token.span))

    def call(self, name: Token) -> Part:
        function = FUNCTIONS.get(name.text)
        if function is None:
            near = suggest(name.text, FUNCTIONS) or f"there are: {', '.join(FUNCTIONS)}"
            raise self.error(f"there is no function {name.text!r}", name.span, near)
        arguments = [self.nested(self.either)]
        while self.take(","):
            arguments.append(self.nested(self.either))
        closing = self.need(")", f"that closes {name.text}(")
        if len(arguments) != function.arguments:
            raise self.error(
                f"expected {function.usage}, received {len(arguments)} arguments",
                name.span.to(closing.span),
            )
        return self.made(Call(name.text, tuple(arguments), name.span.to(closing.span)))

    def index(self, part: Part) -> Part:
        items = [self.item()]
        while self.take(","):
            items.append(self.item())
        closing = self.need("]", "that closes the index")
        return self.made(Index(part, tuple(items), part.span.to(closing.span)))

    def item(self) -> int | slice | EllipsisType:
        if self.take("..."):
            return ...
        first = self.whole()
        if not self.take(":"):
            if first is None:
                raise self.unexpected("a whole number, a range such as 2:5, or ...")
            return first
        last = self.whole()
        return slice(first, last, self.whole() if self.take(":") else None)

    def whole(self) -> int | None:
        """A whole number with its sign; None if there is none here."""
        minus = self.take("-")
        token = self.next
        if token.kind != "number":
            if minus:
                raise self.unexpected("a whole number")
            return None
        if not token.text.isdecimal() or len(token.text) > 10 or int(token.text) > LARGEST_INDEX:
            raise self.error(f"{token.text} is no index", token.span, "write a whole number")
        self.at += 1
        return -int(token.text) if minus else int(token.text)

    def name(self, expected: str) -> Token:
        token = self.next
        if token.kind != "name":
            raise self.unexpected(expected)
        self.at += 1
        return token

    def chain(self, inner: Callable[[], Part], *signs: str) -> Part:
        """Parts joined by operators of one rank, from left to right."""
        part = inner()
        while sign := self.take(*signs):
            part = self.binary(sign, part, inner())
        return part

    def unary(self, sign: Token, inner: Callable[[], Part]) -> Part:
        operand = self.nested(inner)
        return self.made(Unary(sign.text, operand, sign.span.to(operand.span)))

    def binary(self, sign: Token, left: Part, right: Part) -> Part:
        return self.made(Binary(sign.text, left, right, left.span.to(right.span)))

    def nested(self, inner: Callable[[], Part]) -> Part:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"nested more than {DEEPEST} deep", self.next.span)
        part = inner()
        self.depth -= 1
        return part

    def made(self, part: Part) -> Part:
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise self.error(f"an expression has up to {MOST_PARTS} parts", part.span)
        return part

    def unexpected(self, expected: str, hint: str | None = None) -> ExpressionError:
        token = self.next
        received = repr(token.text) if token.kind != "end" else "the end"
        return self.error(f"expected {expected}, received {received}", token.span, hint)

    def error(self, problem: str, span: Span, hint: str | None = None) -> ExpressionError:
        return ExpressionError(problem, place=Place(self.source, *span), hint=hint)
