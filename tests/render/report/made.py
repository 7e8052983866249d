"""Runs of any graph made of arrays alone, so that reports can be tested without a training."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.analysis import Analysis, analyze
from opgraph.formats import to_json
from opgraph.graph import OpGraph
from opgraph.record import (
    BINS,
    BN_MOMENTS,
    Block,
    Layout,
    RunInfo,
    RunWriter,
    Site,
    StepRow,
    Survey,
    parse_measure,
)

HOST = ("epoch", "index", "batch_size", "micro_batches", "step_time", "input_time", "fingerprint")
UNKNOWN = ("loss_scale", "skipped")


def sites_of(analysis: Analysis) -> tuple[Site, ...]:
    """What a training of the graph would measure: outputs, gradients, weights, statistics."""
    found = [Site("steps", "")]
    for name, facts in analysis.facts.items():
        shape = facts.output or ()
        found.append(Site("output", name, shape=shape))
        if facts.inputs:
            found.append(Site("output_grad", name, shape=shape))
        found += [
            Site("weight", name, weight=weight, shape=about.shape)
            for weight, about in (facts.weights or {}).items()
            if about.trainable
        ]
        if facts.node.kind.category == "normalization":
            found.append(Site("bn", name, shape=shape[-1:], momentum=0.9))
    return tuple(found)


def make_layout(survey: Survey) -> Layout:
    blocks: list[tuple[Site, Block, int]] = []
    start = 0
    for site in survey.sites:
        widths: dict[str, int] = {}
        for quantity in survey.quantities(site.kind):
            for name in (*quantity.moments, *filter(None, [quantity.undefined])):
                if name not in (*HOST, *UNKNOWN, "time", "momentum", "calls"):
                    widths[name] = width_of(name, site)
        for name, width in widths.items():
            blocks.append((site, Block((name,), width), start))
            start += width
    return Layout(tuple(blocks), start)


def width_of(name: str, site: Site) -> int:
    if "histogram" in name:
        return BINS
    whole = name.startswith("channel") or name in BN_MOMENTS
    return (site.shape[-1] or 1) if whole and site.shape else 1


class Numbers:
    """The packed numbers of a step: a decaying loss, gradients that shrink, a planted NaN."""

    def __init__(self, layout: Layout, planted: dict[tuple[str, str], int]) -> None:
        self.layout, self.planted = layout, planted
        self.base = np.random.default_rng(0).uniform(0.5, 2.0, layout.size)
        self.fade = np.zeros(layout.size)
        self.whole = np.full(layout.size, np.nan)
        self.rounded = np.zeros(layout.size, bool)
        self.loss = 0
        for number, (_, block, start) in enumerate(layout.blocks):
            self._prepare(block.names[0], slice(start, start + block.width), number)

    def _prepare(self, name: str, place: slice, number: int) -> None:
        if name.endswith(("nan", "inf")):
            self.whole[place] = 0
        elif name.endswith("count"):
            self.whole[place] = 16
        elif name.endswith("zeros"):
            self.whole[place] = number % 12
        elif "histogram" in name:
            self.base[place] = np.exp(-((np.arange(BINS) - 105) ** 2) / 40) * 500
            self.rounded[place] = True
        elif name == "loss":
            self.loss = place.start
        elif name.endswith("sumsq"):
            self.base[place] *= 10.0 ** -(number % 5)
            self.fade[place] = 1 + number % 3

    def at(self, step: int, total: int) -> np.ndarray:
        noise = np.random.default_rng(step).uniform(0.8, 1.25, self.layout.size)
        packed = self.base * noise * np.exp(-self.fade * step / total)
        packed = np.where(np.isnan(self.whole), packed, self.whole)
        packed = np.where(self.rounded, np.round(packed), packed)
        packed[self.loss] = 2.3 * np.exp(-3 * step / total) + 0.05 * noise[self.loss]
        if step in self.planted.values():
            for site, block, start in self.layout.blocks:
                if self.planted.get((site.node, block.names[0])) == step:
                    packed[start] = 3
        return packed


class Making:
    """A run in the making."""

    def __init__(
        self,
        path: Path,
        graph: OpGraph,
        total: int,
        *,
        measure: Any = "default",
        planted: dict[tuple[str, str], int] | None = None,
        part_steps: int = 100,
    ) -> None:
        self.analysis, self.total = analyze(graph), total
        chosen = parse_measure(measure)
        survey = Survey(sites_of(self.analysis), chosen, ("accuracy",))
        self.layout = make_layout(survey)
        self.numbers = Numbers(self.layout, planted or {})
        info = RunInfo(
            config={"total_steps": total, "batch_size": 32, "optimizer": "sgd"},
            command="opgraph trace x.txt",
            graph_fingerprint="sha256:0",
            data={"title": "made of arrays"},
            seed=0,
            batch_signature=(),
            dtype_policy="float32",
            versions={},
            machine={},
            threads={},
            flags={},
            created="2026-11-22T00:00:00+00:00",
            measure=chosen.as_dict(),
        )
        data = to_json(self.analysis.graph)
        self.writer = RunWriter(path, info, data, survey, part_steps=part_steps)

    def add(self, steps: range) -> None:
        for step in steps:
            host = {
                "step": step, "epoch": (step - 1) // 7, "index": (step - 1) % 7, "batch_size": 32,
                "micro_batches": 1, "calls": step, "step_time": 0.01,
                "input_time": 0.001 * (step % 5), "fingerprint": f"{step:016x}",
                "time": datetime.fromtimestamp(1_700_000_000 + step, UTC),
            }  # fmt: skip
            self.writer.add(StepRow(self.numbers.at(step, self.total), self.layout, host))

    def end(self) -> None:
        test = {"loss": 0.21, "accuracy": 0.94, "size": 450}
        self.writer.end(self.writer.info.ended("finished", steps=self.total, test=test))


def write_run(path: Path, graph: OpGraph, steps: int = 60, **options: Any) -> Analysis:
    """A finished run of a graph; its analysis."""
    making = Making(path, graph, steps, **options)
    making.add(range(1, steps + 1))
    making.end()
    return making.analysis
