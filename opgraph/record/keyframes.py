"""The full state of a training at a step, as a safetensors file.

Owns the file's name and form; knows nothing about what the arrays mean. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
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
MOST_BYTES = 64 << 30
_FOREIGN = re.compile(r"bfloat16|float[468]_\w{2,20}|u?int[124]")
_NAME = re.compile(r"step-(\d{6,12})\.safetensors")


@dataclass(frozen=True, eq=False)
class Keyframe:
    """Everything that the next step depends on.

    Attributes:
        step: how many updates lie behind this state; 0 is the state before the first.
        arrays: all variables of model and optimizer, seed generators included.
        cursor: which batch comes next: `epoch` and `index`.
        metrics: running sums of the epoch.
        state: what is no array: of schedules, plateaus, early stopping; any JSON.
    """

    step: int
    arrays: Mapping[str, Array]
    cursor: Mapping[str, int]
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def keyframe_path(run: Path, step: int) -> Path:
    """Where the keyframe of a step stands."""
    return run / KEYFRAMES / f"step-{step:06d}.safetensors"


def write_keyframe(run: Path, keyframe: Keyframe) -> Path:
    """Write a keyframe, whole or not at all."""
    path = keyframe_path(run, keyframe.step)
    foreign = {n: str(a.dtype) for n, a in keyframe.arrays.items() if _is_foreign(a)}
    arrays = {name: _plain(array) for name, array in keyframe.arrays.items()}
    facts: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "step": keyframe.step,
        "cursor": dict(keyframe.cursor),
        "metrics": dict(keyframe.metrics),
        "state": dict(keyframe.state),
        "foreign": foreign,
    }
    facts["sha256"] = _digest(facts, arrays)
    metadata = {"opgraph": json.dumps(facts)}

    def write(temporary: Path) -> None:
        try:
            save_file(arrays, temporary, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        # safetensors lets nobody but the owner read; the other files of a run are not so.
        temporary.chmod(temporary.parent.stat().st_mode & 0o666)

    write_atomic(path, write, RunError)
    return path


def read_keyframe(run: Path, step: int) -> Keyframe:
    """Read a keyframe and see whether it is what was written.

    Raises:
        RunError: there is none of that step, or the file is damaged.
    """
    path = keyframe_path(run, step)
    if not path.is_file():
        raise _no_keyframe(run, step)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES >> 30} GiB")
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {})["opgraph"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _checked(facts, arrays, step)
    except KeyError as error:
        raise _damaged(path, f"{error} missing") from None
    except ModuleNotFoundError:
        hint = "pip install ml_dtypes"
        raise RunError(
            "has numbers of a type that needs ml_dtypes", where=str(path), hint=hint
        ) from None
    except (
        SafetensorError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise _damaged(path, error) from None


def drop_keyframe(run: Path, step: int) -> None:
    """Give a keyframe up; where that fails, as while somebody reads it on Windows, it stays."""
    with suppress(OSError):
        keyframe_path(run, step).unlink()


def last_keyframe(run: Path, at_most: int) -> tuple[Keyframe | None, list[str]]:
    """The last keyframe that can be read at or before a step; what is wrong with later ones."""
    notices: list[str] = []
    for step in reversed([step for step in keyframe_steps(run) if step <= at_most]):
        try:
            return read_keyframe(run, step), notices
        except RunError as error:
            notices.append(f"{error.headline}; skipped")
    return None, notices


def keyframe_steps(run: Path) -> list[int]:
    """The steps that have a keyframe, in order."""
    folder = run / KEYFRAMES
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def is_keyframe(name: str) -> bool:
    """Whether a file name is that of a keyframe."""
    return _NAME.fullmatch(name) is not None


def _checked(facts: Mapping[str, Any], arrays: dict[str, Array], step: int) -> Keyframe:
    if facts["step"] != step:
        raise ValueError(f"it is of step {facts['step']!r}")
    # Keyframes of schema 1 have no checksum.
    if facts["schema"] != 1 and facts["sha256"] != _digest(facts, arrays):
        raise ValueError("its contents are not those that were written (checksum)")
    for name, dtype in facts["foreign"].items():
        arrays[name] = arrays[name].view(_foreign_type(dtype))
    cursor = {str(name): int(value) for name, value in facts["cursor"].items()}
    metrics = {str(name): float(value) for name, value in facts["metrics"].items()}
    return Keyframe(step, arrays, cursor, metrics, dict(facts.get("state", {})))


def _is_foreign(array: Array) -> bool:
    return array.dtype.kind not in PLAIN_KINDS


def _plain(array: Array) -> Array:
    """The array in C order; the bits of a type that is not NumPy's own, such as bfloat16."""
    if _is_foreign(array):
        array = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    return np.asarray(array, order="C")


def _foreign_type(name: str) -> np.dtype[Any]:
    import ml_dtypes

    if not _FOREIGN.fullmatch(name):
        raise ValueError(f"{name!r} is no type of number")
    return np.dtype(getattr(ml_dtypes, name))


def _digest(facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """A checksum of everything in a keyframe: its facts, and names, types, shapes and numbers."""
    plain = {name: value for name, value in facts.items() if name != "sha256"}
    heads = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    found = hashlib.sha256(json.dumps([plain, heads], sort_keys=True).encode())
    for name in sorted(arrays):
        flat: Any = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8)
        found.update(flat)
    return found.hexdigest()


def _damaged(path: Path, reason: object) -> RunError:
    return RunError(f"damaged: {reason}", where=str(path))


def _no_keyframe(run: Path, step: int) -> RunError:
    known = keyframe_steps(run)
    listed = ", ".join(map(str, known)) if known else "none"
    return RunError(
        f"step {step} has no keyframe; those that have one: {listed}",
        where=str(run),
        hint="record with a smaller keyframe interval to have more of them",
    )
