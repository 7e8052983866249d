"""What measuring costs: the measured step against the bare one, paired and interleaved.

python benchmarks/step_cost.py [--steps 120] [--demo]

Three copies of the sample network take the same batches in turn, in an order that changes from
round to round; each ratio is between two steps of one round. `--demo` also times a whole training
of 300 steps on the digits, as a process of its own, TensorFlow's import included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SAMPLE = Path(__file__).parents[1] / "sample_graphs" / "cnn.txt"
WARM_UP = 10
MODES = ("bare", "measured", "tensors")
DEMO = """
import sys
import opgraph
settings = ["batch_norm*.momentum=0.9"]
run = opgraph.trace(sys.argv[1], "digits", output=sys.argv[2], settings=settings, steps=300)
print(run.record.info.outcome["test"]["accuracy"], run.record.info.outcome["seconds"])
"""


def measure(batch_size: int, steps: int) -> dict[str, np.ndarray]:
    """Seconds of each step by mode."""
    from opgraph.analysis import analyze
    from opgraph.runtime import Step, build
    from opgraph.runtime.optimizer import make_optimizer
    from opgraph.text import parse, read_source

    graph = analyze(parse(read_source(SAMPLE), "cnn")).require().graph
    random = np.random.default_rng(0)
    inputs = [random.random((batch_size, 32, 32, 3), dtype=np.float32)]
    labels = random.integers(0, 10, batch_size).astype(np.int32)
    made = {mode: Step(build(graph, seed=0), make_optimizer("adam", 3e-3)) for mode in MODES}
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    for number in range(WARM_UP + steps):
        for place in range(len(MODES)):
            mode = MODES[(number + place) % len(MODES)]
            numbered = {"step": number} if mode == "tensors" else {}
            started = time.perf_counter()
            getattr(made[mode], mode)(inputs, labels, **numbered)
            if number >= WARM_UP:
                times[mode].append(time.perf_counter() - started)
    return {mode: np.array(values) for mode, values in times.items()}


def print_costs(batch_size: int, steps: int) -> None:
    times = measure(batch_size, steps)
    for mode in MODES:
        ratio = np.median(times[mode] / times["bare"])
        median = 1e3 * np.median(times[mode])
        print(f"{batch_size:>6}  {mode:<10}{median:>9.1f} ms{ratio:>8.2f}")


def print_demo() -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        command = [sys.executable, "-c", DEMO, str(SAMPLE), folder]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - started
        accuracy, training = result.stdout.split()[-2:]
    print(
        f"\n300 steps on the digits: {seconds:.1f} s with import, build and test,"
        f" {float(training):.1f} s of it training; test accuracy {float(accuracy):.3f}"
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=120)
    options.add_argument("--demo", action="store_true")
    chosen = options.parse_args()
    print(f" batch  step{'median':>18}{'ratio':>8}")
    for batch_size in (32, 128):
        print_costs(batch_size, chosen.steps)
    if chosen.demo:
        print_demo()


if __name__ == "__main__":
    main()
