"""The best state of a training so far, kept beside its keyframes.

Owns where it stands; what is best is told by whoever keeps it.
"""

from __future__ import annotations

from pathlib import Path

from opgraph.record.keyframes import (
    Keyframe,
    drop_keyframe,
    keyframe_steps,
    read_keyframe,
    write_keyframe,
)
from opgraph.record.schema import BEST


def write_best(run: Path, keyframe: Keyframe) -> None:
    """Keep a state as the best; the one before is given up when the new one is safely written."""
    folder = run / BEST
    write_keyframe(folder, keyframe)
    for step in keyframe_steps(folder):
        if step != keyframe.step:
            drop_keyframe(folder, step)


def read_best(run: Path) -> Keyframe | None:
    """The best state of a run; None where none was kept.

    Raises:
        RunError: it is damaged.
    """
    steps = keyframe_steps(run / BEST)
    return read_keyframe(run / BEST, steps[-1]) if steps else None
