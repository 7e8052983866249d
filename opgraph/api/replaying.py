"""Replaying a run: its data made again, its network built again.

Owns what is put together for it; how a step is had again is `runtime`'s to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from opgraph.api.extras import needed_runtime

if TYPE_CHECKING:
    from opgraph.api.run import Run
    from opgraph.runtime import Autopsy, Replay
    from opgraph.runtime.data import Data


def data_again(run: Run, data: Any = None) -> Data:
    """The data of a run: read once more, or those that are handed over, if they are the same.

    Raises:
        RunError: the run cannot be replayed.
        DataError: its data cannot be had any more, or have changed, or are others.
    """
    from opgraph.runtime.data import recreate, recreate_from

    needed_runtime().recipe_of(run.record.info, has_data=data is not None)
    known = run.record.info.data
    return recreate(known) if data is None else recreate_from(known, data)


def make_replay(
    run: Run, data: Data, unverified: bool = False, notify: Callable[[str], object] | None = None
) -> Replay:
    """What takes a run to any of its steps.

    Raises:
        RunError: the run cannot be replayed.
    """
    replay = needed_runtime().Replay(
        run.record, run.graph.inner, data, unverified=unverified, notify=notify
    )
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
