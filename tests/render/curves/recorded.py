"""A small run made of arrays alone; test modules load this file through a fixture of theirs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.record import (
    Block,
    Layout,
    RunInfo,
    RunWriter,
    Site,
    StepRow,
    Survey,
    count_bins,
    parse_measure,
)

NODES = ("x", "conv", "lstm", "fc")
GRAPH = {
    "format": "opgraph.graph",
    "version": 1,
    "name": "tiny",
    "nodes": [
        {"name": "x", "op": "Input", "given": {"shape": [4]}},
        {"name": "conv", "op": "ReLU"},
        {"name": "lstm", "op": "Tanh"},
        {"name": "fc", "op": "Dense", "given": {"units": 3}},
    ],
    "edges": [{"source": a, "port": 0, "target": b, "slot": 0} for a, b in pairwise(NODES)],
}
SITES = (
    Site("steps", ""),
    Site("output", "x", shape=(4,)),
    Site("output", "conv", shape=(4,)),
    Site("output", "lstm", shape=(4,)),
    Site("output", "lstm", 1, shape=(4,)),
    Site("output_grad", "conv", shape=(4,)),
    Site("output_grad", "x", shape=(4,), connected=False),
    Site("weight", "conv", weight="kernel", shape=(4, 3)),
    Site("weight", "fc", weight="kernel", shape=(4, 3)),
    Site("weight", "fc", weight="bias", shape=(3,)),
    Site("slot", "fc", weight="kernel", slot="momentum", shape=(4, 3)),
)
MEASURE = parse_measure(["full", "*.channel_*:off", "*.*histogram:every=4", "*.max:every=5"])
HOST = ("epoch", "index", "batch_size", "micro_batches", "step_time", "input_time", "fingerprint")
UNKNOWN = ("loss_scale", "skipped")  # not packed: without loss scaling they do not exist
NAN_STEP, INF_STEP, TAINTED_STEP = 7, 9, 5


def make_layout(survey: Survey) -> Layout:
    blocks: list[tuple[Site, Block, int]] = []
    start = 0
    for site in survey.sites:
        widths: dict[str, int] = {}
        for quantity in survey.quantities(site.kind):
            for name in (*quantity.moments, *filter(None, [quantity.undefined])):
                if name not in (*HOST, *UNKNOWN, "time", "momentum", "calls") and site.connected:
                    widths[name] = 136 if "histogram" in name else 1
        for name, width in widths.items():
            blocks.append((site, Block((name,), width), start))
            start += width
    return Layout(tuple(blocks), start)


def tensor_of(site: Site, step: int) -> np.ndarray:
    """What a histogram is made of, so that a test can count it anew."""
    seed = [step, len(site.node), len(site.weight), site.port]
    return np.random.default_rng(seed).normal(size=50) * 2.0**-step


def make_packed(layout: Layout, step: int, *, planted: bool) -> np.ndarray:
    packed = np.random.default_rng(step).uniform(0.5, 2.0, layout.size)
    for number, (site, block, start) in enumerate(layout.blocks):
        place, name = slice(start, start + block.width), block.names[0]
        if "histogram" in name:
            packed[place] = count_bins(tensor_of(site, step))
        elif name.endswith(("nan", "inf")):
            packed[place] = 0
        elif name.endswith(("count", "zeros")):
            packed[place] = 8
        elif name.endswith("sumsq"):
            packed[place] *= 10.0 ** -(number % 7) * np.exp(-step / 10)
        elif name == "loss":
            packed[place] = 2.5 * np.exp(-step / 10) + 0.1
        if planted and name == "loss" and step in (NAN_STEP, INF_STEP):
            packed[place] = np.nan if step == NAN_STEP else np.inf
        if planted and name == "grad_nan" and step == TAINTED_STEP and site.weight == "kernel":
            packed[place] = 2
    return packed


def make_row(layout: Layout, step: int, *, planted: bool) -> StepRow:
    host: dict[str, Any] = {
        "step": step,
        "epoch": (step - 1) // 7,
        "index": (step - 1) % 7,
        "batch_size": 8,
        "micro_batches": 1,
        "calls": step,
        "step_time": 0.25,
        "input_time": 0.125,
        "fingerprint": f"{step:016x}",
        "time": datetime.fromtimestamp(1_700_000_000 + step, UTC),
    }
    return StepRow(make_packed(layout, step, planted=planted), layout, host)


def write_run(
    path: Path, steps: int = 12, *, planted: bool = True, sites: tuple[Site, ...] = SITES
) -> Path:
    survey = Survey(sites, MEASURE, ("accuracy",))
    layout = make_layout(survey)
    info = RunInfo(
        config={"total_steps": steps},
        command="opgraph trace x.txt",
        graph_fingerprint="sha256:0",
        data={},
        seed=0,
        batch_signature=(),
        dtype_policy="float32",
        versions={},
        machine={},
        threads={},
        flags={},
        created="2026-11-22T00:00:00+00:00",
        measure=MEASURE.as_dict(),
    )
    writer = RunWriter(path, info, GRAPH, survey, part_steps=5)
    for step in range(1, steps + 1):
        writer.add(make_row(layout, step, planted=planted))
    writer.end(writer.info.ended("finished", steps=steps))
    return path
