"""Steps of a training on arrays in memory: had again with the same arrays, refused with others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opgraph
from opgraph.errors import DataError, OpgraphError, RunError

pytestmark = pytest.mark.tf
NETWORK = "x: Input(shape=(5,)) -> d: Dense(units=6) -> relu -> logits[units=3] -> softmax"


def arrays(size: int, seed: int = 0) -> tuple[Any, Any]:
    """float64 and names: both are changed on their way to the network."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(size, 5))
    return x, np.array(["ant", "bee", "cat"])[np.argmax(x[:, :3], axis=1)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> opgraph.Run:
    path = tmp_path_factory.mktemp("runs") / "run"
    sizes: dict[str, Any] = {"steps": 8, "batch_size": 16, "keyframe_every": 3}
    return opgraph.trace(NETWORK, arrays(80), output=path, **sizes)


@pytest.fixture
def opened(run: opgraph.Run) -> opgraph.Run:
    """The same run, of which nothing has been computed again yet."""
    return opgraph.open_run(run.path)


def test_the_same_arrays_give_any_step(opened: opgraph.Run) -> None:
    x, _ = arrays(80)
    tensors = opened.at(5, data=arrays(80))
    assert tensors.verified
    assert tensors.indices is not None
    assert tensors.figures["loss"] == opened.table("steps", steps=5)["loss"][0].as_py()
    known = {row.tobytes() for row in x.astype(np.float32)}
    assert {row.tobytes() for row in tensors.inputs[0]} <= known
    # once is enough: whatever asks the same object finds them
    assert opened.at(2).verified
    assert opened.requery("mean(abs(d.output))", steps=3).num_rows == 1
    assert opened.autopsy() is None
    assert opened.replay() is opened.replay(data=arrays(80))


def test_others_are_refused(opened: opgraph.Run) -> None:
    x, y = arrays(80)
    changed = x.copy()
    changed[7, 2] += 1e-3

    def refusal(data: Any) -> str:
        with pytest.raises(OpgraphError) as caught:
            opened.at(5, data=data)
        return str(caught.value)

    said = "arrays: the data have changed: their fingerprint is "
    hint = "steps can be replayed only with the data they were trained on"
    assert refusal((changed, y)).startswith(said)
    assert refusal((changed, y)).endswith(f"\n   {hint}")
    assert refusal((x[:40], y[:40])).endswith(
        f"\n   {hint}: 60 to train on and 20 to test on, not 30 to train on and 10 to test on"
    )
    assert refusal((x[:, :4], y)).startswith("arrays, inputs: ")
    assert refusal(3) == (
        "arrays: expected inputs and labels, received a int\n   (x, y), or ((x, y), (x_test,"
        " y_test)); several inputs or outputs as {'name': array, ...}"
    )
    with pytest.raises(RunError, match="cannot be made again") as caught:
        opened.at(5)
    assert str(caught.value.hint) == (
        "it was trained on arrays in memory, which are not kept; in Python hand over the same ones:"
        " run.at(step, data=(x, y))"
    )
    assert opened.at(5, data=(x, y)).verified
    assert refusal((changed, y)).startswith(said), "also when the right ones came before"


def test_train_and_test_by_name(tmp_path: Path) -> None:
    (x, y), (u, v) = arrays(48), arrays(9, seed=1)
    data = (({"x": x}, y), ({"x": u}, v))
    run = opgraph.trace(NETWORK, data, output=tmp_path / "run", steps=3, batch_size=16)
    assert run.at(2, data=data).verified


def test_a_session_over_such_a_run(opened: opgraph.Run) -> None:
    session = opgraph.debug(opened, arrays(80))
    assert session.goto(4).step == 4
    assert session.tensors.verified
    with pytest.raises(RunError, match="cannot be made again"):
        opgraph.debug(opened)
    with pytest.raises(DataError, match="the data have changed"):
        opgraph.debug(opened, arrays(80, seed=1))


@pytest.mark.parametrize(
    "reason", ["its batches came from model.fit, which keeps no data", "its loss 'f' is a function"]
)
def test_arrays_are_no_help_where_something_else_is_missing(
    reason: str, run: opgraph.Run, tmp_path: Path
) -> None:
    target = shutil.copytree(run.path, tmp_path / "other")
    file = target / "run.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**told, "replayable_reason": reason}), encoding="utf-8")
    with pytest.raises(RunError) as caught:
        opgraph.open_run(target).at(2, data=arrays(80))
    assert str(caught.value) == f"cannot be made again\n   {reason}"


def test_a_function_as_loss_is_the_reason_that_counts(tmp_path: Path) -> None:
    import keras

    def mine(y: Any, p: Any) -> Any:
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, p))

    run = opgraph.trace(
        NETWORK, arrays(48), output=tmp_path / "run", steps=2, batch_size=16, loss=mine
    )
    with pytest.raises(RunError) as caught:
        run.at(2, data=arrays(48))
    assert str(caught.value.hint).endswith(".mine' is a function, which is not kept")


def test_data_of_a_file_may_be_handed_over_as_arrays(tmp_path: Path) -> None:
    x, y = arrays(48)
    np.savez(tmp_path / "data.npz", x=x.astype(np.float32), y=y)
    run = opgraph.trace(
        NETWORK, str(tmp_path / "data.npz"), output=tmp_path / "run", steps=2, batch_size=16
    )
    (tmp_path / "data.npz").unlink()
    with pytest.raises(DataError, match=r"data\.npz"):
        run.at(2)
    assert run.at(2, data=(x.astype(np.float32), y)).verified
