"""Where the steps of a session come from: what any source of them can do.

Owns the protocol; the two sources stand in `live` and `recorded`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from opgraph.graph import OpGraph
from opgraph.record import StepTensors, Survey
from opgraph.record.expression import Needs, Scope


class Source(Protocol):
    """Steps that a session can look at.

    Attributes:
        is_live: whether steps come to be by going there, so that later ones are not there yet.
    """

    is_live: bool

    @property
    def graph(self) -> OpGraph:
        """The network."""
        ...

    @property
    def survey(self) -> Survey:
        """What is measured."""
        ...

    @property
    def first(self) -> int:
        """The first step."""
        ...

    @property
    def last(self) -> int:
        """The last step."""
        ...

    @property
    def ending(self) -> str:
        """Why there is no step behind the last one."""
        ...

    def at(self, step: int) -> StepTensors:
        """All tensors of a step."""
        ...

    def scopes(self, steps: range, needed: Sequence[Needs | None]) -> Iterator[tuple[int, Scope]]:
        """Steps one after another, with at least what is needed; None stands for all tensors."""
        ...

    def steered(self, step: int, rate: float) -> tuple[Source, str]:
        """The steps that come of another learning rate after a step, and what to say about it."""
        ...


def are_recorded(needed: Sequence[Needs | None], survey: Survey) -> bool:
    """Whether the statistics of a step are enough; None stands for full tensors."""
    return all(x is not None and x.are_recorded(survey) for x in needed)


def joined(needed: Sequence[Needs]) -> Needs:
    """All that several expressions need."""
    figures = dict.fromkeys(name for x in needed for name in x.figures)
    columns = {key: column for x in needed for key, column in x.columns.items()}
    return Needs(tuple(figures), columns, ())
