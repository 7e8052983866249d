"""Any step again: the same bits as an instrumented training, proved by the record, or refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opgraph
from opgraph.errors import DataError, RunError
from opgraph.record import StepTensors, TensorName, open_run
from opgraph.record.keyframes import keyframe_path, read_keyframe, write_keyframe
from opgraph.runtime import Recipe, Replay, prepare
from opgraph.runtime.data import recreate

pytestmark = pytest.mark.tf

NETWORK = (
    "image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn[momentum=0.8] -> relu -> max_pool"
    " -> flatten -> drop: Dropout(rate=0.3) -> fc -> softmax"
)
SETTINGS: dict[str, Any] = {"steps": 40, "batch_size": 48, "keyframe_every": 7, "seed": 3}
ROOT = Path(__file__).parents[2]


def traced(path: Path, **settings: Any) -> opgraph.Run:
    return opgraph.trace(NETWORK, "digits", output=path, **{**SETTINGS, **settings})


def instrumented(run: opgraph.Run, steps: Iterable[int]) -> dict[int, StepTensors]:
    """The same training from its beginning, every step with everything handed over."""
    known = run.record.info
    recipe = Recipe.from_dict({k: v for k, v in known.config.items() if k in Recipe().as_dict()})
    recipe = replace(recipe, statistics=known.statistics)
    training = prepare(run.graph.inner, recreate(known.data), recipe)
    wanted, found = set(steps), dict[int, StepTensors]()
    for number, _, _, batch in training.batches():
        tensors = training.step.tensors(
            batch.inputs, batch.labels, step=number, indices=batch.indices
        )
        if number in wanted:
            found[number] = tensors
    return found


def bits(tensors: StepTensors) -> dict[str, bytes | None]:
    """Everything in a step, with types and shapes."""
    named: Mapping[Any, Any] = {
        **tensors.arrays,
        "packed": tensors.packed,
        "indices": tensors.indices,
        **{f"input {i}": x for i, x in enumerate(tensors.inputs)},
        **{f"label {i}": x for i, x in enumerate(tensors.labels)},
    }
    return {
        str(name): None if x is None else f"{x.dtype}{x.shape}".encode() + x.tobytes()
        for name, x in named.items()
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> opgraph.Run:
    return traced(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def replay(run: opgraph.Run) -> Replay:
    return run.replay()


@pytest.fixture
def copied(run: opgraph.Run, tmp_path: Path) -> Path:
    return shutil.copytree(run.path, tmp_path / "copied")


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> opgraph.Run:
    """The run with its `run.json` changed."""
    file = path / "run.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    change(data)
    file.write_text(json.dumps(data), encoding="utf-8")
    return opgraph.open_run(path)


def test_the_bits_of_an_instrumented_training(run: opgraph.Run, replay: Replay) -> None:
    steps = [1, 7, 8, 9, 20, 33, 40]
    wanted = instrumented(run, steps)
    for step in (33, 8, 7, 40, 1, 20, 9):
        found = replay.at(step)
        assert found.verified
        assert bits(found) == bits(wanted[step]), step


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "mixed_float16", "learning_rate": 0.1},
        {"precision": "mixed_bfloat16"},
        {"accumulate": 3},
        {"jit": True},
        {"statistics": "tensorflow"},
        {"augment": "shift=1, noise=0.1", "optimizer": "sgd(momentum=0.9)"},
        {"ema": 0.9, "clip_global_norm": 0.1, "measure": "full"},
        {"measure": "norms", "sites": "conv,fc"},
    ],
    ids=lambda settings: ",".join(settings),
)
def test_every_kind_of_training(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = traced(tmp_path / "run", **settings)
    wanted = instrumented(run, [6, 30])
    for step in (30, 6):
        found = run.at(step)
        assert found.verified
        assert bits(found) == bits(wanted[step]), step


def test_controllers_decide_as_they_did(tmp_path: Path) -> None:
    """The learning rate falls on the way; a replay that forgot it would not be verified."""
    schedule = "plateau(patience=1, factor=0.5, min_delta=10, monitor=loss)"
    run = traced(tmp_path / "run", schedule=schedule, validate_every=5, keyframe_every=38)
    rates = run.steps["learning_rate"].to_pylist()
    assert len(set(rates)) > 4
    found = run.at(38)
    assert found.verified
    assert found.figures["learning_rate"] == rates[37]


def test_steps_in_one_pass(run: opgraph.Run, replay: Replay) -> None:
    replay.at(2)
    found = {tensors.step: tensors for tensors in replay.walk([12, 3, 11, 3, 30])}
    assert list(found) == [3, 11, 12, 30]
    assert all(tensors.verified for tensors in found.values())
    assert bits(found[12]) == bits(run.at(12))


def test_goes_on_from_where_it_is(replay: Replay) -> None:
    replay.go_to(22)
    assert [replay.distance(step) for step in (23, 25, 22, 29, 28, 1)] == [1, 3, 1, 1, 6, 1]
    replay.at(25)
    assert replay.position == 25
    for _ in replay.walk(range(3, 6)):
        break
    assert replay.position == 3
    assert replay.at(4).verified


def test_what_a_step_holds(run: opgraph.Run, replay: Replay) -> None:
    one, two = replay.walk([9, 10])
    row = run.table("steps", steps=10).to_pylist()[0]
    assert two.figures["loss"] == row["loss"]
    assert two.figures["learning_rate"] == row["learning_rate"]
    data = recreate(run.record.info.data)
    assert two.indices is not None
    np.testing.assert_array_equal(two.inputs[0], data.train.inputs[0][two.indices])
    np.testing.assert_array_equal(two.labels[0], data.train.labels[0][two.indices])
    for name in ("fc.kernel", "bn.gamma"):
        node, weight = name.split(".")
        np.testing.assert_array_equal(one.find(node, f"{weight}.after"), two.find(node, weight))
    slots = [what for what in two.of("fc") if "momentum" in what or "velocity" in what]
    assert sorted(slots) == sorted(
        f"{weight}.{slot}{when}"
        for weight in ("kernel", "bias")
        for slot in ("momentum", "velocity")
        for when in ("", ".before")
    )
    for slot in ("kernel.momentum", "bias.velocity"):
        np.testing.assert_array_equal(one.find("fc", slot), two.find("fc", f"{slot}.before"))
    before, batch = two.find("bn", "moving_mean"), two.find("bn", "batch_mean")
    after = two.find("bn", "moving_mean.after")
    np.testing.assert_allclose(after, 0.8 * before + 0.2 * batch, rtol=1e-5, atol=1e-7)
    mask = two.find("drop", "mask")
    read, dropped = two.find("flatten", "output"), two.find("drop", "output")
    np.testing.assert_allclose(dropped, read * (mask != 0) / 0.7, rtol=1e-6)


def test_losses_of_examples(replay: Replay) -> None:
    tensors = replay.at(10)
    (losses,) = replay.example_losses(tensors).values()
    chance = tensors.find("softmax", "output")[np.arange(48), tensors.labels[0]]
    np.testing.assert_allclose(losses, -np.log(chance), rtol=1e-4, atol=1e-6)
    assert losses.mean() == pytest.approx(tensors.figures["loss"], rel=1e-5)


def test_a_keyframe_less(copied: Path, replay: Replay) -> None:
    """Thinned, or damaged: the one before it is taken, and what is damaged is said."""
    keyframe_path(copied, 14).unlink()
    keyframe_path(copied, 21).write_bytes(b"no keyframe")
    run, heard = opgraph.open_run(copied), list[str]()
    found = run.replay(notify=heard.append).at(23)
    assert found.verified
    assert bits(found) == bits(replay.at(23))
    (line,) = heard
    assert line.startswith(f"{keyframe_path(copied, 21)}: damaged: ")
    assert line.endswith("; skipped")


def test_another_past_is_found_out(copied: Path) -> None:
    """One bit of one weight differs in a keyframe: the first step behind it tells."""
    keyframe = read_keyframe(copied, 14)
    kernel = np.array(keyframe.arrays["model/conv/kernel"])
    kernel.view(np.uint32)[0, 0, 0, 0] ^= 1
    arrays = {**keyframe.arrays, "model/conv/kernel": kernel}
    write_keyframe(copied, replace(keyframe, arrays=arrays))
    run = edited(copied, lambda data: data["threads"].update(intra_op=64))
    with pytest.raises(RunError) as caught:
        run.at(17)
    error = caught.value
    assert error.where is not None
    assert error.where.startswith(f"{copied}, step 15, table ")
    assert "when computed again, but " in error.problem
    assert "threads intra_op: 64 then, 0 now" in str(error.hint)
    heard: list[str] = []
    other = run.replay(unverified=True, notify=heard.append)
    assert not other.at(17).verified
    assert heard[0] == "the run was recorded otherwise: threads intra_op: 64 then, 0 now"
    assert heard[1].startswith(f"NOT VERIFIED: {copied}, step 15, table ")
    assert other.at(23).verified, "the keyframe of step 21 is good"
    assert run.at(14).verified, "so is the way there"


def test_a_batch_that_differs_is_named(copied: Path) -> None:
    record = open_run(copied)
    data = recreate(record.info.data)
    labels = data.train.labels[0].copy()
    step = Replay(record, opgraph.open_run(copied).graph.inner, data).at(5)
    assert step.indices is not None
    labels[step.indices[0]] = (labels[step.indices[0]] + 1) % 10
    other = replace(data, train=replace(data.train, labels=(labels,)))
    with pytest.raises(RunError, match="the data have changed: their fingerprint is"):
        Replay(record, opgraph.open_run(copied).graph.inner, other)


@pytest.mark.parametrize("step", [0, -1, 41])
def test_no_such_step(run: opgraph.Run, replay: Replay, step: int) -> None:
    with pytest.raises(RunError) as caught:
        replay.at(step)
    assert str(caught.value) == f"{run.path}: expected a step from 1 to 40, received {step}"


def test_runs_that_cannot_be_replayed(copied: Path) -> None:
    def refusal(change: Callable[[dict[str, Any]], object]) -> str:
        kept = (copied / "run.json").read_bytes()
        with pytest.raises((RunError, DataError)) as caught:
            edited(copied, change).at(1)
        (copied / "run.json").write_bytes(kept)
        return str(caught.value)

    assert refusal(lambda data: data.update(opgraph_run=1)) == (
        f"{copied}: the run is of schema version 1; it can be read, not replayed\n   train again"
    )
    reason = "it was trained on arrays in memory, which are not kept"
    assert refusal(lambda data: data.update(replayable=False, replayable_reason=reason)) == (
        f"cannot be made again\n   {reason}; in Python hand over the same ones: run.at(step,"
        " data=(x, y))"
    )
    assert refusal(lambda data: data["data"].update(fingerprint="0" * 32)).startswith(
        "digits: the data have changed: their fingerprint is "
    )
    assert "policy 'float64', this process has 'float32'" in refusal(
        lambda data: data.update(dtype_policy="float64")
    )
    assert "measures other sites or quantities" in refusal(
        lambda data: data["config"].update(measure=["norms"])
    )
    shutil.rmtree(copied / "keyframes")
    with pytest.raises(RunError) as caught:
        opgraph.open_run(copied).at(1)
    assert str(caught.value) == f"{copied}: the run has no keyframe, so no step can be had again"


def test_no_such_tensor(replay: Replay) -> None:
    tensors = replay.at(1)
    assert tensors[TensorName("softmax", "output.grad")] is None
    for words, message in (
        (("softmx", "x"), "step 1: no node is called 'softmx'\n   did you mean 'softmax'?"),
        (("fc", "kernl"), "step 1, fc: no tensor is called 'kernl'\n   did you mean 'kernel'?"),
        (
            ("softmax", "output.grad"),
            "step 1, softmax: output.grad: the loss does not depend on it, so it does not exist",
        ),
    ):
        with pytest.raises(RunError) as caught:
            tensors.find(*words)
        assert str(caught.value) == message


THREADS = """
import sys
import tensorflow as tf
import opgraph
if sys.argv[2] == "trace":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    opgraph.trace(sys.argv[3], "digits", output=sys.argv[1], steps=12)
else:
    heard = []
    run = opgraph.open_run(sys.argv[1])
    assert run.replay(notify=heard.append).at(8).verified
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert not heard, heard
"""


@pytest.mark.slow
def test_as_many_threads_as_the_run_had(tmp_path: Path) -> None:
    for what in ("trace", "replay"):
        words = [sys.executable, "-c", THREADS, tmp_path / "run", what, NETWORK]
        subprocess.run(words, check=True, cwd=ROOT)


NO_COMPILER = """
import sys
import opgraph
run = opgraph.open_run(sys.argv[1])
try:
    run.at(8)
except opgraph.OpgraphError as error:
    print(type(error).__name__)
heard = []
print(run.replay(unverified=True, notify=heard.append).at(8).verified)
print(heard[0])
"""


@pytest.mark.slow
def test_statistics_of_a_kernel_that_cannot_be_had_here(run: opgraph.Run, tmp_path: Path) -> None:
    if run.record.info.statistics != "kernel":
        pytest.skip("there is no compiler here at all")
    environment = {**os.environ, "OPGRAPH_CACHE": str(tmp_path), "CXX": "no-such-compiler"}
    words = [sys.executable, "-c", NO_COMPILER, str(run.path)]
    found = subprocess.run(words, check=True, cwd=ROOT, env=environment, capture_output=True,
                           text=True)  # fmt: skip
    error, verified, notice = found.stdout.splitlines()
    assert (error, verified) == ("MissingDependencyError", "False")
    assert notice.endswith("; statistics are made by TensorFlow's ops instead")


FRESH = """
import sys, numpy as np, opgraph
run = opgraph.open_run(sys.argv[1])
for step in map(int, sys.argv[3:]):
    found = run.at(step)
    assert found.verified
    arrays = {str(name): x for name, x in found.arrays.items() if x is not None}
    np.savez(f"{sys.argv[2]}/{step}.npz", packed=found.packed, **arrays)
"""


@pytest.mark.slow
def test_twenty_random_steps_in_a_fresh_process(tmp_path: Path) -> None:
    """Nothing but the run directory is left of a training of 300 steps of the sample."""
    graph = ROOT / "sample_graphs" / "cnn.txt"
    run = opgraph.trace(graph, "digits", output=tmp_path / "run", steps=300)
    random = np.random.default_rng(4)
    steps = sorted(int(step) for step in random.choice(np.arange(1, 301), 20, replace=False))
    wanted = instrumented(run, steps)
    moved = shutil.move(run.path, tmp_path / "moved")
    words = [str(step) for step in random.permutation(steps)]
    subprocess.run([sys.executable, "-c", FRESH, moved, tmp_path, *words], check=True, cwd=ROOT)
    for step in steps:
        saved = np.load(tmp_path / f"{step}.npz")
        real = {str(name): x for name, x in wanted[step].arrays.items() if x is not None}
        assert saved.files == ["packed", *real]
        assert saved["packed"].tobytes() == wanted[step].packed.tobytes()
        for name, array in real.items():
            assert saved[name].dtype == array.dtype
            assert saved[name].tobytes() == array.tobytes(), (step, name)
