"""Writing a run: whole parts only, nothing of others touched, no run overwritten by accident."""

from __future__ import annotations

import errno
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from opgraph import files
from opgraph.errors import RunError, TraceError
from opgraph.record import KINDS, check_free, open_run
from opgraph.record.thinning import KeyframePolicy


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "opgraph-writer"]


def full_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on files whose name holds a word cannot be flushed to disk."""
    flush = files.flush

    def full(path: Path) -> None:
        if name in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path)

    monkeypatch.setattr(files, "flush", full)


def test_directory_holds_parts_keyframes_and_descriptions(synthetic: Any, tmp_path: Path) -> None:
    synthetic.write_run(tmp_path, 7)
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    kinds = [kind for kind in KINDS if kind != "dropout"]  # it has no site
    parts = [f"{kind}/part-{number:05d}.parquet" for kind in kinds for number in range(3)]
    others = ["graph.json", "run.json", "sites.parquet"]
    keyframes = [f"keyframes/step-{step:06d}.safetensors" for step in (0, 5)]
    assert names == sorted([*parts, *others, *keyframes])


def test_files_of_a_run_may_be_read_by_those_who_may_read_its_folder(
    synthetic: Any, tmp_path: Path
) -> None:
    synthetic.write_run(tmp_path / "run", 5)
    modes = {oct(p.stat().st_mode & 0o777) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert modes == {oct((tmp_path / "run").stat().st_mode & 0o666)}


def test_rows_are_written_once_a_part_is_full(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.begin(tmp_path, part_steps=2)
    synthetic.feed(writer, 3)
    until = time.monotonic() + 10
    while writer.last_stored < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert (writer.last_stored, open_run(tmp_path).last_step) == (2, 2)
    assert open_run(tmp_path).info.status == "running"
    writer.flush()
    assert (writer.last_stored, open_run(tmp_path).last_step) == (3, 3)


def test_large_rows_make_short_parts(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opgraph.record.writer.PART_BYTES", 2 * synthetic.make_packed(1).nbytes)
    writer = synthetic.feed(synthetic.begin(tmp_path, part_steps=100), 4)
    writer.end(writer.info.ended("finished"))
    assert len(open_run(tmp_path).parts("steps")) == 2


def test_keyframe_writes_the_rows_before_it(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path, part_steps=100), 3)
    assert open_run(tmp_path).last_step == 0
    writer.keyframe(synthetic.make_keyframe(3))
    until = time.monotonic() + 10
    while not open_run(tmp_path).keyframe_steps and time.monotonic() < until:
        time.sleep(0.01)
    assert open_run(tmp_path).keyframe_steps == [3]
    assert open_run(tmp_path).last_step == 3
    writer.end(writer.info.ended("finished"))


def test_too_many_keyframes_are_thinned_after_the_newer_one_stands(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = KeyframePolicy(keep=4)
    writer = synthetic.begin(tmp_path, policy=policy)
    writer.keyframe(synthetic.make_keyframe(0))
    synthetic.feed(writer, 20, every=2)
    writer.flush()
    expected: list[int] = []
    for step in range(0, 21, 2):
        expected.append(step)
        expected = [s for s in expected if s not in policy.superfluous(expected)]
    assert open_run(tmp_path).keyframe_steps == expected
    full_disk(monkeypatch, "step-000022")
    writer.add(synthetic.make_row(21))
    writer.keyframe(synthetic.make_keyframe(22))
    with pytest.raises(RunError):
        writer.flush()
    assert open_run(tmp_path).keyframe_steps == expected


def test_second_run_in_the_same_directory_is_refused(synthetic: Any, tmp_path: Path) -> None:
    synthetic.write_run(tmp_path, 5)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunError) as caught:
        synthetic.begin(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds a run already\n"
        "   choose another directory, or allow it to be replaced (--overwrite)"
    )
    assert sorted(tmp_path.rglob("*")) == before
    assert open_run(tmp_path).last_step == 5


def test_overwrite_replaces_the_run_and_nothing_else(synthetic: Any, tmp_path: Path) -> None:
    synthetic.write_run(tmp_path, 5)
    (tmp_path / "graph.svg").write_text("mine")
    writer = synthetic.feed(synthetic.begin(tmp_path, overwrite=True), 2)
    writer.flush()
    assert open_run(tmp_path).last_step == 2
    assert open_run(tmp_path).keyframe_steps == []
    assert (tmp_path / "graph.svg").read_text() == "mine"
    assert not (tmp_path / ".replaced").exists()


def test_overwriting_that_was_killed_is_taken_up(synthetic: Any, tmp_path: Path) -> None:
    """Half of the old run lies in the trash; the directory still counts as a run."""
    synthetic.write_run(tmp_path, 5)
    (tmp_path / ".replaced").mkdir()
    (tmp_path / "output").rename(tmp_path / ".replaced" / "output")
    writer = synthetic.feed(synthetic.begin(tmp_path, overwrite=True), 2)
    writer.end(writer.info.ended("finished", steps=2))
    assert not (tmp_path / ".replaced").exists()
    assert open_run(tmp_path).table("output").num_rows == 4


def test_directory_with_other_files_takes_a_run(synthetic: Any, tmp_path: Path) -> None:
    (tmp_path / "graph.svg").write_text("mine")
    synthetic.write_run(tmp_path, 2)
    assert open_run(tmp_path).last_step == 2


def test_overwrite_refuses_what_is_no_run_of_opgraph(synthetic: Any, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "thesis.txt").write_text("do not delete")
    with pytest.raises(RunError) as caught:
        synthetic.begin(tmp_path, overwrite=True)
    assert str(caught.value) == (
        f"{tmp_path}: holds 'output' but no run.json, so it is no run of opgraph\n"
        "   choose another directory, or remove these"
    )
    (tmp_path / "run.json").write_text('{"mine": true}')
    with pytest.raises(RunError, match="is not a run of opgraph"):
        synthetic.begin(tmp_path, overwrite=True)
    assert (tmp_path / "output" / "thesis.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["output", "run.json"]


def test_file_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("")
    with pytest.raises(RunError) as caught:
        check_free(path)
    assert str(caught.value) == f"{path}: is a file, not a directory for a run"


def test_directory_that_cannot_be_made_is_one_line(synthetic: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError) as caught:
        synthetic.begin(tmp_path / "file" / "run")
    assert str(caught.value) == f"{tmp_path}/file/run: cannot be made: Not a directory"


def test_run_that_cannot_begin_leaves_nothing(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch, "sites.parquet")
    with pytest.raises(RunError) as caught:
        synthetic.begin(tmp_path)
    where = tmp_path / "sites.parquet"
    assert str(caught.value) == f"{where}: cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["add", "keyframe", "flush", "end"])
def test_error_of_the_thread_is_raised_by_the_next_call_and_the_run_says_failed(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path, part_steps=2), 2)
    writer.flush()
    full_disk(monkeypatch, "part-00001")
    writer.add(synthetic.make_row(3))
    writer._hand_over()
    writer._background.drain()
    calls = {
        "add": lambda: writer.add(synthetic.make_row(4)),
        "keyframe": lambda: writer.keyframe(synthetic.make_keyframe(4)),
        "flush": writer.flush,
        "end": lambda: writer.end(writer.info.ended("finished", steps=3)),
    }
    with pytest.raises(RunError) as caught:
        calls[call]()
    where = tmp_path / "output" / "part-00001.parquet"
    message = f"{where}: cannot be written: No space left on device"
    assert str(caught.value) == message
    run = open_run(tmp_path)
    assert run.info.status == "failed"
    assert run.info.outcome["error"] == message
    assert run.info.outcome["steps_on_disk"] == 2
    assert run.last_step == 2
    assert [p.name for p in (tmp_path / "output").iterdir()] == ["part-00000.parquet"]
    assert writers() == []
    writer.end(writer.info.ended("finished", steps=3, seconds=1.0))  # said once, not twice
    assert open_run(tmp_path).info.status == "failed"
    assert not (tmp_path / ".lock").exists()


def test_error_at_the_very_end_is_told_by_end(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path, part_steps=100), 3)
    full_disk(monkeypatch, "part-")
    with pytest.raises(RunError, match=r"part-00000\.parquet: cannot be written: No space left"):
        writer.end(writer.info.ended("finished", steps=3, seconds=2.5))
    info = open_run(tmp_path).info
    assert (info.status, info.outcome["seconds"], info.outcome["steps_on_disk"]) == (
        "failed",
        2.5,
        0,
    )


def test_disk_too_full_even_for_run_json_still_says_the_first_error(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path, part_steps=100), 3)
    full_disk(monkeypatch, "")
    with pytest.raises(RunError, match=r"part-00000\.parquet: cannot be written: No space left"):
        writer.end(writer.info.ended("finished", steps=3))
    assert open_run(tmp_path).info.status == "running"
    assert not (tmp_path / ".lock").exists()


def test_any_other_error_of_the_thread_is_a_run_error_too(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.begin(tmp_path)
    row = synthetic.make_row(1)
    writer.add(type(row)(row.packed[:3], row.layout, row.host))  # not what the layout says
    with pytest.raises(RunError) as caught:
        writer.flush()
    assert str(caught.value).startswith(f"{tmp_path}: cannot be written: IndexError: ")
    assert isinstance(caught.value.__cause__, IndexError)


def test_steps_must_rise(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path), 2)
    with pytest.raises(RunError) as caught:
        writer.add(synthetic.make_row(2))
    assert str(caught.value) == f"{tmp_path}: step 2 after step 2"


def test_leaving_the_writer_ends_the_run(synthetic: Any, tmp_path: Path) -> None:
    def leave(name: str, error: BaseException | None) -> Any:
        with synthetic.begin(tmp_path / name, part_steps=100) as writer:
            synthetic.feed(writer, 4, every=100)
            if error is not None:
                raise error

    leave("left", None)
    with pytest.raises(TraceError):
        leave("failed", TraceError("the loss is nan", where="step 4"))
    with pytest.raises(KeyboardInterrupt):
        leave("interrupted", KeyboardInterrupt())
    found = {p.name: open_run(p).info for p in tmp_path.iterdir()}
    assert {name: (info.status, info.outcome["error"]) for name, info in found.items()} == {
        "left": ("failed", "the writer was left before the run had ended"),
        "failed": ("failed", "step 4: the loss is nan"),
        "interrupted": ("interrupted", "KeyboardInterrupt()"),
    }
    assert {open_run(p).last_step for p in tmp_path.iterdir()} == {4}
    assert writers() == []


def test_keyframe_is_taken_as_it_was_when_handed_over(synthetic: Any, tmp_path: Path) -> None:
    """What the caller makes of its own arrays meanwhile does not matter: they are copies."""
    writer = synthetic.begin(tmp_path)
    for step in range(1, 30):
        writer.add(synthetic.make_row(step))
        writer.keyframe(synthetic.make_keyframe(step))
    writer.end(writer.info.ended("finished"))
    run = open_run(tmp_path)
    for step in run.keyframe_steps:
        expected = synthetic.make_keyframe(step).arrays["model/fc/kernel"]
        assert np.array_equal(run.keyframe(step).arrays["model/fc/kernel"], expected)


def test_memory_of_what_waits_is_bounded(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is slower than the training holds the training up."""
    keyframe = synthetic.make_keyframe(1)
    writer = synthetic.begin(tmp_path, most_bytes=int(2.5 * keyframe.size))
    written, most = [0], 0
    store = writer._store_keyframe

    def slow(frame: Any) -> None:
        time.sleep(0.02)
        store(frame)
        written[0] += 1

    monkeypatch.setattr(writer, "_store_keyframe", slow)
    for step in range(12):
        writer.keyframe(synthetic.make_keyframe(step))
        most = max(most, step + 1 - written[0])
    writer.end(writer.info.ended("finished"))
    assert 2 <= most <= 3  # one more may be between being written and being counted
    assert written == [12]


def test_part_is_plain_parquet_with_no_null_keys_and_page_checksums(
    synthetic: Any, tmp_path: Path
) -> None:
    synthetic.write_run(tmp_path, 5)
    table = pq.read_table(tmp_path / "weight" / "part-00000.parquet")
    assert table["step"].null_count == table["node"].null_count == 0
    steps = pq.ParquetFile(tmp_path / "steps" / "part-00001.parquet")
    manifest = json.loads(steps.metadata.metadata[b"opgraph"])
    assert (manifest["first"], manifest["last"]) == (4, 5)
    size = (tmp_path / "weight" / "part-00001.parquet").stat().st_size
    assert manifest["tables"]["weight"]["bytes"] == size
