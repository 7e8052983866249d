"""What time travel costs: having any step again, and recording the keyframes for it.

python benchmarks/replay.py [--steps 1000] [--pairs 6]

A run of the sample is recorded with the default keyframes. Then steps are chosen at random and had
again in a process of its own: seconds beyond importing TensorFlow and building the network, beside
the bound of 3 s + (steps from the keyframe) x (time of a step). Last, trainings with and without
keyframes are recorded in turn; the bar is for the median ratio of their times, which on a machine
with other work to do varies by more than what is looked for. Beside it stands what does not: the
time of the processor, on all threads together, that taking and writing keyframes, and the smaller
parts that go before them, takes more, as a share of the training.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SAMPLE = Path(__file__).parents[1] / "sample_graphs" / "cnn.txt"
LOOKS, BOUND, BAR = 8, 3.0, 1.02
NEVER = 1 << 30
DEFAULT_STEPS = 300


def record(path: Path, steps: int, **settings: Any) -> float:
    """Record a training; seconds of its loop."""
    import opgraph

    run = opgraph.trace(SAMPLE, "digits", output=path, steps=steps, overwrite=True, **settings)
    return float(run.config["outcome"]["seconds"])


def print_looks(run: Path, steps: int) -> None:
    """Each look beside its bound."""
    chosen = sorted(int(s) for s in np.random.default_rng(7).integers(1, steps + 1, LOOKS))
    words = [str(step) for step in np.random.default_rng(8).permutation(chosen)]
    command = [sys.executable, __file__, "--look", str(run), *words]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(result.stdout.splitlines()[-1])
    print(f"\nany step of {steps:,}: importing and building {found['build']:.1f} s")
    for step, distance, seconds, of_steps in found["looks"]:
        bound = BOUND + distance * found["step"]
        verdict = "met" if seconds <= bound else "MISSED"
        print(
            f"  step {step:>5}{distance:>6} steps from a keyframe{seconds:>8.2f} s"
            f" ({of_steps:.2f} s beyond the steps)   bar {bound:.2f} s {verdict}"
        )


def look(run: str, steps: list[int]) -> dict[str, Any]:
    """In a fresh process: have steps again, each from its keyframe."""
    started = time.perf_counter()
    import opgraph

    opened = opgraph.open_run(run)
    step_time = float(np.median(opened.steps["step_time"].to_numpy()))
    replay = opened.replay()
    built = time.perf_counter()
    looks: list[tuple[int, int, float, float]] = []
    for step in steps:
        replay.position = None  # as a process that has just begun
        distance = replay.distance(step)
        began = time.perf_counter()
        assert replay.at(step).verified
        seconds = time.perf_counter() - began
        looks.append((step, distance, seconds, seconds - distance * step_time))
    return {"build": built - started, "step": step_time, "looks": looks}


class Clock:
    """Adds up the processor's time in some functions; waiting for the disk takes none."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def call(*given: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                self.seconds += time.thread_time() - started

        return call


def print_keyframes(folder: Path, steps: int, pairs: int) -> None:
    """Trainings with and without keyframes in turn."""
    from opgraph.record import RunWriter
    from opgraph.runtime.training import Training

    clock = Clock()
    Training.keyframe = clock.timed(Training.keyframe)
    storing: Any = RunWriter
    for name in ("_store_keyframe", "_store"):
        setattr(storing, name, clock.timed(getattr(storing, name)))
    ratios: list[float] = []
    shares: list[float] = []
    for number in range(pairs):
        times: dict[str, float] = {}
        spent: dict[str, float] = {}
        for name in ("with", "without")[:: 1 if number % 2 else -1]:
            clock.seconds = 0.0
            settings = {} if name == "with" else {"keyframe_every": NEVER}
            times[name] = record(folder / name, steps, **settings)
            spent[name] = clock.seconds
        shares.append((spent["with"] - spent["without"]) / times["without"])
        ratios.append(times["with"] / times["without"])
    files = sorted((folder / "with" / "keyframes").iterdir())
    size = sum(file.stat().st_size for file in files)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    share = float(np.median(shares))
    verdict = "met" if middle <= BAR else "MISSED"
    print(f"\nkeyframes: {len(files)} in {steps} steps, {size / 1e6:.1f} MB, {pairs} pairs")
    print(f"  with / without              {middle:>8.3f}  ({low:.3f} .. {high:.3f})"
          f"   bar {BAR:.2f} {verdict}")  # fmt: skip
    print(f"  time of the processor       {1 + share:>8.3f}")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--pairs", type=int, default=6)
    options.add_argument("--look", nargs="+", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.look:
        print(json.dumps(look(chosen.look[0], [int(step) for step in chosen.look[1:]])))
        return
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        seconds = record(run, chosen.steps)
        print(f"a run of the sample: {chosen.steps:,} steps in {seconds:.0f} s", flush=True)
        print_looks(run, chosen.steps)
        print_keyframes(Path(folder), min(DEFAULT_STEPS, chosen.steps), chosen.pairs)


if __name__ == "__main__":
    main()
