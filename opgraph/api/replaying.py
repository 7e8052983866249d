"""Replaying a run: its data made again, its network built again.

Owns what is put together for it; how a step is had again is `runtime`'s to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from opgraph.api.extras import needed_runtime

if TYPE_CHECKING:
    from opgraph.api.run import Run
    from opgraph.runtime import Autopsy, Replay


def make_replay(
    run: Run, unverified: bool = False, notify: Callable[[str], object] | None = None
) -> Replay:
    """What takes a run to any of its steps.

    Raises:
        RunError: the run cannot be replayed.
        DataError: its data cannot be had any more, or have changed.
    """
    from opgraph.runtime.data import recreate

    runtime = needed_runtime()
    runtime.recipe_of(run.record.info)
    data = recreate(run.config["data"])
    replay = runtime.Replay(run.record, run.graph.inner, data, unverified=unverified, notify=notify)
    return cast("Replay", replay)


def find_nonfinite(
    run: Run,
    step: int | None = None,
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
) -> Autopsy | None:
    """Where numbers of a run stopped being finite; None if all are.

    Raises:
        RunError: there is no such step, or it cannot be had again.
    """
    replay = run.replay(unverified=unverified, notify=notify)
    return cast("Autopsy | None", needed_runtime().perform_autopsy(replay, step))
