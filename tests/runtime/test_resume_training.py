"""A training that was stopped and taken up again ends in the bits of one that was not."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opgraph
from opgraph.record import Record, open_run
from opgraph.record.keyframes import keyframe_path

pytestmark = pytest.mark.tf
NETWORK = (
    "image: Input(shape=(8, 8, 1)) -> conv[filters=3] -> bn[momentum=0.8] -> relu -> max_pool"
    " -> flatten -> drop[rate=0.3] -> fc -> softmax"
)
TRAINING: dict[str, Any] = {
    "steps": 24, "batch_size": 16, "keyframe_every": 5, "learning_rate": 0.01, "measure": "full"
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "everything": {
        "accumulate": 3,
        "ema": 0.9,
        "schedule": "plateau(patience=1, factor=0.5, monitor=val_loss, min_delta=0.1)",
        "early_stopping": "patience=9, restore_best=true",
        "keep_best": "val_loss",
        "validate_every": 2,
        "precision": "mixed_float16",
        "augment": "flip, shift=1, noise=0.05",
        "clip_global_norm": 1.0,
        "measure": ("full", "output.histogram:every=7"),
    },
    "accumulation": {"accumulate": 4},
    "average": {"ema": 0.9, "optimizer": "momentum"},
    "plateau": {
        "schedule": "plateau(patience=1, factor=0.5, monitor=val_loss, min_delta=0.2)",
        "validate_every": 2,
    },
    "best": {"early_stopping": "patience=9, restore_best=true", "validate_every": 3},
    "loss scale": {"precision": "mixed_float16", "learning_rate": 1.0},
    "augmentation": {"augment": "flip, shift=1, rotate=10, noise=0.05, brightness=0.1, cutout=2"},
    "warm-up": {"schedule": "cosine(warmup=8)", "optimizer": "adamw", "weight_decay": 0.01},
    "pieces": {"schedule": "piecewise(boundaries=[6, 12], values=[1, 0.5, 0.1])"},
    "validation": {"validate_every": "epoch", "keep_best": "val_loss"},
    "compiled": {"jit": True},
}
FAST = ("everything",)
cases = pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in SETTINGS]
)
SameRun = Callable[[Record, Record], None]


class Stop:
    """Asks a training to stop after a step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int, *_: Any) -> None:
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Some of the digits; batches of 16 leave a last one of 13, or of 4 where some are held out."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = found.images[..., None].astype("float32"), found.target.astype("int32")
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x_train=x[:125], y_train=y[:125], x_test=x[125:150], y_test=y[125:150])
    return str(path)


def train(digits: str, path: Path, name: str, **more: Any) -> Record:
    settings = TRAINING | SETTINGS[name] | more
    return opgraph.trace(NETWORK, digits, output=path, **settings).record


@cases
def test_a_training_taken_up_again_is_the_same(
    name: str, digits: str, tmp_path: Path, same_run: SameRun
) -> None:
    """Its last keyframe is lost, so that three steps are made again and compared."""
    whole = train(digits, tmp_path / "whole", name)
    assert whole.info.status == "finished"
    stopped = train(digits, tmp_path / "stopped", name, progress=Stop(13))
    assert (stopped.info.status, stopped.last_step) == ("interrupted", 13)
    keyframe_path(stopped.path, 13).unlink()
    same_run(opgraph.resume(stopped.path).record, whole)


def test_a_training_that_was_killed_when_it_had_stopped_early_does_not_go_on(
    digits: str, tmp_path: Path, same_run: SameRun
) -> None:
    stops = {"early_stopping": "patience=2, min_delta=9", "validate_every": 2}
    whole = train(digits, tmp_path / "whole", "accumulation", **stops)
    assert (whole.info.status, whole.last_step) == ("finished", 6)
    killed = train(digits, tmp_path / "killed", "accumulation", **stops).path
    said = json.loads((killed / "run.json").read_text(encoding="utf-8"))
    said |= {"status": "running", "outcome": {}}
    (killed / "run.json").write_text(json.dumps(said), encoding="utf-8")
    same_run(opgraph.resume(killed).record, open_run(whole.path))
