"""`opgraph trace` when memory or disk run out, nobody may write, or the clock jumps."""

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opgraph.record import find_damage, open_run

resource = pytest.importorskip("resource")  # not on Windows
pytestmark = pytest.mark.tf

NETWORK = """
image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn[momentum=0.8] -> relu -> max_pool
max_pool -> flatten -> fc -> softmax
"""
LARGE = """
image: Input(shape=(8, 8, 1)) -> conv[filters=1] -> large -> pool -> fc -> softmax
large: UpSampling2D(size={size})
pool: GlobalMaxPooling2D
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.txt"
    path.write_text(NETWORK, encoding="utf-8")
    return path


def check_readable(path, steps):
    """A failed run that holds these many steps, and nothing broken."""
    run = open_run(path)
    assert run.info.status == "failed"
    assert run.steps["step"].to_pylist() == list(range(1, steps + 1))
    assert find_damage(run) == []
    return run


@pytest.mark.slow
def test_a_tensor_that_no_memory_holds_is_named_with_step_and_node(opgraph, tmp_path):
    """819 GB: TensorFlow refuses it wherever this runs, after it has waited ten seconds for it."""
    (tmp_path / "net.txt").write_text(LARGE.format(size="(10000, 20000)"), encoding="utf-8")
    target = tmp_path / "run"
    words = ("--measure", "norms", "--steps", "3", "-o", target)
    code, _, err = opgraph("trace", tmp_path / "net.txt", *words)
    assert code == 2
    assert re.fullmatch(
        r"error: step 1, node 'large': the memory was exhausted by a tensor of shape \[32[\d,]+\]"
        r" and type float\n   take a smaller batch \(--batch-size\), or the same in parts"
        r" \(--accumulate 4\); the run holds every step up to this one\n",
        err,
    )
    run = check_readable(target, 0)
    assert run.keyframe_steps == [0]
    assert run.info.outcome["error"] == err.splitlines()[0].removeprefix("error: ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process")
def test_memory_that_runs_out_in_the_middle_leaves_the_steps_before(tmp_path):
    """The validation takes 128 examples at once, for which a limited process has no room."""
    (tmp_path / "net.txt").write_text(LARGE.format(size="(250, 250)"), encoding="utf-8")
    target = tmp_path / "run"
    command = [sys.executable, "-m", "opgraph", "trace", "net.txt", "--measure", "norms",
               "--batch-size", "1", "--validate-every", "60", "--keyframe-every", "1",
               "-o", str(target)]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as child:
        try:
            while not any(target.glob("steps/part-*.parquet")):
                assert child.poll() is None
                time.sleep(0.02)
            status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8")
            taken = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) << 10
            limit = taken + (300 << 20)
            resource.prlimit(child.pid, resource.RLIMIT_AS, (limit, limit))
            _, err = child.communicate(timeout=300)
        finally:
            child.kill()
    assert child.returncode == 2
    assert err.splitlines()[-2].startswith(
        "error: step 60, node 'large': the memory was exhausted by a tensor of shape [128,"
    )
    check_readable(target, 59)


def test_a_full_disk_ends_the_training_which_goes_on_when_there_is_room(opgraph, small_disk, net):
    path = small_disk / "run"
    words = ("--steps", "120", "--keyframe-every", "10", "--measure", "norms")
    code, _, err = opgraph("trace", net, *words, "-o", path)
    assert code == 2
    assert err.startswith(f"error: {path}/")
    assert err.endswith(": cannot be written: No space left on device\n")
    run = open_run(path)
    check_readable(path, run.last_step)
    assert 0 < run.last_step == run.info.outcome["steps_on_disk"] < 120
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert opgraph("trace", "--resume", path)[0] == 0
    assert open_run(path).steps["step"].to_pylist() == list(range(1, 121))


@contextmanager
def largest_file(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_ends_the_training(opgraph, net, tmp_path):
    """As a full disk does, but no rights are needed: only the keyframe is larger than allowed."""
    net.write_text(NETWORK.replace("fc", "wide: Dense(units=2000) -> fc"), encoding="utf-8")
    path = tmp_path / "run"
    words = ("--steps", "40", "--measure", "norms", "--optimizer", "sgd")
    with largest_file(100_000):
        code, _, err = opgraph("trace", net, *words, "-o", path)
    assert code == 2
    keyframe = path / "keyframes" / "step-000000.safetensors"
    assert err.startswith(f"error: {keyframe}: cannot be written: ")
    assert "File too large" in err
    check_readable(path, open_run(path).last_step)
    assert [entry.name for entry in path.iterdir() if entry.name.startswith(".")] == []


def test_a_folder_that_nobody_may_write_to_is_one_error(opgraph, read_only, net):
    code, out, err = opgraph("trace", net, "--steps", "2", "-o", read_only / "run")
    assert (code, out) == (2, "")
    assert err == f"error: {read_only}/run: cannot be made: Read-only file system\n"
    assert list(read_only.iterdir()) == []


def test_a_clock_that_jumps_does_not_matter(opgraph, net, tmp_path, monkeypatch):
    """It goes back an hour at each look; the steps stay in order, and no duration is below zero."""
    from opgraph.runtime import training

    class Backwards(datetime):
        looks = 0

        @classmethod
        def now(cls, tz=None):
            cls.looks += 1
            return datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=cls.looks)

    monkeypatch.setattr(training, "datetime", Backwards)
    path = tmp_path / "run"
    words = ("--steps", "12", "--keyframe-every", "5", "--measure", "norms", "-o", path)
    assert opgraph("trace", net, *words)[0] == 0
    run = open_run(path)
    rows = run.steps.to_pylist()
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert rows[0]["time"] > rows[-1]["time"]
    assert all(row["step_time"] > 0 and row["input_time"] >= 0 for row in rows)
    assert find_damage(run) == []
    said = json.loads((path / "run.json").read_text(encoding="utf-8"))
    (path / "run.json").write_text(json.dumps(said | {"status": "running"}), encoding="utf-8")
    (path / "keyframes" / "step-000012.safetensors").unlink()
    assert opgraph("trace", "--resume", path)[0] == 0
    assert open_run(path).steps.to_pylist() == rows
