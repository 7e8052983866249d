"""States of a training kept in memory, so that one can go back: evenly thinned, never too many.

Owns which are kept; knows nothing about what is in them.
"""

from __future__ import annotations

from opgraph.record import Keyframe

MOST = 32
MOST_BYTES = 1 << 30


class Snapshots:
    """States by step: the first one always, others every so many steps.

    Attributes:
        every: steps between two of them; doubled when there are too many.
    """

    def __init__(self, first: Keyframe, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.first = first.step
        self.every = 1
        self._most = max(2, min(most, most_bytes // max(1, first.size)))
        self._kept = {first.step: first}

    @property
    def steps(self) -> list[int]:
        """The steps that are kept, in order."""
        return sorted(self._kept)

    def wants(self, step: int) -> bool:
        """Whether the state after a step is one to keep."""
        return (step - self.first) % self.every == 0 and step not in self._kept

    def add(self, keyframe: Keyframe) -> None:
        """Keep a state; if there are too many, half of them go."""
        self._kept[keyframe.step] = keyframe
        while len(self._kept) > self._most:
            self.every *= 2
            kept = self._kept.items()
            self._kept = {n: x for n, x in kept if (n - self.first) % self.every == 0}

    def before(self, step: int) -> Keyframe:
        """The last state kept that is not later than `step`."""
        return self._kept[max(n for n in self._kept if n <= step)]

    def drop_after(self, step: int) -> None:
        """Forget what came later."""
        self._kept = {n: x for n, x in self._kept.items() if n <= step}
