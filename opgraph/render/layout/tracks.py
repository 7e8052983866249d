"""The order of horizontal pieces in the gap between two ranks."""

from __future__ import annotations

from typing import NamedTuple

MANY = 40
APART = 8.0
CONFLICT = 100


class Bus(NamedTuple):
    """A horizontal piece: where its line comes from above, and where it goes down."""

    start: float
    ends: tuple[float, ...]

    @property
    def low(self) -> float:
        """Left end."""
        return min(self.start, *self.ends)

    @property
    def high(self) -> float:
        """Right end."""
        return max(self.start, *self.ends)


def assign_tracks(buses: list[Bus]) -> list[int]:
    """The track of each bus, counted from above; buses on one track do not touch.

    >>> assign_tracks([Bus(0, (10,)), Bus(5, (15,)), Bus(40, (50,))])
    [1, 0, 0]
    """
    order = sorted(range(len(buses)), key=lambda i: _urgency(buses[i]))
    if len(order) <= MANY:
        _improve(order, buses)
        order = _without_conflicts(order, buses)
    tracks = [0] * len(buses)
    done: list[int] = []
    for index in order:
        beside = [tracks[j] + 1 for j in done if _touch(buses[index], buses[j])]
        tracks[index] = max(beside, default=0)
        done.append(index)
    return tracks


def _urgency(bus: Bus) -> tuple[bool, float]:
    """Of lines that go right, the rightmost turns first; of those that go left, the leftmost."""
    right = sum(bus.ends) / len(bus.ends) >= bus.start
    return right, -bus.start if right else bus.start


def _touch(a: Bus, b: Bus) -> bool:
    return a.low - APART < b.high and b.low - APART < a.high


def _improve(order: list[int], buses: list[Bus]) -> None:
    """Exchange neighbours while that takes crossings away."""
    for _ in range(len(order)):
        changed = False
        for place in range(len(order) - 1):
            a, b = buses[order[place]], buses[order[place + 1]]
            if _touch(a, b) and _cost(a, b) > _cost(b, a):
                order[place], order[place + 1] = order[place + 1], order[place]
                changed = True
        if not changed:
            return


def _without_conflicts(order: list[int], buses: list[Bus]) -> list[int]:
    """The order, changed so that no line comes down where another goes up, as far as possible."""
    waiting = list(order)
    sorted_order: list[int] = []
    while waiting:
        free = (i for i in waiting if not any(_conflict(buses[i], buses[j]) for j in waiting))
        chosen = next(free, waiting[0])
        waiting.remove(chosen)
        sorted_order.append(chosen)
    return sorted_order


def _conflict(above: Bus, below: Bus) -> bool:
    """Whether two buses would share a vertical if one ran above the other."""
    return above is not below and below.start in above.ends


def _cost(above: Bus, below: Bus) -> int:
    """Crossings when one bus runs above the other; a shared vertical costs a lot."""
    crossed = int(above.low < below.start < above.high)
    crossed += sum(below.low < end < below.high for end in above.ends)
    return crossed + CONFLICT * _conflict(above, below)
