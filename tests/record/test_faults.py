"""What a run is worth when its process is killed, its disk is full, or it may not write."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

from opgraph.errors import RunError
from opgraph.record import RunWriter, open_run
from opgraph.record.damage import find_damage
from opgraph.record.listing import remove_run
from opgraph.record.lock import holder
from opgraph.record.parts import part_numbers

PROGRAM = Path(__file__).with_name("synthetic.py")
needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
needs_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="mounting needs root"
)


class Victims:
    """Makes processes that record a run, and kills them."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill_one(self, path: Path, delay: float, slow: float) -> int:
        """Let one record for some seconds, kill it, and say which step it last told to be safe."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(f"{path} --slow {slow}\n")
        self.server.stdin.flush()
        said = {self.server.stdout.readline().strip() for _ in range(2)}
        assert "ready" in said, said
        (pid,) = (int(line.split()[1]) for line in said if line.startswith("pid"))
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        lines = iter(self.server.stdout.readline, "gone\n")
        return max((int(line) for line in lines if not line.startswith("pid")), default=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.communicate()


def check_survivor(path: Path, told: int) -> None:
    """The run opens, what was told is there, nothing half written is seen, the lock is free."""
    run = open_run(path)
    assert run.info.status == "running"
    assert run.last_step >= told
    steps = list(range(1, run.last_step + 1))
    assert run.steps["step"].to_pylist() == steps
    for kind, rows in (("output", 2), ("weight", 1), ("bn", 1), ("slot", 1)):
        assert run.table(kind)["step"].to_pylist() == [s for s in steps for _ in range(rows)]
    assert find_damage(run) == []
    assert all(step <= run.last_step for step in run.keyframe_steps)
    for step in run.keyframe_steps:
        assert run.keyframe(step).step == step
    assert holder(path) is None


def finish(path: Path, last: int) -> None:
    """Resume a run once more and let it end."""
    command = [sys.executable, str(PROGRAM), str(path), "--last", str(last)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout.splitlines()[-1] == f"{last} end"


def assert_as_if_uninterrupted(synthetic: Any, path: Path, folder: Path) -> None:
    last = open_run(path).last_step + 5
    finish(path, last)
    synthetic.write_run(folder / "whole", last)
    found, expected = synthetic.contents(path), synthetic.contents(folder / "whole")
    for kind in expected:
        pd.testing.assert_frame_equal(found[kind], expected[kind], check_exact=True)
    assert find_damage(open_run(path)) == []
    left = [p for p in path.rglob("*") if p.name.startswith(".")]
    assert left == []


def kill_again_and_again(synthetic: Any, folder: Path, kills: int, seed: int) -> list[int]:
    """Kill a run, take it up, kill it again; a new run after each ten. How far each got."""
    delays = random.Random(seed)
    reached: list[int] = []
    with Victims() as victims:
        for number in range(kills):
            path = folder / f"run-{number // 10}"
            slow = delays.choice([0.0, 0.0, 0.005, 0.02])
            told = victims.kill_one(path, delays.uniform(0.0, 0.4), slow)
            check_survivor(path, told)
            reached.append(told)
            if number % 10 == 9:
                assert_as_if_uninterrupted(synthetic, path, folder / str(number))
    return reached


@needs_kill
def test_ten_kills_at_random_moments(synthetic: Any, tmp_path: Path) -> None:
    reached = kill_again_and_again(synthetic, tmp_path, 10, seed=2)
    assert max(reached) > 5


@needs_kill
@pytest.mark.slow
def test_sixty_kills_at_random_moments(synthetic: Any, tmp_path: Path) -> None:
    """The moments differ from one run of the test to the next."""
    seed = int(time.time())
    with ThreadPoolExecutor(2) as pool:
        folders = [(tmp_path / str(number), seed + number) for number in range(2)]
        found = pool.map(lambda f: kill_again_and_again(synthetic, f[0], 30, f[1]), folders)
        reached = [told for half in found for told in half]
    assert len(reached) == 60
    assert sum(1 for told in reached if told) > 30, f"seed {seed}"


@needs_kill
@pytest.mark.parametrize("what", ["flush", "keyframe", "run.json", "beginning"])
def test_kill_in_the_middle_of_writing_a_file(synthetic: Any, tmp_path: Path, what: str) -> None:
    """The program is slow where a file is written but not yet renamed; it is killed just there."""
    path = tmp_path / "run"
    patterns = {
        "flush": "*/.part-*.tmp",
        "keyframe": "keyframes/.step-*.tmp",
        "run.json": ".run.json.*.tmp",
        "beginning": ".sites.parquet.*.tmp",
    }
    command = [sys.executable, str(PROGRAM), str(path), "--slow", "0.05", "--last", "4"]
    left: list[Path] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not left:
            left = sorted(path.glob(patterns[what]))
            if what == "run.json" and not (path / "run.json").exists():
                left = []  # not that of the beginning but that of the end
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert left
    if what == "beginning":
        with pytest.raises(RunError, match="no run is recorded here"):
            open_run(path)
        writer = synthetic.begin(path)
        writer.keyframe(synthetic.make_keyframe(0))
        synthetic.feed(writer, 4)
        writer.end(writer.info.ended("interrupted", steps=4))
    else:
        check_survivor(path, 0)
        if not open_run(path).keyframe_steps:
            with pytest.raises(RunError, match="has no keyframe"):
                RunWriter.resume(path)
            return
    assert_as_if_uninterrupted(synthetic, path, tmp_path)


@needs_kill
def test_kill_while_an_old_run_is_being_replaced(synthetic: Any, tmp_path: Path) -> None:
    """At any moment the directory holds the old run, or a beginning that can be taken over."""
    for number in range(6):
        path = tmp_path / str(number)
        synthetic.write_run(path, 6)
        code = (
            f"import sys, time; sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
            f"import synthetic as s, pathlib; from opgraph.record import directory as d\n"
            f"old = pathlib.Path.rename\n"
            f"def slow(self, target):\n    old(self, target); print(flush=True); time.sleep(0.05)\n"
            f"pathlib.Path.rename = slow\n"
            f"s.begin(pathlib.Path({str(path)!r}), overwrite=True)\n"
            f"print('begun', flush=True); time.sleep(60)"
        )
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(2 * number + 1):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        writer = synthetic.begin(path, overwrite=True)
        synthetic.feed(writer, 3)
        writer.end(writer.info.ended("finished", steps=3))
        assert open_run(path).last_step == 3
        assert find_damage(open_run(path)) == []


@needs_root
def test_full_disk_is_one_error_and_the_run_stays_readable(
    synthetic: Any, small_disk: Path, tmp_path: Path
) -> None:
    path = small_disk / "run"
    writer = synthetic.begin(path)
    writer.keyframe(synthetic.make_keyframe(0))
    with pytest.raises(RunError) as caught:
        synthetic.feed(writer, 1000)
    message = str(caught.value)
    assert message.endswith(": cannot be written: No space left on device")
    assert message.startswith(f"{path}/")
    writer.end(writer.info.ended("failed", steps=0))
    run = open_run(path)
    assert run.info.status == "failed"
    assert run.info.outcome["error"] == message
    assert run.last_step == run.info.outcome["steps_on_disk"] > 0
    assert run.steps["step"].to_pylist() == list(range(1, run.last_step + 1))
    assert find_damage(run) == []
    last = run.last_step
    command = ["mount", "-o", "remount,size=20m", str(small_disk)]
    subprocess.run(command, check=True)
    finish(path, last + 4)
    synthetic.write_run(tmp_path / "whole", last + 4)
    found, expected = synthetic.contents(path), synthetic.contents(tmp_path / "whole")
    for kind in expected:
        pd.testing.assert_frame_equal(found[kind], expected[kind], check_exact=True)


@needs_root
def test_run_can_be_removed_from_a_full_disk(synthetic: Any, small_disk: Path) -> None:
    path = small_disk / "run"
    writer = synthetic.feed(synthetic.begin(path), 3)
    writer.end(writer.info.ended("finished", steps=3))
    with suppress(OSError), (small_disk / "mine").open("wb") as file:
        while True:
            file.write(bytes(512))
    with pytest.raises(RunError, match="No space left on device"):
        synthetic.begin(small_disk / "other")
    assert remove_run(path)
    assert [p.name for p in small_disk.iterdir() if p.name != "other"] == ["mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
def test_file_that_may_not_grow_is_one_error(synthetic: Any, tmp_path: Path) -> None:
    """No root needed: the system refuses files beyond a size (EFBIG), here the keyframe."""
    code = (
        "import resource, signal, sys\n"
        f"sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
        "from pathlib import Path\nimport synthetic as s\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000))\n"
        f"writer = s.begin(Path({str(tmp_path / 'run')!r}))\n"
        "s.feed(writer, 4)\n"
        "writer.keyframe(s.make_keyframe(4))\n"
        "try:\n    writer.flush()\nexcept Exception as error:\n    print(error)\n"
        "writer.end(writer.info.ended('finished'))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    keyframe = tmp_path / "run" / "keyframes" / "step-000004.safetensors"
    assert ended.stdout.startswith(f"{keyframe}: cannot be written: ")
    assert "File too large" in ended.stdout
    run = open_run(tmp_path / "run")
    assert (run.info.status, run.last_step, run.keyframe_steps) == ("failed", 4, [])
    assert list((tmp_path / "run" / "keyframes").iterdir()) == []


@needs_root
def test_read_only_folder_is_one_error_for_a_new_run(synthetic: Any, read_only: Path) -> None:
    with pytest.raises(RunError) as caught:
        synthetic.begin(read_only / "run")
    assert str(caught.value) == f"{read_only}/run: cannot be made: Read-only file system"
    with pytest.raises(RunError) as caught:
        synthetic.begin(read_only)
    assert str(caught.value) == f"{read_only}/.lock: cannot be written: Read-only file system"


@needs_root
def test_read_only_run_can_be_read_but_not_continued(synthetic: Any, tmp_path: Path) -> None:
    path = tmp_path / "run"
    writer = synthetic.feed(synthetic.begin(path), 4)
    writer.end(writer.info.ended("interrupted", steps=4))
    command = ["mount", "--bind", str(path), str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(path)], check=True)
        assert open_run(path).last_step == 4
        assert find_damage(open_run(path)) == []
        with pytest.raises(RunError) as caught:
            RunWriter.resume(path)
        assert str(caught.value) == f"{path}/.lock: cannot be written: Read-only file system"
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_folder_without_the_right_to_write_is_one_error(synthetic: Any, tmp_path: Path) -> None:
    """Root may write anywhere, so a child process gives its rights up first."""
    folder = tmp_path / "fixed"
    folder.mkdir(mode=0o555)
    code = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
        "from pathlib import Path\nimport synthetic as s\n"
        "if os.geteuid() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
        f"s.begin(Path({str(folder / 'run')!r}))\n"
    )
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert last == f"opgraph.errors.RunError: {folder}/run: cannot be made: Permission denied"


def test_clock_that_jumps_does_not_matter(synthetic: Any, tmp_path: Path) -> None:
    """Rows are ordered by step; the times are what the clock said."""
    path = tmp_path / "run"
    writer = synthetic.begin(path)
    writer.keyframe(synthetic.make_keyframe(0))
    synthetic.feed(writer, 8, clock=-3600)
    writer.end(writer.info.ended("interrupted", steps=8))
    steps = open_run(path).steps
    assert steps["step"].to_pylist() == list(range(1, 9))
    times = steps["time"].to_pylist()
    assert times == sorted(times, reverse=True)
    assert find_damage(open_run(path)) == []
    finish(path, 12)
    assert open_run(path).steps["step"].to_pylist() == list(range(1, 13))
    assert part_numbers(path, "steps") == list(range(len(part_numbers(path, "steps"))))
