"""Explanations of trainings of many kinds: optimizers, decay, clipping, parts, shared weights."""

from pathlib import Path

import numpy as np
import pytest
from checking import WORDS, check_recorded, check_text

import opgraph

pytestmark = pytest.mark.tf

SAMPLES = Path(__file__).parents[2] / "sample_graphs"
NETWORK = """
x: Input(shape=(6,)) -> fc: Dense(units=5) -> act: ReLU -> out: Dense(units=3) -> p: Softmax
"""
WAYS = {
    "momentum": {"optimizer": "sgd(momentum=0.8)", "learning_rate": 0.1},
    "nesterov, decay": {"optimizer": "nesterov", "weight_decay": 0.01},
    "rmsprop": {"optimizer": "rmsprop"},
    "rmsprop, momentum": {"optimizer": "rmsprop(momentum=0.9)"},
    "rmsprop, centered": {"optimizer": "rmsprop(centered=True)"},
    "adamw, each number clipped": {"optimizer": "adamw(weight_decay=0.1)", "clip_value": 0.01},
    "amsgrad, each gradient clipped": {"optimizer": "adam(amsgrad=True)", "clip_norm": 0.05},
    "all gradients clipped": {"clip_global_norm": 0.1},
    "in parts": {"accumulate": 3},
    "classes that count differently": {"class_weights": {0: 1.0, 1: 3.0, 2: 0.5}},
    "adagrad": {"optimizer": "adagrad"},
    "adamax": {"optimizer": "adamax"},
    "lion": {"optimizer": "lion"},
}
CLIPPED = [name for name in WAYS if "clipped" in name]


def random_rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 6)).astype("float32"), rng.integers(0, 3, 32).astype("int32")


def explained(source, data, path, lang="en", **options):
    """The third step of a training, as a story whose numbers all agree."""
    run = opgraph.trace(source, data, output=path / "run", steps=3, batch_size=8, **options)
    if not isinstance(data, str):
        run.replay(data=data)
    found = run.explain(3, lang=lang)
    assert found.story.defects == []
    return run, found, check_text(found.text(), WORDS[lang])


@pytest.mark.parametrize("name", WAYS)
def test_the_update_is_told_with_its_own_numbers(name, tmp_path):
    lang = "zh" if len(name) % 2 else "en"
    options = WAYS[name]
    run, found, lines = explained(opgraph.read(NETWORK), random_rows(), tmp_path, lang, **options)
    assert check_recorded(run.at(3), lines) >= 20
    updates = [check for phase, _, _, check in found.story.checks() if phase == "update"]
    assert all(check.independent is not None for check in updates)
    names = {line.name.split("[")[0] for line in lines}
    slots = {s for w in ("fc.kernel", "out.bias") for s in slots_of(run.at(3), w)}
    assert slots | {"fc.kernel.after", "fc.bias.after"} <= names
    assert any(line.name.startswith("fc.kernel.clipped") for line in lines) == (name in CLIPPED)


def slots_of(tensors, weight):
    """Names of what the optimizer remembers of a weight."""
    marks = {str(name) for name in tensors.arrays}
    return {n.removesuffix(".before") for n in marks if n.startswith(f"{weight}.") and
            n.endswith(".before")}  # fmt: skip


def test_shared_weights_add_up_what_each_node_sends(tmp_path):
    rng = np.random.default_rng(0)
    left, right = rng.random((2, 32, 16, 16, 1)).astype("float32")
    data = ((left, right), rng.integers(0, 10, 32).astype("int32"))
    run, _, lines = explained(SAMPLES / "siamese.txt", data, tmp_path)
    assert check_recorded(run.at(3), lines) > 40
    (whole,) = (line for line in lines if line.name.startswith("a_code.kernel.grad["))
    assert "[a_code]" in whole.formulas[1]
    assert "[b_code]" in whole.formulas[1]
    assert whole.recorded == pytest.approx(float(whole.formulas[-1].replace("−", "-")), rel=1e-4)
    assert any(line.name.startswith("b_code.kernel.grad_share[") for line in lines)


def test_two_inputs_and_a_regulariser(tmp_path):
    run, found, lines = explained(SAMPLES / "two_inputs.txt", "digits", tmp_path)
    assert check_recorded(run.at(3), lines) > 40
    checks = {name.split("[")[0]: check for *_, name, check in found.story.checks()}
    assert checks["conv1.kernel.grad"].independent is not None
    assert "The regulariser of kernel adds a term of its own:" in found.text()


PARTED = """
x: Input(shape=(6,)) -> fc: Dense(units=5, kernel_regularizer=l2) -> bn: BatchNormalization
bn -> act: ReLU -> out: Dense(units=3) -> p: Softmax
"""


@pytest.mark.parametrize("precision", [None, "mixed_float16"])
@pytest.mark.parametrize("network", [NETWORK, PARTED])
def test_the_parts_of_a_batch_add_up_to_the_gradient(network, precision, tmp_path):
    run, found, lines = explained(
        opgraph.read(network), random_rows(), tmp_path, accumulate=3, precision=precision
    )
    parts = [line for line in lines if line.name.startswith("out.kernel.grad.parts[")]
    assert [line.name.split("[")[1][0] for line in parts] == ["0", "1", "2"]
    if precision is None:
        assert check_recorded(run.at(3), parts) == 3
    at = parts[0].name.split("[")[1].partition(", ")[2]
    (whole,) = (line for line in lines if line.name == f"out.kernel.grad[{at}"
                and "-#" in line.formulas[1])  # fmt: skip
    assert sum(line.recorded for line in parts) == pytest.approx(whole.recorded, rel=1e-5)
    assert "[#0-#2]" in whole.formulas[1]
    assert "[#3]" in parts[1].formulas[1]
    checks = [check for *_, name, check in found.story.checks() if ".grad.parts[" in name]
    assert len(checks) >= 12
    assert all(check.independent is not None for check in checks)
    plain = " ".join(found.text().split())
    assert ("the loss was multiplied by" in plain) == (precision is not None)
