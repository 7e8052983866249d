"""The full state of a training on disk: every type, whole or not at all."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from opgraph.errors import RunError
from opgraph.record import Keyframe, open_run
from opgraph.record.keyframes import keyframe_path, last_keyframe, read_keyframe, write_keyframe

ARRAYS = {
    "model/fc/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "model/#0001/seed_generator_state": np.array([2**32 - 1, 7], dtype=np.uint32),
    "optimizer/#0000/iteration": np.array(2**40, dtype=np.int64),
    "model/half/kernel": np.array([1.5, -2.0], dtype=np.float16),
    "model/brain/kernel": np.array([1.0, 3e38, np.nan], dtype=ml_dtypes.bfloat16),
    "model/eight/kernel": np.array([1.0, -2.0], dtype=ml_dtypes.float8_e4m3fn),
    "model/flag": np.array([True, False]),
    "model/empty": np.zeros((0, 3)),
}


@pytest.fixture
def finished(synthetic: Any, tmp_path: Path) -> Path:
    """A finished run of five steps with keyframes at 0 and 4."""
    path: Path = synthetic.write_run(tmp_path / "run", 5, every=4)
    return path


def test_every_type_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = {"plateau": {"wait": 2, "best": 0.25}}
    write_keyframe(tmp_path, Keyframe(7, ARRAYS, {"epoch": 1, "index": 2}, {"loss": 0.5}, state))
    found = read_keyframe(tmp_path, 7)
    assert (found.step, found.cursor, found.metrics) == (7, {"epoch": 1, "index": 2}, {"loss": 0.5})
    assert found.state == state
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype, name
        assert found.arrays[name].shape == array.shape, name
        assert found.arrays[name].tobytes() == array.tobytes(), name


def test_keyframe_is_plain_safetensors(tmp_path: Path) -> None:
    path = write_keyframe(tmp_path, Keyframe(0, ARRAYS, {}))
    assert path.name == "step-000000.safetensors"
    assert load_file(path)["model/fc/kernel"].tolist() == ARRAYS["model/fc/kernel"].tolist()


def test_size_is_that_of_its_arrays() -> None:
    assert Keyframe(0, {"a": np.zeros((3, 4), np.float32), "b": np.zeros(2)}, {}).size == 48 + 16


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


def test_other_files_among_the_keyframes_are_no_keyframes(finished: Path) -> None:
    for name in ("step-mine.safetensors", ".tmpAb12Cd", ".step-000009.safetensors.0a1b2c3d.tmp"):
        (finished / "keyframes" / name).write_text("")
    assert open_run(finished).keyframe_steps == [0, 4]


def test_damaged_keyframe_is_named(finished: Path) -> None:
    path = keyframe_path(finished, 4)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RunError) as caught:
        open_run(finished).keyframe(4)
    assert str(caught.value).startswith(f"{path}: damaged: ")


def test_every_altered_byte_is_told(tmp_path: Path) -> None:
    """Every byte of a small keyframe, numbers and header alike, one bit each."""
    arrays = {"a": np.array([1.0, 2.0], np.float32), "b": np.array([3], ml_dtypes.bfloat16)}
    path = write_keyframe(tmp_path, Keyframe(3, arrays, {"epoch": 0, "index": 3}, {"loss": 1.0}))
    content, problems = path.read_bytes(), set[str]()
    for place in range(len(content)):
        altered = bytearray(content)
        altered[place] ^= 1
        path.write_bytes(altered)
        try:
            found = read_keyframe(tmp_path, 3)
        except RunError as error:
            problems.add(str(error).split(": ")[1])
            continue
        same = [found.arrays[n].tobytes() == a.tobytes() for n, a in arrays.items()]
        assert all(same), place  # such as a blank after the header
        assert (found.cursor, found.metrics) == ({"epoch": 0, "index": 3}, {"loss": 1.0})
    assert problems == {"damaged"}
    path.write_bytes(content)
    assert read_keyframe(tmp_path, 3).step == 3


def test_altered_number_is_said_to_be_one(finished: Path) -> None:
    path = keyframe_path(finished, 4)
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_keyframe(finished, 4)
    assert str(caught.value) == (
        f"{path}: damaged: its contents are not those that were written (checksum)"
    )


def test_keyframe_of_another_step_is_told(finished: Path) -> None:
    keyframe_path(finished, 0).rename(keyframe_path(finished, 3))
    with pytest.raises(RunError, match="damaged: it is of step 0"):
        read_keyframe(finished, 3)


def test_sizes_that_a_file_claims_are_not_believed(tmp_path: Path) -> None:
    """A header that speaks of a petabyte makes nobody allocate one."""
    path = keyframe_path(tmp_path, 1)
    path.parent.mkdir()
    huge = {"a": {"dtype": "F32", "shape": [1 << 48], "data_offsets": [0, 1 << 50]}}
    header = json.dumps(huge).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(RunError, match="damaged: "):
        read_keyframe(tmp_path, 1)
    path.write_bytes(struct.pack("<Q", 1 << 60) + header)
    with pytest.raises(RunError, match="damaged: "):
        read_keyframe(tmp_path, 1)


@pytest.mark.parametrize("dtype", ["object", "O", "finfo", "__version__", "f8,f8"])
def test_types_that_a_file_names_are_numbers_or_refused(tmp_path: Path, dtype: str) -> None:
    facts = {"schema": 1, "step": 1, "cursor": {}, "metrics": {}, "foreign": {"a": dtype}}
    path = keyframe_path(tmp_path, 1)
    path.parent.mkdir()
    save_file({"a": np.zeros(2, np.uint16)}, path, {"opgraph": json.dumps(facts)})
    with pytest.raises(RunError) as caught:
        read_keyframe(tmp_path, 1)
    assert str(caught.value) == f"{path}: damaged: {dtype!r} is no type of number"


def test_pickle_is_never_read(tmp_path: Path) -> None:
    path = keyframe_path(tmp_path, 1)
    path.parent.mkdir()
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(RunError, match="damaged"):
        read_keyframe(tmp_path, 1)


def test_last_readable_keyframe_skips_damaged_and_later_ones(
    synthetic: Any, tmp_path: Path
) -> None:
    synthetic.write_run(tmp_path, 12, every=3)
    path = keyframe_path(tmp_path, 9)
    path.write_bytes(b"")
    found, notices = last_keyframe(tmp_path, 11)
    assert found is not None
    assert found.step == 6
    assert len(notices) == 1
    assert notices[0].startswith(f"{path}: damaged: ")
    assert notices[0].endswith("; skipped")
    found, notices = last_keyframe(tmp_path, 12)
    assert (found and found.step, notices) == (12, [])
