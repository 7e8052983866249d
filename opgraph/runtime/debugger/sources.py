"""Where the steps of a session come from: what any source of them can do.

Owns the protocol; the two sources stand in `live` and `recorded`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from opgraph.graph import OpGraph
from opgraph.record import StepTensors, Survey
from opgraph.record.expression import Cost, Needs, Scope


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

    def scopes(self, steps: range, needed: Sequence[Needs | None]) -> Generator[tuple[int, Scope]]:
        """Steps one after another, with at least what is needed; None stands for all tensors."""
        ...

    def cost(self, steps: range, needed: Sequence[Needs | None]) -> Cost:
        """How many steps are computed again to have these, and about how long that takes."""
        ...

    def steered(self, step: int, rate: float) -> tuple[Source, str]:
        """The steps that come of another learning rate after a step, and what to say about it."""
        ...


def are_recorded(needed: Sequence[Needs | None], survey: Survey) -> bool:
    """Whether the statistics of a step are enough; None stands for full tensors."""
    return all(x is not None and x.are_recorded(survey) for x in needed)
