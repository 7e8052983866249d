"""Which keyframes are taken and which are kept: a policy as data.

Owns the rule; knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opgraph.errors import RunError

SHARE = 10


@dataclass(frozen=True)
class KeyframePolicy:
    """When a full state is taken, and how many are kept.

    The state before the first step, and the last one taken, are always kept. Where there are too
    many, the distance of those kept grows with their age: any recent step is near a keyframe, and
    an old one is never farther from it than a fixed share of its age.

    Attributes:
        every: steps between two keyframes; a tenth of the training when None.
        keep: how many are kept at most; all when None.
    """

    every: int | None = None
    keep: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise RunError(f"expected at least 1, received {self.every}", where="keyframes.every")
        if self.keep is not None and self.keep < 2:
            raise RunError(
                f"expected at least 2, received {self.keep}",
                where="keyframes.keep",
                hint="the first and the last are always kept",
            )

    def interval(self, total_steps: int) -> int:
        """Steps between two keyframes of a training."""
        return self.every or max(1, -(-total_steps // SHARE))

    def is_due(self, step: int, total_steps: int) -> bool:
        """Whether a keyframe is taken after a step.

        >>> [step for step in range(26) if KeyframePolicy(every=10).is_due(step, 25)]
        [0, 10, 20, 25]
        """
        return step % self.interval(total_steps) == 0 or step == total_steps

    def superfluous(self, steps: Sequence[int]) -> list[int]:
        """Those of the stored steps that are given up, in order.

        >>> KeyframePolicy(keep=5).superfluous([0, 10, 20, 30, 40, 50, 60])
        [10, 30]
        """
        kept, gone = sorted(steps), list[int]()
        while self.keep is not None and len(kept) > self.keep:
            gone.append(kept.pop(_least_missed(kept)))
        return sorted(gone)


def _least_missed(steps: Sequence[int]) -> int:
    """Index of the one whose absence leaves the smallest gap, measured by its age."""

    def gap_by_age(index: int) -> float:
        return (steps[index + 1] - steps[index - 1]) / (steps[-1] - steps[index])

    return min(range(1, len(steps) - 1), key=gap_by_age)
