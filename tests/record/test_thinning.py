"""Which keyframes are kept: the first, the last, and near ones near."""

from __future__ import annotations

from itertools import pairwise

import pytest

from opgraph.errors import RunError
from opgraph.record.thinning import KeyframePolicy

KEEP = 32


def kept_after(total: int, every: int, keep: int | None) -> list[list[int]]:
    """The stored steps after each keyframe of a training."""
    policy, stored, seen = KeyframePolicy(every, keep), list[int](), list[list[int]]()
    for step in range(0, total + 1, every):
        stored = sorted({*stored, step})
        gone = policy.superfluous(stored)
        assert gone == sorted(gone)
        stored = [s for s in stored if s not in gone]
        seen.append(stored)
    return seen


def test_default_keeps_all_of_what_the_default_interval_takes() -> None:
    """After each tenth of any training: eleven or so keyframes."""
    for total in (1, 7, 25, 300, 12_345):
        policy = KeyframePolicy()
        steps = [step for step in range(total + 1) if policy.is_due(step, total)]
        assert len(steps) <= 12
        assert policy.superfluous(steps) == []
        assert {0, total} <= set(steps)


@pytest.mark.parametrize("keep", [2, 3, 8, KEEP])
def test_first_and_last_stay_and_never_too_many(keep: int) -> None:
    for number, stored in enumerate(kept_after(3000, 10, keep)):
        assert stored[0] == 0
        assert stored[-1] == number * 10
        assert len(stored) == min(keep, number + 1)


@pytest.mark.parametrize(("total", "share"), [(1000, 0.25), (10_000, 0.35), (100_000, 0.6)])
def test_distance_is_a_share_of_the_age(total: int, share: float) -> None:
    """A past step has a keyframe at or before it, no farther away than a share of its age."""
    for stored in kept_after(total, 10, KEEP)[KEEP:]:
        last = stored[-1]
        for before, after in pairwise(stored):
            age = last - (after - 1)
            assert after - 1 - before <= max(10, share * (age + after - before)), stored


def test_recent_ones_are_all_there() -> None:
    assert kept_after(1000, 10, 8)[-1][-3:] == [980, 990, 1000]


def test_no_limit_keeps_all() -> None:
    assert len(kept_after(1000, 10, None)[-1]) == 101


def test_thinning_again_changes_nothing() -> None:
    """A process that is killed between writing and thinning ends with the same keyframes."""
    policy = KeyframePolicy(10, 6)
    steps = list(range(0, 200, 10))
    kept = [step for step in steps if step not in policy.superfluous(steps)]
    assert len(kept) == 6
    assert policy.superfluous(kept) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "keyframes.every: expected at least 1, received 0"),
        (
            {"keep": 1},
            "keyframes.keep: expected at least 2, received 1\n"
            "   the first and the last are always kept",
        ),
    ],
)
def test_impossible_policies_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(RunError) as caught:
        KeyframePolicy(**options)
    assert str(caught.value) == message
