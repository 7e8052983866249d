"""The table of rules: what a rule says about itself, and how rules are chosen by code.

Knows no particular rule; the families are imported when the table is first asked for.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from opgraph.errors import OpgraphError, Place, suggest
from opgraph.graph import matching
from opgraph.rules.finding import Finding, Severity
from opgraph.rules.view import Known, View

FAMILIES = (
    "normalization",
    "activation",
    "regularization",
    "convolution",
    "wiring",
    "weights",
    "export",
    "dtypes",
)
CODE = re.compile(r"OG\d{3}")


class Hit(NamedTuple):
    """What a rule hands back; severity and place only where they are not the rule's and node's."""

    node: str
    problem: str
    severity: Severity | None = None
    place: Place | None = None


Find = Callable[[View], Iterator[Hit]]


@dataclass(frozen=True)
class Example:
    """Two edge lists: one in which the rule finds something, one in which it must not.

    Attributes:
        bad: the rule fires.
        good: it does not.
        known: what has to be known besides; the same for both unless `good_known` is given.
        good_known: what is known of the good one.
        said: `known` in words, for the page.
        good_said: `good_known` in words.
    """

    bad: str
    good: str
    known: Known = field(default_factory=Known)
    good_known: Known | None = None
    said: str = ""
    good_said: str = ""


@dataclass(frozen=True)
class Rule:
    """One thing to look for.

    Attributes:
        code: OG and three digits; the first one is the family's.
        title: what it looks for, in a few words.
        severity: of its findings, unless one of them says otherwise.
        why: why it matters.
        fix: what to do.
        example: a network in which it fires, and one in which it must not.
        is_default: whether it runs unless asked for; opinionated ones do not.
        family: the file it stands in.
        look: the function that looks.
    """

    code: str
    title: str
    severity: Severity
    why: str
    fix: str
    example: Example
    is_default: bool
    family: str
    look: Find

    def find(self, view: View) -> Iterator[Finding]:
        """Everything that this rule finds in a graph."""
        for node, problem, severity, place in self.look(view):
            yield Finding(
                code=self.code,
                severity=severity or self.severity,
                node=node,
                title=self.title,
                problem=problem,
                why=self.why,
                fix=self.fix,
                place=place or view.place(node),
            )


_BY_CODE: dict[str, Rule] = {}


def rule(
    code: str,
    title: str,
    *,
    severity: Severity,
    why: str,
    fix: str,
    example: Example,
    is_default: bool = True,
) -> Callable[[Find], Find]:
    """Put a function that looks for something into the table of rules.

    Raises:
        TypeError: the code is taken, or no code.
    """

    def register(look: Find) -> Find:
        if not CODE.fullmatch(code):
            raise TypeError(f"{code!r} is no code of a rule; write OG and three digits")
        if code in _BY_CODE:
            raise TypeError(f"{code} is taken by {_BY_CODE[code].title!r}")
        family = look.__module__.rsplit(".", 1)[-1]
        _BY_CODE[code] = Rule(code, title, severity, why, fix, example, is_default, family, look)
        return look

    return register


@cache
def _load() -> None:
    for family in FAMILIES:
        importlib.import_module(f"opgraph.rules.{family}")


def rules() -> tuple[Rule, ...]:
    """All rules, by code."""
    _load()
    return tuple(_BY_CODE[code] for code in sorted(_BY_CODE))


def require_rule(code: str) -> Rule:
    """The rule of this code; case does not count.

    Raises:
        OpgraphError: there is none; the hint names the nearest.
    """
    known = {rule.code: rule for rule in rules()}
    if code.upper() not in known:
        raise _unknown(code)
    return known[code.upper()]


def choose(
    select: Sequence[str] = (), ignore: Sequence[str] = (), everything: bool = False
) -> tuple[Rule, ...]:
    """The rules to run.

    Args:
        select: codes or globs (`OG1*`) of the only ones to run; also those that are off by default.
        ignore: codes or globs to leave out; they win.
        everything: run also those that are off by default.

    Raises:
        OpgraphError: a code or glob matches no rule.
    """
    known = {rule.code: rule for rule in rules()}
    if select:
        chosen = _matched(select, known)
    else:
        chosen = {code for code, rule in known.items() if rule.is_default or everything}
    left_out = _matched(ignore, known)
    return tuple(rule for code, rule in known.items() if code in chosen - left_out)


def _matched(globs: Iterable[str], known: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for glob in globs:
        names = matching(glob.upper(), known)
        if not names:
            raise _unknown(glob)
        found.update(names)
    return found


def _unknown(code: str) -> OpgraphError:
    near = "" if set(code) & set("*?[") else suggest(code, [rule.code for rule in rules()])
    hint = "all rules: opgraph check --explain all"
    return OpgraphError(f"no rule is called {code!r}", hint=f"{near} {hint}" if near else hint)
