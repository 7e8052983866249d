"""The full state of a training at a step, as a safetensors file.

Owns the file's name and form; knows nothing about what the arrays mean. Nothing is ever pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from opgraph.errors import RunError
from opgraph.files import write_atomic
from opgraph.record.quantities import Array
from opgraph.record.schema import KEYFRAMES, SCHEMA_VERSION

PLAIN_KINDS = frozenset("biuf")


@dataclass(frozen=True, eq=False)
class Keyframe:
    """Everything that the next step depends on.

    Attributes:
        step: how many updates lie behind this state; 0 is the state before the first.
        arrays: all variables of model and optimizer, seed generators included.
        cursor: which batch comes next: `epoch` and `index`.
        metrics: running sums of the epoch.
    """

    step: int
    arrays: Mapping[str, Array]
    cursor: Mapping[str, int]
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


def keyframe_path(run: Path, step: int) -> Path:
    """Where the keyframe of a step stands."""
    return run / KEYFRAMES / f"step-{step:06d}.safetensors"


def write_keyframe(run: Path, keyframe: Keyframe) -> Path:
    """Write a keyframe, whole or not at all."""
    path = keyframe_path(run, keyframe.step)
    path.parent.mkdir(parents=True, exist_ok=True)
    # bfloat16 is not a type of NumPy's own: its bits are kept.
    foreign = {
        n: str(a.dtype) for n, a in keyframe.arrays.items() if a.dtype.kind not in PLAIN_KINDS
    }
    arrays = {
        name: np.array(array.view(np.uint16) if name in foreign else array, order="C")
        for name, array in keyframe.arrays.items()
    }
    facts = {
        "schema": SCHEMA_VERSION,
        "step": keyframe.step,
        "cursor": dict(keyframe.cursor),
        "metrics": dict(keyframe.metrics),
        "foreign": foreign,
    }
    metadata = {"opgraph": json.dumps(facts)}
    write_atomic(path, lambda temporary: save_file(arrays, temporary, metadata), RunError)
    return path


def read_keyframe(run: Path, step: int) -> Keyframe:
    """Read a keyframe.

    Raises:
        RunError: there is none of that step, or the file is damaged.
    """
    path = keyframe_path(run, step)
    if not path.is_file():
        raise _no_keyframe(run, step)
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {})["opgraph"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise RunError(f"damaged: {error}", where=str(path)) from None
    return _from_facts(facts, arrays)


def _from_facts(facts: Mapping[str, Any], arrays: dict[str, Array]) -> Keyframe:
    for name, dtype in facts["foreign"].items():
        arrays[name] = arrays[name].view(np.dtype(dtype))
    return Keyframe(facts["step"], arrays, facts["cursor"], facts["metrics"])


def keyframe_steps(run: Path) -> list[int]:
    """The steps that have a keyframe, in order."""
    folder = run / KEYFRAMES
    paths = folder.glob("step-*.safetensors") if folder.is_dir() else ()
    return sorted(int(path.stem.removeprefix("step-")) for path in paths)


def _no_keyframe(run: Path, step: int) -> RunError:
    known = keyframe_steps(run)
    listed = ", ".join(map(str, known)) if known else "none"
    return RunError(
        f"step {step} has no keyframe; those that have one: {listed}",
        where=str(run),
        hint="record with a smaller keyframe interval to have more of them",
    )
