"""The full state of a training on disk: every type, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

from opgraph.errors import RunError
from opgraph.record import Keyframe, open_run
from opgraph.record.keyframes import keyframe_path, read_keyframe, write_keyframe

ARRAYS = {
    "model/fc/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "model/#0001/seed_generator_state": np.array([2**32 - 1, 7], dtype=np.uint32),
    "optimizer/#0000/iteration": np.array(2**40, dtype=np.int64),
    "model/half/kernel": np.array([1.5, -2.0], dtype=np.float16),
    "model/brain/kernel": np.array([1.0, 3e38, np.nan], dtype=ml_dtypes.bfloat16),
    "model/flag": np.array([True, False]),
    "model/empty": np.zeros((0, 3)),
}


def test_every_type_comes_back_bit_for_bit(tmp_path: Path) -> None:
    write_keyframe(tmp_path, Keyframe(7, ARRAYS, {"epoch": 1, "index": 2}, {"loss": 0.5}))
    found = read_keyframe(tmp_path, 7)
    assert (found.step, found.cursor, found.metrics) == (7, {"epoch": 1, "index": 2}, {"loss": 0.5})
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype, name
        assert found.arrays[name].shape == array.shape, name
        assert found.arrays[name].tobytes() == array.tobytes(), name


def test_keyframe_is_plain_safetensors(tmp_path: Path) -> None:
    path = write_keyframe(tmp_path, Keyframe(0, ARRAYS, {}))
    assert path.name == "step-000000.safetensors"
    assert load_file(path)["model/fc/kernel"].tolist() == ARRAYS["model/fc/kernel"].tolist()


def test_last_keyframe_is_the_default(finished: Path) -> None:
    run = open_run(finished)
    assert run.keyframe_steps == [0, 4]
    assert run.keyframe().step == 4
    assert run.keyframe(0).cursor == {"epoch": 0, "index": 0}


def test_step_without_keyframe_lists_those_that_have_one(finished: Path) -> None:
    with pytest.raises(RunError) as caught:
        open_run(finished).keyframe(3)
    assert str(caught.value) == (
        f"{finished}: step 3 has no keyframe; those that have one: 0, 4\n"
        "   record with a smaller keyframe interval to have more of them"
    )


def test_run_without_keyframes_says_so(finished: Path) -> None:
    for step in (0, 4):
        keyframe_path(finished, step).unlink()
    with pytest.raises(RunError) as caught:
        open_run(finished).keyframe()
    assert str(caught.value) == f"{finished}: the run has no keyframe"


def test_damaged_keyframe_is_named(finished: Path) -> None:
    path = keyframe_path(finished, 4)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RunError) as caught:
        open_run(finished).keyframe(4)
    assert str(caught.value).startswith(f"{path}: damaged: ")


def test_pickle_is_never_read(tmp_path: Path) -> None:
    path = keyframe_path(tmp_path, 1)
    path.parent.mkdir()
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(RunError, match="damaged"):
        read_keyframe(tmp_path, 1)
