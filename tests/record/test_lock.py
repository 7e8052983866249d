"""One writer for a run directory: the second is refused, and a dead one leaves no lock."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opgraph.errors import RunError
from opgraph.record import RunWriter, check_free, open_run
from opgraph.record import lock as lock_module
from opgraph.record.lock import LOCK_FILE, RunLock, holder

PROGRAM = Path(__file__).with_name("synthetic.py")


def start(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    process.communicate()


REFUSED = re.compile(
    r"(?P<path>.*): in use: process (?P<pid>\d+) on (?P<host>.*),"
    r" since (?P<since>[^,]*), writes to it\n"
    r"   wait until it ends, stop it, or choose another directory"
)


def test_second_process_is_refused_and_the_first_goes_on(synthetic: Any, tmp_path: Path) -> None:
    path = tmp_path / "run"
    process = start(path)
    try:
        attempts = (
            lambda: synthetic.begin(path),
            lambda: synthetic.begin(path, overwrite=True),
            lambda: check_free(path, overwrite=True),
            lambda: RunWriter.resume(path),
        )
        for attempt in attempts:
            with pytest.raises(RunError) as caught:
                attempt()
            found = REFUSED.fullmatch(str(caught.value))
            assert found is not None, str(caught.value)
            assert found["path"] == str(path)
            assert int(found["pid"]) == process.pid
            assert found["host"] == platform.node()
            age = datetime.now(UTC) - datetime.fromisoformat(found["since"])
            assert 0 <= age.total_seconds() < 60
        assert process.poll() is None
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
    finally:
        stop(process)
    assert open_run(path).last_step > 0


def test_killed_process_leaves_no_lock(synthetic: Any, tmp_path: Path) -> None:
    path = tmp_path / "run"
    stop(start(path))
    assert (path / LOCK_FILE).exists()
    assert holder(path) is None
    writer = synthetic.begin(path, overwrite=True)
    held = holder(path)
    assert held is not None
    assert held.pid == os.getpid()
    writer.end(writer.info.ended("finished"))
    assert not (path / LOCK_FILE).exists()


def test_second_writer_in_the_same_process_is_refused(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.begin(tmp_path)
    with pytest.raises(RunError, match=f"in use: process {os.getpid()} on "):
        synthetic.begin(tmp_path, overwrite=True)
    synthetic.feed(writer, 4)
    writer.end(writer.info.ended("finished", steps=4))
    assert open_run(tmp_path).last_step == 4


def test_lock_is_given_back_when_the_writer_is_lost(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.begin(tmp_path)
    del writer
    assert holder(tmp_path) is None
    synthetic.begin(tmp_path, overwrite=True)


def test_lock_is_given_back_when_the_run_cannot_begin(synthetic: Any, tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()  # stands where the file is going to be
    with pytest.raises(RunError):
        synthetic.begin(tmp_path, overwrite=True)
    assert holder(tmp_path) is None
    assert not (tmp_path / LOCK_FILE).exists()


def test_of_many_that_begin_at_once_one_wins(synthetic: Any, tmp_path: Path) -> None:
    won, lost = list[Any](), list[str]()
    gate = threading.Barrier(8)

    def compete() -> None:
        gate.wait()
        try:
            won.append(synthetic.begin(tmp_path))
        except RunError as error:
            lost.append(error.problem)

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    assert all(problem.startswith(("in use: ", "holds ")) for problem in lost), lost
    won[0].end(won[0].info.ended("finished"))


def test_looking_does_not_make_a_lock_or_refuse_anyone(synthetic: Any, tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    stopped = threading.Event()

    def look() -> None:
        while not stopped.is_set():
            holder(tmp_path)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(40):
            RunLock(tmp_path).release()
    finally:
        stopped.set()
        watcher.join()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\x00" * 9000])
def test_lock_file_of_any_content_is_no_obstacle(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    lock = RunLock(tmp_path)
    assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    with pytest.raises(RunError, match=f"process {os.getpid()} on"):
        RunLock(tmp_path)
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(RunError, match="in use: another process writes to it"):
        RunLock(tmp_path)
    lock.release()
    lock.release()


def test_forgotten_beginning_is_taken_over_but_files_of_others_are_not(
    synthetic: Any, tmp_path: Path
) -> None:
    """Killed before `run.json` was written: the files of the beginning are no obstacle."""
    RunLock(tmp_path)  # not released, as by a kill
    (tmp_path / "graph.json").write_text("{}")
    (tmp_path / "sites.parquet").write_text("half")
    (tmp_path / "steps").mkdir()
    with pytest.raises(RunError, match=r"but no run\.json, so it is no run of opgraph"):
        synthetic.begin(tmp_path)
    (tmp_path / "steps").rmdir()
    writer = synthetic.begin(tmp_path)
    writer.end(writer.info.ended("finished"))
    assert open_run(tmp_path).graph == synthetic.GRAPH


def test_file_that_vanished_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before removes the file between our opening and locking it."""
    locked, left = lock_module._locked, [1]

    def late(descriptor: int) -> bool:
        if left.pop() if left else False:
            (tmp_path / LOCK_FILE).unlink()
        return locked(descriptor)

    monkeypatch.setattr(lock_module, "_locked", late)
    lock = RunLock(tmp_path)
    found = holder(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()
    lock.release()
