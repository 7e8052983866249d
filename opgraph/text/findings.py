"""What is wrong with a text, gathered while it is read: the first few in full, the rest counted."""

from __future__ import annotations

from collections.abc import Callable

from opgraph.errors import OpgraphError, Place, Source, raise_all

SHOWN = 20
MOST = 1000
LONGEST_PROBLEM = 400


class TooManyFindings(Exception):
    """The text is garbage: reading on would tell nothing new."""


class Findings:
    """Errors of one text, in the order in which they stand in it.

    A message costs time (suggestions compare many names), so beyond `SHOWN` findings only their
    number is kept.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.errors: list[OpgraphError] = []
        self.more = 0

    def __len__(self) -> int:
        return len(self.errors) + self.more

    @property
    def are_enough(self) -> bool:
        """Whether further ones are only counted."""
        return len(self.errors) >= SHOWN

    def add(self, make: Callable[[], OpgraphError]) -> None:
        """Note an error; it is made only if it will be shown.

        Raises:
            TooManyFindings: there are so many that the rest need not be read.
        """
        if self.are_enough:
            self.more += 1
        else:
            self.errors.append(_shortened(make()))
        if len(self) >= MOST:
            raise TooManyFindings

    def add_at(self, make: Callable[[], OpgraphError], start: int, end: int) -> None:
        """Note an error at a stretch of the text."""

        def placed() -> OpgraphError:
            error = make()
            error.place = self.place(start, end)
            return error

        self.add(placed)

    def place(self, start: int, end: int) -> Place:
        """The place of a stretch of the text."""
        return Place(self.source, start, end)

    def raise_all(self) -> None:
        """Raise what was found, if anything."""
        self.errors.sort(key=lambda error: error.place.start if error.place else 0)
        raise_all(self.errors, self.more)


def _shortened(error: OpgraphError) -> OpgraphError:
    if len(error.problem) > LONGEST_PROBLEM:
        half = LONGEST_PROBLEM // 2
        error.problem = f"{error.problem[:half]} … {error.problem[-half:]}"
    return error
