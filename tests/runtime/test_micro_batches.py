"""A batch taken in parts: the update of the whole batch, unless parts are normalised apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.graph import OpGraph
from opgraph.record import STEPS, output_name
from opgraph.runtime import trace

pytestmark = pytest.mark.tf
Stepped = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("parts", [2, 3])  # a batch of 8: 4 and 4; 3, 3 and 2
@pytest.mark.parametrize("name", ["plain", "lstm", "lost", "binary"])
def test_without_batch_normalisation_the_update_is_that_of_the_whole_batch(
    stepped: Stepped, name: str, parts: int
) -> None:
    whole = stepped(name, "tensors", "momentum")
    split = stepped(name, "tensors", "momentum", parts=parts)
    for one, other in zip(whole.results, split.results, strict=True):
        for key in one.arrays:
            before, after = one[key], other[key]
            if before is None or after is None:
                assert before is after, key
                continue
            share = 2e-5 * (np.abs(before).max(initial=0.0) + 1e-12)
            share += 3e-8 * key.what.endswith(".update")  # a difference of float32 numbers below 1
            np.testing.assert_allclose(after, before, rtol=2e-5, atol=share, err_msg=str(key))
        for key in [key for key in other.arrays if key.what.endswith(".grad.parts")]:
            of_parts, grad = other.find(*key), other[key.node, key.what.removesuffix(".parts")]
            assert len(of_parts) == parts
            size = np.abs(of_parts).max() + 1e-12
            np.testing.assert_allclose(of_parts.sum(axis=0), grad, atol=1e-6 * size)
        loss = [run.packed[run.layout.start(STEPS, "loss")] for run in (one, other)]
        assert loss[0] == pytest.approx(loss[1], rel=1e-6)


def test_batch_normalisation_is_where_parts_begin_to_differ(stepped: Stepped) -> None:
    whole, split = (stepped("cnn", "tensors", "adam", parts=parts) for parts in (1, 3))
    one, other = whole.results[0], split.results[0]
    apart = [
        node
        for node in whole.built.graph.order
        if not np.allclose(one[output_name(node, 0)], other[output_name(node, 0)], atol=1e-5)
    ]
    assert apart[0] == "n1"
    inputs = one["c1", "output"].astype(np.float64)
    means = [part.mean(axis=(0, 1, 2)) for part in np.array_split(inputs, 3)]
    assert np.allclose(other["n1", "batch_mean"], means, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "x: Input(shape=(4,)) -> d: Dense(units=8) -> bn: BatchNormalization -> y: Dense",
            ["each of 4 parts of a batch is normalised by itself at bn: not the update of the"
             " whole batch"],
        ),
        ("x: Input(shape=(4,)) -> d: Dense(units=8) -> ln: LayerNormalization -> y: Dense", []),
    ],
)  # fmt: skip
def test_the_user_is_told_where_parts_matter(
    making: SimpleNamespace, tmp_path: Path, text: str, told: list[str]
) -> None:
    heard: list[str] = []
    settings: dict[str, Any] = {"steps": 1, "batch_size": 8, "measure": ("off",)}
    for parts in (1, 4):
        trace(
            completed(text),
            making.blobs(16),
            run_dir=tmp_path / str(parts),
            graph_json={"nodes": [{"name": "stands for the real thing"}]},
            notify=heard.append,
            accumulate=parts,
            **settings,
        )
    assert heard == told


def completed(text: str) -> OpGraph:
    from opgraph.analysis import analyze
    from opgraph.errors import Source
    from opgraph.text import parse

    return analyze(parse(Source("net", text), "net"), num_classes=4).require().graph
