"""Nothing is traced after the first step, whatever happens between steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.framework import func_graph

import opgraph
from opgraph.runtime.step import Step

pytestmark = pytest.mark.tf
NETWORK = (
    "image: Input(shape=(8, 8, 1)) -> conv[filters=3] -> bn[momentum=0.8] -> relu -> max_pool"
    " -> flatten -> drop[rate=0.3] -> fc -> softmax"
)
BETWEEN_STEPS: dict[str, Any] = {
    "augment": "flip, shift=1, rotate=10, noise=0.05",
    "validate_every": 3,
    "schedule": "plateau(patience=1, factor=0.5, monitor=val_loss, min_delta=0.1)",
    "early_stopping": "patience=99, restore_best=true",
    "keep_best": "val_loss",
    "ema": 0.9,
    "clip_global_norm": 1.0,
    "measure": ("full", "output.histogram:every=7", "output.channel_*:every=5"),
    "keyframe_every": 4,
}


class Traced:
    """Counts graphs of functions: TensorFlow makes one whenever it traces Python code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.graphs = 0
        self.steps: list[Step] = []
        self.after: list[tuple[int, int]] = []
        make, begin = func_graph.FuncGraph.__init__, Step.__init__

        def counted(graph: Any, *args: Any, **kwargs: Any) -> None:
            self.graphs += 1
            make(graph, *args, **kwargs)

        def noted(step: Step, *args: Any, **kwargs: Any) -> None:
            self.steps.append(step)
            begin(step, *args, **kwargs)

        monkeypatch.setattr(func_graph.FuncGraph, "__init__", counted)
        monkeypatch.setattr(Step, "__init__", noted)

    def on_step(self, *_: Any) -> None:
        """After each step: how many graphs, and how many programs of the step."""
        self.after.append((self.graphs, self.steps[-1].traces))


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    return Traced(monkeypatch)


@pytest.fixture(scope="module")
def digits() -> Any:
    """Of 125 examples 100 are trained on: in batches of 16, with a last one of 4."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = found.images[..., None].astype("float32"), found.target
    return (x[:125], y[:125]), (x[125:150], y[125:150])


@pytest.mark.parametrize(
    ("more", "programs"),
    [
        # batches of 16 and 4; what is measured at every step, and what at some
        ({}, 4),
        # of which 3 parts are 6 and 5, or 2 and 1; an update for each kind of step
        ({"accumulate": 3}, 10),
        pytest.param({"jit": True}, 2, marks=pytest.mark.slow),
        pytest.param({"precision": "mixed_float16", "accumulate": 8}, 6, marks=pytest.mark.slow),
    ],
    ids=["whole", "parts", "compiled", "half"],
)
def test_nothing_is_traced_after_the_first_step(
    more: dict[str, Any], programs: int, digits: Any, traced: Traced, tmp_path: Path
) -> None:
    run = opgraph.trace(
        NETWORK, digits, output=tmp_path, steps=30, batch_size=16, progress=traced,
        **BETWEEN_STEPS | more,
    )  # fmt: skip
    rows = run.steps.to_pylist()
    assert {row["batch_size"] for row in rows} == {16, 4}
    assert sum(row["val_loss"] is not None for row in rows) == 10
    assert rows[-1]["learning_rate"] < rows[0]["learning_rate"]
    graphs, made = traced.after[0]
    assert graphs > programs
    assert made == programs
    assert set(traced.after) == {(graphs, made)}
    assert len(traced.after) == 30


def test_what_is_traced_is_counted(traced: Traced) -> None:
    """The test above can fail."""
    double = tf.function(lambda x: 2 * x, autograph=False)
    for size, graphs in ((3, 1), (3, 1), (4, 2)):
        double(tf.zeros(size))
        assert traced.graphs == graphs
    tf.data.Dataset.range(3).map(lambda x: x + 1)
    assert traced.graphs > 2
