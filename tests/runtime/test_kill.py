"""Real trainings are killed again and again and go on: nothing is lost, no bit is different."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from opgraph.record import KINDS, Record, find_damage, open_run
from opgraph.record.lock import holder

pytestmark = [
    pytest.mark.tf,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL, no fork"),
]
PROGRAM = Path(__file__).with_name("victims.py")
NETWORK = """
image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn[momentum=0.8] -> relu -> max_pool
max_pool -> flatten -> fc[units=8] -> drop[rate=0.3] -> logits[units=10] -> softmax
"""
HALF_WRITTEN = {
    "flush": "*/.part-*.tmp",
    "keyframe": "keyframes/.step-*.tmp",
    "best": "best/.*.tmp",
}
PATIENCE = 60


@dataclass
class Kills:
    """What became of a number of kills: how many fell while which file was being written."""

    total: int = 0
    during: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HALF_WRITTEN, 0))


class Victims:
    """Trains in processes that can be killed."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps = folder, steps
        (folder / "net.txt").write_text(NETWORK, encoding="utf-8")
        save_digits(folder / "digits.npz")
        self._server = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, path: Path, slow: float = 0.0) -> int:
        """Begin a run, or go on with it; the process that does."""
        words = ["trace", "--resume", str(path)]
        if not any(path.glob("keyframes/step-*.safetensors")):
            # One that was killed before its first keyframe stood has nothing to go on from.
            words = ["trace", str(self.folder / "net.txt"), "--overwrite", "-o", str(path)]
            words += ["--data", str(self.folder / "digits.npz"), "--batch-size", "16"]
            words += ["--steps", str(self.steps), "--keyframe-every", "4"]
            words += ["--validate-every", "25", "--keep-best", "val_loss", "--measure", "full"]
        files = {name: str(path.with_suffix(f".{name}")) for name in ("log", "ended")}
        Path(files["ended"]).unlink(missing_ok=True)
        return self._asked(json.dumps({"words": words, "slow": slow, **files}))

    def ended(self) -> int:
        """Wait for the process that was started last; its exit code."""
        return self._asked("")

    def finish(self, path: Path) -> Record:
        """Let a run go on to its end."""
        self.start(path)
        assert self.ended() == 0, path.with_suffix(".log").read_text()
        return open_run(path)

    def close(self) -> None:
        self._server.communicate()

    def _asked(self, line: str) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{line}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def save_digits(path: Path) -> None:
    """A few of the digits, in a file that a run can find again."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.images[..., None].astype("float32"), digits.target.astype("int32")
    np.savez(path, x_train=x[:320], y_train=y[:320], x_test=x[320:384], y_test=y[320:384])


@pytest.fixture(scope="module")
def make_victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Victims]]:
    made: list[Victims] = []

    def make(steps: int) -> Victims:
        made.append(Victims(tmp_path_factory.mktemp("victims"), steps))
        return made[-1]

    yield make
    for victims in made:
        victims.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def has_ended(path: Path) -> bool:
    """Whether the process that trains has come to its own end."""
    return path.with_suffix(".ended").exists()


def on_disk(path: Path) -> set[Path]:
    """The files that are there whole: parts that are committed, and keyframes."""
    return {*path.glob("steps/part-*.parquet"), *path.glob("keyframes/step-*.safetensors")}


def kill_one(victims: Victims, path: Path, chance: random.Random, kills: Kills, when: str) -> bool:
    """Let a training take some steps and kill it: any time, or while a kind of file is written.

    Whether it was still there to be killed.
    """
    slow = chance.choice([0.0, 0.0, 0.01]) if when == "any" else 0.02
    pid = victims.start(path, slow)
    wait_until(lambda: _writes(path, pid) or has_ended(path))
    if when == "any":
        time.sleep(chance.uniform(0, 1))
    else:
        time.sleep(chance.uniform(0, 0.5))
        wait_until(lambda: any(path.glob(HALF_WRITTEN[when])) or has_ended(path))
    safe = on_disk(path)
    os.kill(pid, signal.SIGKILL)
    code = victims.ended()
    assert code in (0, -signal.SIGKILL), path.with_suffix(".log").read_text()
    assert safe <= on_disk(path)
    if code == 0:
        return False
    kills.total += 1
    for name, pattern in HALF_WRITTEN.items():
        kills.during[name] += any(path.glob(pattern))
    return True


def _writes(path: Path, pid: int) -> bool:
    who = holder(path)
    return who is not None and who.pid == pid


def check_survivor(path: Path, at_least: int) -> int:
    """The run opens, its rows have no gap, nothing half written counts; its last step."""
    if not (path / "run.json").exists():
        return 0
    run = open_run(path)
    assert run.info.status == "running"
    assert run.last_step >= at_least
    steps = list(range(1, run.last_step + 1))
    assert run.steps["step"].to_pylist() == steps
    for kind in KINDS:
        sites = len([site for site in run.survey.of(kind) if site.connected])
        rows = run.table(kind).num_rows if sites else 0
        assert rows >= len(steps) * sites
    assert find_damage(run) == []
    assert all(step <= run.last_step for step in run.keyframe_steps)
    for step in run.keyframe_steps[-2:]:
        assert run.keyframe(step).step == step
    assert holder(path) is None
    return run.last_step


def kill_again_and_again(
    victims: Victims, path: Path, chance: random.Random, kills: Kills, moments: Sequence[str]
) -> Record:
    """Kill a run at these moments, each time taking it up where it is; then let it end."""
    last = 0
    for when in moments:
        if not kill_one(victims, path, chance, kills, when):
            break  # it came to its end
        last = check_survivor(path, last)
    return victims.finish(path) if open_run(path).info.status != "finished" else open_run(path)


def test_three_kills_of_a_training(
    make_victims: Callable[[int], Victims], same_run: Callable[[Record, Record], None]
) -> None:
    victims, kills = make_victims(60), Kills()
    chance = random.Random(1)
    moments = ("any", "flush", "keyframe")
    found = kill_again_and_again(victims, victims.folder / "run", chance, kills, moments)
    same_run(found, victims.finish(victims.folder / "whole"))
    assert kills.total >= 2
    assert kills.during["flush"] + kills.during["keyframe"] >= 1
    assert len(found.info.resumptions) >= 1


@pytest.mark.slow
def test_fifty_kills_of_trainings(
    make_victims: Callable[[int], Victims], same_run: Callable[[Record, Record], None]
) -> None:
    """The moments differ from one run of the test to the next; its seed is in each message."""
    seed = int(time.time())
    chance, kills = random.Random(seed), Kills()
    victims = make_victims(400)
    expected = victims.finish(victims.folder / "whole")
    moments = ("any", "any", "flush", "any", "keyframe")
    number = 0
    while kills.total < 50:
        path = victims.folder / f"run-{number}"
        order = chance.sample(moments, 5) * 2
        found = kill_again_and_again(victims, path, chance, kills, order)
        same_run(found, expected)
        number += 1
        assert number < 20, f"seed {seed}: {kills}"
    assert kills.during["flush"] >= 5, f"seed {seed}: {kills}"
    assert kills.during["keyframe"] >= 5, f"seed {seed}: {kills}"
