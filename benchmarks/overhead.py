"""What measuring costs: each preset against the bare compiled step of the same loop.

python benchmarks/overhead.py [--rounds 80] [--only cnn-32,cnn-128,resnet] [--others] [--jit]

Copies of one network take the same batches in turn, in an order that changes from round to round;
each ratio is between two steps of one round, and the median over all rounds is printed. Presets
measure everything of theirs that is due at every step; steps with channels and histograms come on
top at their schedules and are printed on a line of their own (`full, whole`).
`--others` adds what other tools take on the same network: `model.fit`, the TensorBoard callback
with histograms, TF Debugger V2, `enable_check_numerics`. `--memory` compares peak memory, each mode
in a process of its own.
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
WARM_UP = 8
NETWORKS = {"cnn-32": ("cnn", 32), "cnn-128": ("cnn", 128), "resnet": ("resnet", 16)}
BARS = {"norms, no compiler": 1.08, "norms": 1.08, "default": 1.05, "full": 1.10}
Take = Callable[[int], object]


def graph_of(name: str) -> tuple[Any, tuple[int, ...]]:
    """A completed graph and the shape of one example."""
    import keras

    from opgraph.analysis import analyze
    from opgraph.api import from_keras
    from opgraph.text import parse, read_source

    if name == "cnn":
        return analyze(parse(read_source(SAMPLE), "cnn")).require().graph, (32, 32, 3)
    shape = (64, 64, 3)
    model = keras.applications.ResNet50(weights=None, input_shape=shape, classes=10)
    return analyze(from_keras(model).inner).require().graph, shape


def examples(shape: tuple[int, ...], batch: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(0)
    inputs = [random.random((batch, *shape), dtype=np.float32)]
    return inputs, [random.integers(0, 10, batch).astype(np.int32)]


def make_step(graph: Any, preset: str, *, jit: bool = False) -> Any:
    import keras

    from opgraph.record import parse_measure
    from opgraph.runtime import Step, build
    from opgraph.runtime.kernels import reductions
    from opgraph.runtime.step import Programs

    name = preset.split(",")[0]
    way = "tensorflow" if preset.endswith("no compiler") else "auto"
    measure = parse_measure("off" if name == "bare" else name)
    return Step(
        build(graph, seed=0),
        keras.optimizers.Adam(1e-3),
        measure=measure,
        statistics=reductions(way),
        programs=Programs(jit),
    )


def taker(step: Any, preset: str, batch: tuple[Any, Any]) -> Take:
    """Takes one step; `whole` are those that measure what is on a schedule too."""
    if preset == "bare":
        return lambda _: step.bare(*batch)
    if preset.endswith("whole"):
        return lambda _: step.measured(*batch, step=1)
    return lambda _: step.measured(*batch, step=2)


def interleaved(takers: dict[str, Take], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each step by name, in an order that changes from round to round."""
    names = list(takers)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(WARM_UP + rounds):
        turned = names[number % len(names) :] + names[: number % len(names)]
        for name in turned if number % 2 else reversed(turned):
            started = time.perf_counter()
            takers[name](number)
            if number >= WARM_UP:
                times[name].append(time.perf_counter() - started)
    return {name: np.array(values) for name, values in times.items()}


def print_ratios(title: str, times: dict[str, np.ndarray], *, barred: bool = True) -> None:
    print(f"\n{title}")
    for name, values in times.items():
        ratio = float(np.median(values / times["bare"]))
        low, high = np.percentile(values / times["bare"], [25, 75])
        bar = BARS.get(name) if barred else None
        verdict = "" if bar is None else f"   bar {bar:.2f} {'met' if ratio <= bar else 'MISSED'}"
        print(
            f"  {name:<28}{1e3 * np.median(values):>9.1f} ms{ratio:>8.3f}"
            f"  ({low:.3f} .. {high:.3f}){verdict}",
            flush=True,
        )


def print_presets(where: str, rounds: int, *, jit: bool = False) -> None:
    name, size = NETWORKS[where]
    graph, shape = graph_of(name)
    batch = examples(shape, size)
    presets = ["bare", "norms, no compiler", "norms", "default", "full", "full, whole"]
    if jit:
        presets = ["bare", "norms", "full"]
    steps = {preset: make_step(graph, preset, jit=jit) for preset in presets}
    takers = {preset: taker(step, preset, batch) for preset, step in steps.items()}
    compiled = ", core compiled by XLA" if jit else ""
    title = f"{where}: batch {size}, {rounds} rounds{compiled}"
    print_ratios(title, interleaved(takers, rounds), barred=not jit)


def print_memory(where: str) -> None:
    """Peak resident memory of a process that takes 20 steps in one mode."""
    print(f"\npeak memory, {where}")
    peaks: dict[str, int] = {}
    for preset in ("bare", "default", "full"):
        command = [sys.executable, __file__, "--peak", f"{where}/{preset}"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[preset] = json.loads(result.stdout.splitlines()[-1])
        ratio = peaks[preset] / peaks["bare"]
        print(f"  {preset:<28}{peaks[preset] / 1e6:>9.0f} MB{ratio:>8.3f}   bar 1.25", flush=True)


def peak(where: str, preset: str) -> int:
    name, size = NETWORKS[where]
    graph, shape = graph_of(name)
    take = taker(make_step(graph, preset), preset, examples(shape, size))
    for number in range(20):
        take(number)
    # Not ru_maxrss: it begins with what the parent held.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def print_disk() -> None:
    """Bytes that a step takes in the tables, preset by preset."""
    from opgraph.runtime import Recipe, prepare
    from opgraph.runtime.data import Data, Split, Target
    from opgraph.runtime.dryrun import _row_bytes, _try  # pyright: ignore[reportPrivateUsage]

    print("\nbytes on disk for a step (Parquet), schedules included")
    for where in ("cnn-32", "resnet"):
        name, size = NETWORKS[where]
        graph, shape = graph_of(name)
        inputs, labels = examples(shape, 4 * size)
        split = Split(tuple(inputs), tuple(labels))
        target = Target("", "classes", (), 10)
        data = Data(split, split, 10, tuple("0123456789"), {"spec": "arrays"}, (target,))
        for preset in ("norms", "default", "full"):
            training = prepare(graph, data, Recipe(steps=400, batch_size=size, measure=(preset,)))
            rows, _ = _try(training)
            print(f"  {where:<10}{preset:<18}{_row_bytes(training, rows):>9,} B", flush=True)


# What other tools take ------------------------------------------------------------------------


def fit_of(graph: Any, batch: tuple[Any, Any], steps: int, callbacks: Any = ()) -> Take:
    """Takes an epoch of `steps` steps by `model.fit`."""
    import keras
    import tensorflow as tf

    from opgraph.runtime import build

    model = build(graph, seed=0).model
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    data = tf.data.Dataset.from_tensors((batch[0][0], batch[1][0])).repeat(steps)
    watching = list(callbacks)
    return lambda _: model.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=watching)


def many(take: Take, steps: int) -> Take:
    def taken(number: int) -> None:
        for _ in range(steps):
            take(number)

    return taken


def print_fit(where: str, rounds: int, steps: int = 20) -> None:
    import keras

    name, size = NETWORKS[where]
    graph, shape = graph_of(name)
    batch = examples(shape, size)
    with tempfile.TemporaryDirectory() as folder:
        board = keras.callbacks.TensorBoard(folder, histogram_freq=1, write_graph=False)
        takers = {
            "bare": many(taker(make_step(graph, "bare"), "bare", batch), steps),
            "model.fit": fit_of(graph, batch, steps),
            "fit + TensorBoard": fit_of(graph, batch, steps, [board]),
        }
        print_ratios(
            f"{where}: {steps} steps at a time, {rounds} rounds", interleaved(takers, rounds)
        )


DEBUGGERS = {
    "TF Debugger V2, CURT_HEALTH": "CURT_HEALTH",
    "TF Debugger V2, FULL_HEALTH": "FULL_HEALTH",
    "enable_check_numerics": "numerics",
}


def print_debuggers(where: str, rounds: int) -> None:
    """Each in a process of its own: they change everything that is traced after them."""
    print(f"\n{where}: others, each against the bare step of its own process")
    for title, mode in DEBUGGERS.items():
        command = [sys.executable, __file__, "--debugger", f"{where}/{mode}/{rounds}"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(result.stdout.splitlines()[-1])
        print(f"  {title:<28}{found['ms']:>9.1f} ms{found['ratio']:>8.3f}", flush=True)


def debugger(where: str, mode: str, rounds: int) -> dict[str, float]:
    import tensorflow as tf

    name, size = NETWORKS[where]
    graph, shape = graph_of(name)
    batch = examples(shape, size)
    bare = taker(make_step(graph, "bare"), "bare", batch)
    bare(0)
    with tempfile.TemporaryDirectory() as folder:
        if mode == "numerics":
            tf.debugging.enable_check_numerics()
        else:
            tf.debugging.experimental.enable_dump_debug_info(folder, tensor_debug_mode=mode)
        watched = taker(make_step(graph, "bare"), "bare", batch)
        times = interleaved({"bare": bare, "watched": watched}, rounds)
    ratio = float(np.median(times["watched"] / times["bare"]))
    return {"ms": 1e3 * float(np.median(times["watched"])), "ratio": ratio}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=80)
    options.add_argument("--only", default=",".join(NETWORKS))
    options.add_argument("--others", action="store_true")
    options.add_argument("--memory", action="store_true")
    options.add_argument("--disk", action="store_true")
    options.add_argument("--jit", action="store_true")
    options.add_argument("--all", action="store_true")
    options.add_argument("--peak", help=argparse.SUPPRESS)
    options.add_argument("--debugger", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.peak:
        print(json.dumps(peak(*chosen.peak.split("/"))))
        return
    if chosen.debugger:
        where, mode, rounds = chosen.debugger.split("/")
        print(json.dumps(debugger(where, mode, int(rounds))))
        return
    for where in chosen.only.split(","):
        print_presets(where, chosen.rounds)
    if chosen.jit or chosen.all:
        print_presets("cnn-32", chosen.rounds, jit=True)
    if chosen.others or chosen.all:
        print_fit("cnn-32", max(10, chosen.rounds // 4))
        print_debuggers("cnn-32", chosen.rounds)
    if chosen.memory or chosen.all:
        for where in ("cnn-32", "resnet"):
            print_memory(where)
    if chosen.disk or chosen.all:
        print_disk()


if __name__ == "__main__":
    main()
