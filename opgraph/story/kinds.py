"""Who tells the story of which op: one teller forward and one backward for each kind.

Owns the two tables; the families fill them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opgraph.story.model import Item
from opgraph.story.view import NodeView

Teller = Callable[[NodeView], Iterable[Item]]
FORWARD: dict[str, Teller] = {}
BACKWARD: dict[str, Teller] = {}


def forward(*kinds: str) -> Callable[[Teller], Teller]:
    """Make a function the teller of the forward pass of these kinds."""
    return _into(FORWARD, kinds)


def backward(*kinds: str) -> Callable[[Teller], Teller]:
    """Make a function the teller of the backward pass of these kinds."""
    return _into(BACKWARD, kinds)


def _into(table: dict[str, Teller], kinds: tuple[str, ...]) -> Callable[[Teller], Teller]:
    def register(teller: Teller) -> Teller:
        table.update(dict.fromkeys(kinds, teller))
        return teller

    return register
