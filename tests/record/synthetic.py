"""A run made of arrays alone, whose numbers are a pure function of the step; also as a program.

`python synthetic.py DIRECTORY` writes such a run until it is done or killed, and prints the last
step that is safely on disk each time it has risen. Test modules load it through a fixture.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from opgraph import files
from opgraph.record import (
    Keyframe,
    Layout,
    RunInfo,
    RunWriter,
    Site,
    StepRow,
    Survey,
    parse_measure,
)
from opgraph.record.layout import Block
from opgraph.record.schema import fingerprint_of
from opgraph.record.thinning import KeyframePolicy

GRAPH = {"nodes": [{"name": "x"}]}
STEPS = Site("steps", "")
SITES = (
    STEPS,
    Site("output", "x", shape=(4,)),
    Site("output", "lstm", 1, shape=(None, 3)),
    Site("output_grad", "lstm", 1, shape=(None, 3)),
    Site("output_grad", "x", shape=(4,), connected=False),
    Site("weight", "fc", weight="kernel", shape=(4, 3)),
    Site("slot", "fc", weight="kernel", slot="momentum", shape=(4, 3)),
    Site("bn", "norm", shape=(3,), momentum=0.9),
)
MEASURE = parse_measure(
    ["full", "*.channel_*:every=3", "*.*histogram:every=4", "bn.*_channels:off"]
)
SURVEY = Survey(SITES, MEASURE, ("accuracy",))
HOST = (
    "epoch",
    "index",
    "batch_size",
    "micro_batches",
    "step_time",
    "input_time",
    "fingerprint",
    "time",
)
WIDTH = 3


def make_layout() -> Layout:
    """All moments of all sites, one after the other."""
    blocks: list[tuple[Site, Block, int]] = []
    start = 0
    for site in SITES:
        if not site.connected:
            continue
        widths: dict[str, int] = {}
        for quantity in SURVEY.quantities(site.kind):
            for name in (*quantity.moments, *filter(None, [quantity.undefined])):
                if name not in (*HOST, "momentum", "calls"):
                    widths[name] = max(widths.get(name, 1), WIDTH if quantity.vector else 1)
        for name, width in widths.items():
            blocks.append((site, Block((name,), width), start))
            start += width
    return Layout(tuple(blocks), start)


LAYOUT = make_layout()
WHOLE = ("count", "zeros", "histogram", ":count")


def make_packed(step: int) -> np.ndarray:
    """Numbers of a step: random, but the same every time; some of them NaN."""
    packed = np.random.default_rng(step).uniform(0.5, 2.0, LAYOUT.size)
    for _, block, start in LAYOUT.blocks:
        place = slice(start, start + block.width)
        name = block.names[0]
        if name.endswith(("nan", "inf")):
            packed[place] = 0
        elif name.endswith(WHOLE):
            packed[place] = 8
        elif name == "min" and step % 5 == 0:
            packed[place] = np.nan
    return packed


def make_row(step: int, *, at: datetime | None = None) -> StepRow:
    """A step; its times are those of the clock, as in a real run."""
    host: dict[str, Any] = {
        "step": step,
        "epoch": (step - 1) // 7,
        "index": (step - 1) % 7,
        "batch_size": 8,
        "micro_batches": 1,
        "calls": step,
        "step_time": time.perf_counter() % 1,
        "input_time": time.perf_counter() % 1,
        "fingerprint": f"{step:016x}",
        "time": at or datetime.now(UTC),
    }
    return StepRow(make_packed(step), LAYOUT, host)


def make_keyframe(step: int) -> Keyframe:
    arrays = {"model/fc/kernel": np.random.default_rng(step).normal(size=(64, 64)).astype("f4")}
    return Keyframe(step, arrays, {"epoch": step // 7, "index": step % 7}, {"loss": 0.5 * step})


def make_info(**changes: Any) -> RunInfo:
    values: dict[str, Any] = {
        "config": {"total_steps": 40},
        "command": "opgraph trace x.txt",
        "graph_fingerprint": fingerprint_of(GRAPH),
        "data": {"class_names": ["a", "b"]},
        "seed": 0,
        "batch_signature": ([{"shape": [8, 4], "dtype": "float32"}],),
        "dtype_policy": "float32",
        "versions": {"opgraph": "0"},
        "machine": {"cpu": "test"},
        "threads": {"intra_op": 0},
        "flags": {"jit": False},
        "created": "2026-11-22T00:00:00+00:00",
        "measure": MEASURE.as_dict(),
    }
    return RunInfo(**values | changes)


def begin(path: Path, **options: Any) -> RunWriter:
    """A writer of a new run with small parts."""
    options = {"part_steps": 3, "policy": KeyframePolicy(keep=6), **options}
    return RunWriter(path, make_info(), GRAPH, SURVEY, **options)


def feed(
    writer: RunWriter, last: int, *, first: int = 1, every: int = 5, clock: float = 0.0
) -> RunWriter:
    """Add steps `first` to `last`, and a keyframe after every so many."""
    for step in range(first, last + 1):
        at = datetime.now(UTC) + timedelta(seconds=clock * step) if clock else None
        writer.add(make_row(step, at=at))
        if step % every == 0:
            writer.keyframe(make_keyframe(step))
    return writer


def write_run(path: Path, last: int = 14, *, every: int = 5, **options: Any) -> Path:
    """A finished run."""
    writer = begin(path, **options)
    writer.keyframe(make_keyframe(0))
    feed(writer, last, every=every)
    writer.end(writer.info.ended("finished", steps=last))
    return path


def contents(path: Path) -> Mapping[str, Any]:
    """Everything in the tables of a run but times, by table."""
    from opgraph.record import KINDS, open_run

    times = ["step_time", "input_time", "time"]
    record = open_run(path)
    tables = {kind: record.table(kind) for kind in KINDS}
    tables["steps"] = tables["steps"].drop_columns(times)
    return {kind: table.to_pandas() for kind, table in tables.items()}


def slow_down(seconds: float) -> None:
    """Make every file wait between being written and being renamed."""
    flush = files.flush

    def slow(path: Path) -> None:
        time.sleep(seconds)
        flush(path)

    files.flush = slow


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--last", type=int, default=10**9)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--most-bytes", type=int, default=1 << 16)
    return parser.parse_args(words)


def record(options: argparse.Namespace) -> None:
    """Begin or resume a run and write it to its end."""
    if options.slow:
        slow_down(options.slow)
    # A run that was killed before its first keyframe stood has nothing to go on from.
    if any((options.path / "keyframes").glob("step-*.safetensors")):
        writer = RunWriter.resume(options.path, SURVEY, part_steps=3, policy=KeyframePolicy(keep=6))
        assert writer.start is not None
        first = writer.start.step + 1
    else:
        writer = begin(options.path, most_bytes=options.most_bytes, overwrite=True)
        writer.keyframe(make_keyframe(0))
        first = 1
    print("ready", flush=True)
    told = 0
    for step in range(first, options.last + 1):
        feed(writer, step, first=step)
        if writer.last_stored > told:
            told = writer.last_stored
            print(told, flush=True)
    writer.end(writer.info.ended("finished", steps=options.last))
    print(writer.last_stored, "end", flush=True)


def serve() -> None:
    """Record in a process of its own for each line of stdin, spared the time of importing."""
    importlib.import_module("pandas")  # which pyarrow does, sooner or later
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                record(arguments(line.split()))
            except BaseException:
                traceback.print_exc()
            os._exit(1)  # each is meant to be killed
        print("pid", child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        record(arguments(sys.argv[1:]))
