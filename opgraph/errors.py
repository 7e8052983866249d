"""Every error that opgraph raises, and the places in a text that they point at.

Owns the exception tree and the way a message is laid out; knows nothing about graphs or ops.

    OpgraphError
    ├── ParseError             the text cannot be read
    ├── UnknownOpError         no op of that name
    ├── AttributeValueError    an attribute is unknown, missing or has a wrong value
    ├── GraphError             the connections are wrong (cycle, dangling, number of inputs)
    ├── ShapeError             shapes do not fit
    ├── BuildError             the Keras model cannot be made
    ├── DataError              the training data cannot be used
    ├── TraceError             a training cannot go on
    ├── RunError               a recorded run cannot be read
    ├── ExpressionError        an expression over a run cannot be read or answered
    ├── FormatError            a file of another format cannot be read or written
    ├── ParityError            two models cannot be compared
    ├── ReferenceMissingError  NumPy has no opinion on an op, loss or optimizer
    ├── MissingDependencyError an optional package is not installed
    └── Problems               several of the above, found in one go

A message answers, in this order: where · what was received · what was expected · what to do.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

EXCERPT_COLUMNS = 76


@dataclass(frozen=True)
class Source:
    """A named text, able to tell line and column of an offset."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets at which the lines begin."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its end."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a source: offsets `start` up to, not including, `end`."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """Line number, from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """Column, from 1."""
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """The line with a caret row beneath; long lines are cut around the place, marked by …."""
        number, column = self.source.position(self.start)
        line = self.source.line(number)
        before, marked, after = _window(line, column - 1, self.end - self.start)
        margin = f"{number:>4} │ "
        pad = " " * (len(margin) + _columns(before))
        return f"{margin}{before}{marked}{after}\n{pad}{'^' * max(1, _columns(marked))}"


def _window(line: str, start: int, length: int) -> tuple[str, str, str]:
    """A line in three parts (before, marked, after), cut to the columns of an excerpt."""
    reach = EXCERPT_COLUMNS + 1
    before = _printable(line[max(0, start - reach) : start])
    marked = _printable(line[start : start + length][:reach])
    after = _printable(line[start + length :][:reach])
    room = EXCERPT_COLUMNS - _columns(marked)
    if room < 0:
        return "…" if before else "", _fit(marked, EXCERPT_COLUMNS), ""
    behind = min(_columns(after), max(room // 4, room - _columns(before)))
    return _fit(before, room - behind, from_end=True), marked, _fit(after, behind)


def _fit(text: str, columns: int, from_end: bool = False) -> str:
    """A text cut to so many columns, with … where something is missing."""
    if _columns(text) <= columns:
        return text
    kept = text[-columns:] if from_end else text[:columns]
    while kept and _columns(kept) > columns - 1:
        kept = kept[1:] if from_end else kept[:-1]
    return ("…" + kept if from_end else kept + "…") if columns > 0 else ""


def _printable(text: str) -> str:
    """Replace control characters, one for one, so that a terminal cannot be driven by a file."""
    return "".join(char if char.isprintable() else " " for char in text)


def _columns(text: str) -> int:
    """Terminal columns a text takes: wide characters take two, combining marks none."""
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char)
        for char in text
    )


class OpgraphError(Exception):
    """Base of all errors: a problem, where it is, and what to do about it.

    Attributes:
        problem: what was received and what was expected, in one line.
        where: the node, attribute or file concerned, in the user's own words.
        place: the stretch of source text concerned, where there is one.
        hint: what to do.
        node: the name of the node concerned, where there is one.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        place: Place | None = None,
        hint: str | None = None,
        node: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.place = place
        self.hint = hint
        self.node = node

    @property
    def headline(self) -> str:
        """Where and what, in one line, without the source excerpt."""
        message = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{self.place}  {message}" if self.place else message

    def __str__(self) -> str:
        parts = [self.headline]
        if self.place:
            parts.append(self.place.excerpt())
        if self.hint:
            parts.append(f"   {self.hint}")
        return "\n".join(parts)

    def as_dict(self) -> dict[str, object]:
        """The error as plain data, for `--json`."""
        data: dict[str, object] = {"error": type(self).__name__, "problem": self.problem}
        optional = {"where": self.where, "node": self.node, "hint": self.hint}
        data |= {key: value for key, value in optional.items() if value is not None}
        if self.place:
            name = self.place.source.name
            data |= {"file": name, "line": self.place.line, "column": self.place.column}
        return data


class ParseError(OpgraphError):
    """The text cannot be read."""


class UnknownOpError(OpgraphError):
    """No op has that name."""


class AttributeValueError(OpgraphError):
    """An attribute is unknown, missing or has a wrong value."""


class GraphError(OpgraphError):
    """The connections are wrong: a cycle, a dangling node, a wrong number of inputs."""


class ShapeError(OpgraphError):
    """The shapes that meet at a node do not fit."""


class BuildError(OpgraphError):
    """The Keras model cannot be made."""


class DataError(OpgraphError):
    """The data cannot be used for this network."""


class TraceError(OpgraphError):
    """A training cannot start or go on."""


class RunError(OpgraphError):
    """A recorded run cannot be read."""


class ExpressionError(OpgraphError):
    """An expression over the tensors of a run cannot be read or answered."""


class FormatError(OpgraphError):
    """A file of another format cannot be read or written."""


class ParityError(OpgraphError):
    """Two models cannot be compared."""


class ReferenceMissingError(OpgraphError):
    """There is no computation of this that is independent of TensorFlow."""


class MissingDependencyError(OpgraphError):
    """An optional package is not installed."""


class Problems(OpgraphError):
    """Several errors found in one go.

    Attributes:
        errors: the first of them.
        more: how many were counted beyond those.
    """

    def __init__(self, errors: Sequence[OpgraphError], more: int = 0) -> None:
        super().__init__(f"{len(errors) + more:,} problems")
        self.errors = tuple(errors)
        self.more = more

    def __str__(self) -> str:
        parts = [str(error) for error in self.errors]
        return "\n\n".join([*parts, f"and {self.more:,} more"] if self.more else parts)


def raise_all(errors: Sequence[OpgraphError], more: int = 0) -> None:
    """Raise what was found: nothing, the single error, or all of them as `Problems`."""
    if len(errors) == 1 and not more:
        raise errors[0]
    if errors:
        raise Problems(errors, more)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """A did-you-mean sentence for the known word nearest to `word`, if any is near.

    >>> suggest("Conv2", ["Conv2D", "Dense"])
    "did you mean 'Conv2D'?"
    """
    candidates = list(known)
    by_lower = {name.lower(): name for name in candidates}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]!r}?" if near else None
