"""How a training ends: stopped early, at its best, with averaged weights; and what was validated.

What happened is worked out again from the keyframes of every step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.errors import RunError
from opgraph.graph import OpGraph
from opgraph.record import Record
from opgraph.runtime import evaluate, restore, trace
from opgraph.runtime.data import Data, hold_out

pytestmark = pytest.mark.tf
Networks = Callable[[str], OpGraph]
WEIGHTS = ("d/kernel", "d/bias", "logits/kernel", "logits/bias")


@pytest.fixture(scope="module")
def data(making: SimpleNamespace) -> Data:
    return making.blobs(60)


def traced(networks: Networks, data: Data, path: Path, **settings: Any) -> Record:
    options: dict[str, Any] = {"batch_size": 16, "learning_rate": 0.3, "keyframe_every": 1}
    options |= {"optimizer": "sgd", "schedule": "constant", "measure": ("norms",)}
    graph_json = {"nodes": [{"name": "stands for the real thing"}]}
    return trace(networks("tiny"), data, run_dir=path, graph_json=graph_json, **options | settings)


def weights(model: Any) -> list[np.ndarray]:
    return [v.numpy() for v in model.trainable_variables]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def test_validation_is_a_test_on_what_was_held_out(
    networks: Networks, data: Data, tmp_path: Path
) -> None:
    run = traced(networks, data, tmp_path, steps=7, validate_every=3, validation_share=0.3)
    train, held_out = hold_out(data.train, data.targets, 0.3, 0)
    assert (train.size, held_out.size) == (42, 18)
    steps = run.steps.to_pylist()
    assert [row["step"] for row in steps if row["val_loss"] is not None] == [3, 6, 7]
    for row in (row for row in steps if row["val_loss"] is not None):
        tested = evaluate(restore(tmp_path, networks("tiny"), row["step"]), held_out)
        assert row["val_loss"] == pytest.approx(tested.loss, rel=1e-6)
        assert row["val_accuracy"] == tested.accuracy


@pytest.mark.parametrize("restores", [False, True])
def test_the_best_state_is_kept_and_restored_if_asked_for(
    networks: Networks, data: Data, tmp_path: Path, restores: bool
) -> None:
    stopping = f"patience=2, monitor=val_loss, restore_best={str(restores).lower()}"
    how = {"early_stopping": stopping} | ({} if restores else {"keep_best": "val_loss"})
    run = traced(networks, data, tmp_path, epochs=40, learning_rate=3.0, **how)
    losses = {r["step"]: r["val_loss"] for r in run.steps.to_pylist() if r["val_loss"] is not None}
    best = min(losses, key=lambda step: losses[step])
    assert run.info.outcome["best_step"] == best
    assert run.info.status == "finished"
    assert run.last_step == best + 2 * min(losses)  # patience: two epochs without a better one
    assert run.last_step < run.info.config["total_steps"]
    graph = networks("tiny")
    at_best, last = (restore(tmp_path, graph, step) for step in (best, run.last_step))
    assert same(weights(restore(tmp_path, graph, "best")), weights(at_best))
    ended = at_best if restores else last
    assert same(weights(restore(tmp_path, graph)), weights(ended))
    assert run.info.outcome["test"]["loss"] == evaluate(ended, data.test).loss
    assert not same(weights(at_best), weights(last))


def test_a_run_without_a_best_state_says_so(networks: Networks, data: Data, tmp_path: Path) -> None:
    traced(networks, data, tmp_path, steps=1)
    with pytest.raises(RunError) as caught:
        restore(tmp_path, networks("tiny"), "best")
    assert str(caught.value) == (
        f"{tmp_path}: no best state was kept\n   --keep-best val_loss keeps one"
    )


@pytest.mark.parametrize("freeze", [None, "d"])
def test_the_run_ends_with_the_averaged_weights(
    networks: Networks, data: Data, tmp_path: Path, freeze: str | None
) -> None:
    run = traced(networks, data, tmp_path, steps=5, ema=0.75, freeze=freeze)
    frames = [run.keyframe(step).arrays for step in range(1, 6)]
    wanted: list[np.ndarray] = []
    for name in WEIGHTS:
        average = frames[0][f"model/{name}"].astype(np.float64)
        for frame in frames[1:]:
            average = 0.75 * average + 0.25 * frame[f"model/{name}"]
        wanted.append(average)
    graph = networks("tiny")
    ended = restore(tmp_path, graph)
    for found, average in zip(weights(ended), wanted, strict=True):
        np.testing.assert_allclose(found, average, rtol=1e-5, atol=1e-7)
    assert run.info.outcome["network"]["best"] is False
    taught = {name for name in WEIGHTS if freeze is None or not name.startswith("d/")}
    assert set(run.info.outcome["network"]["averages"]) == taught
    assert run.info.outcome["test"]["loss"] == evaluate(ended, data.test).loss
    raw = restore(tmp_path, graph, 5)
    assert weights(raw)[2].tobytes() == frames[-1]["model/logits/kernel"].tobytes()
    assert not same(weights(raw), weights(ended))
