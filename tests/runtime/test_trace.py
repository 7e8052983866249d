"""A training from beginning to end: what is written, in which order, and how it may end."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest
from safetensors.numpy import load_file

from opgraph.analysis import analyze
from opgraph.errors import OpgraphError, RunError, TraceError
from opgraph.graph import OpGraph, override
from opgraph.record import Record, open_run
from opgraph.runtime import Recipe, evaluate, pipeline, prepare, restore, resume, trace
from opgraph.runtime.data import Data, batches, take
from opgraph.runtime.state import named_variables, restore_state
from opgraph.text import parse

pytestmark = pytest.mark.tf
GRAPH_JSON = {"nodes": [{"name": "stands for the real thing"}]}
Networks = Callable[[str], OpGraph]


class Heard:
    """Keeps what it is told; may interrupt."""

    def __init__(self, interrupt_at: int | None = None, number: int = signal.SIGINT) -> None:
        self.steps: list[tuple[int, int]] = []
        self.interrupt_at = interrupt_at
        self.number = number

    def on_step(self, step: int, total: int, loss: float, accuracy: float, seconds: float) -> None:
        assert loss > 0
        assert 0 <= accuracy <= 1
        assert seconds > 0
        self.steps.append((step, total))
        if step == self.interrupt_at:
            signal.raise_signal(self.number)


def tiny_trace(path: Path, networks: Networks, data: Data, **settings: Any) -> Record:
    options: dict[str, Any] = {"steps": 20, "batch_size": 16, "learning_rate": 0.05}
    graph = networks("tiny")
    return trace(graph, data, run_dir=path, graph_json=GRAPH_JSON, **options | settings)


@pytest.fixture(scope="module")
def data(making: SimpleNamespace) -> Data:
    return making.blobs(100)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, networks: Networks, data: Data) -> Record:
    """Twenty steps over batches of 16 and a last one of 4, keyframes every 6 steps."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    heard = Heard()
    record = tiny_trace(
        path, networks, data, keyframe_every=6, progress=heard, command="opgraph trace tiny.txt"
    )
    assert heard.steps == [(step, 20) for step in range(1, 21)]
    return record


def test_one_row_a_step_and_site(run: Record, networks: Networks) -> None:
    nodes = len(networks("tiny"))
    assert run.steps["step"].to_pylist() == list(range(1, 21))
    assert run.table("output").num_rows == 20 * nodes
    assert run.table("output_grad").num_rows == 20 * (nodes - 1)
    assert run.table("weight").num_rows == 20 * 4
    assert run.table("bn").num_rows == 0


def test_order_of_the_data_follows_from_the_seed(run: Record, data: Data) -> None:
    steps = run.steps.to_pylist()
    assert [(row["epoch"], row["index"]) for row in steps[:8]] == [
        *((0, index) for index in range(7)),
        (1, 0),
    ]
    assert [row["batch_size"] for row in steps[:8]] == [16] * 6 + [4, 16]
    wanted = [
        f"{batch.fingerprint:016x}"
        for epoch in range(3)
        for batch in batches(data.train, 16, seed=0, epoch=epoch)
    ]
    assert [row["fingerprint"] for row in steps] == wanted[:20]


def test_training_learns(run: Record) -> None:
    losses = run.steps["loss"].to_numpy()
    assert losses[-5:].mean() < losses[:5].mean() / 2
    assert run.info.outcome["test"]["accuracy"] > 0.6


def test_run_says_everything_its_numbers_depend_on(run: Record, data: Data) -> None:
    info = run.info
    assert info.status == "finished"
    assert info.outcome["steps"] == 20
    assert info.command == "opgraph trace tiny.txt"
    assert info.config["total_steps"] == 20
    assert info.config["optimizer_config"]["class_name"] == "Adam"
    assert info.config["objective"][0]["reason"].startswith("'softmax' ends in a softmax")
    assert info.data["class_names"] == ["north", "east", "south", "west"]
    assert info.data["fingerprint"] == data.fingerprint
    sizes = [signature[0]["shape"] for signature in info.batch_signature]
    assert sizes == [[16, 4], [4, 4]]
    assert info.flags["grappler"] == {
        "constant_folding": False,
        "arithmetic_optimization": False,
        "remapping": False,
    }
    assert set(info.versions) == {"opgraph", "python", "tensorflow", "keras", "numpy"}
    assert info.machine["cpu"]
    assert json.loads((run.path / "graph.json").read_text()) == GRAPH_JSON


def test_duckdb_finds_the_largest_update_ratio_in_one_line(run: Record) -> None:
    found = duckdb.sql(
        f"SELECT node FROM '{run.path}/weight/*.parquet' WHERE step = 10"
        " ORDER BY update_ratio DESC LIMIT 1"
    ).fetchall()
    table = run.table("weight", steps=10).to_pylist()
    assert found == [(max(table, key=lambda row: row["update_ratio"] or 0)["node"],)]


def test_keyframes_hold_every_variable(run: Record, networks: Networks, data: Data) -> None:
    assert run.keyframe_steps == [0, 6, 12, 18, 20]
    names = set(load_file(run.path / "keyframes" / "step-000006.safetensors"))
    training = prepare(networks("tiny"), data, Recipe(steps=20, batch_size=16))
    model, optimizer = training.built.model, training.step.core.optimizer
    assert len(names) == len(model.variables) + len(optimizer.variables)
    assert {"model/d/kernel", "model/logits/bias"} < names
    assert sum("seed_generator_state" in name for name in names) == 1
    assert run.keyframe(12).cursor == {"epoch": 1, "index": 5}


def test_as_many_keyframes_are_kept_as_asked_for(
    networks: Networks, data: Data, tmp_path: Path
) -> None:
    record = tiny_trace(tmp_path, networks, data, keyframe_every=2, keep_keyframes=3)
    assert len(record.keyframe_steps) == 3
    assert (record.keyframe_steps[0], record.keyframe_steps[-1]) == (0, 20)


@pytest.mark.parametrize("start", [0, 6, 18])
def test_steps_after_a_keyframe_are_the_same_bits_again(
    run: Record, networks: Networks, data: Data, start: int
) -> None:
    settings: dict[str, Any] = {"steps": 20, "batch_size": 16, "learning_rate": 0.05}
    training = prepare(networks("tiny"), data, Recipe(**settings))
    optimizer = training.step.core.optimizer
    for variable in named_variables(training.built, optimizer).values():
        variable.assign(variable + 1 if "int" not in variable.dtype else variable)
    restore_state(training.built, run.keyframe(start).arrays, optimizer)
    again = list(training.run(start + 1))
    assert [measured.step for measured in again] == list(range(start + 1, 21))
    recorded = run.table("steps", steps=range(start + 1, 21)).to_pylist()
    for measured, row in zip(again, recorded, strict=True):
        assert measured.loss == row["loss"]
        for name in ("fingerprint", "epoch", "index"):
            assert measured.row.host[name] == row[name]
    last = run.keyframe(20).arrays
    for name, variable in named_variables(training.built, optimizer).items():
        assert variable.numpy().tobytes() == last[name].tobytes(), name


def test_same_recipe_gives_the_same_run_and_another_seed_does_not(
    run: Record, networks: Networks, data: Data, tmp_path: Path
) -> None:
    again = tiny_trace(tmp_path / "a", networks, data, keyframe_every=6)
    other = tiny_trace(tmp_path / "b", networks, data, seed=1)
    assert again.table("weight").equals(run.table("weight"))
    assert again.table("output").equals(run.table("output"))
    assert not other.table("weight").equals(run.table("weight"))


def test_learning_rate_goes_down_like_a_cosine(run: Record) -> None:
    rates = run.steps["learning_rate"].to_numpy()
    wanted = 0.05 * 0.5 * (1 + np.cos(np.pi * np.arange(20) / 20))
    assert np.allclose(rates, wanted, rtol=1e-6)


def test_epochs_instead_of_steps(networks: Networks, data: Data, tmp_path: Path) -> None:
    record = tiny_trace(tmp_path, networks, data, steps=None, epochs=2, schedule=None)
    assert record.last_step == 14
    assert record.steps["epoch"].to_pylist() == [0] * 7 + [1] * 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_at_the_step_with_everything_written(
    networks: Networks, data: Data, tmp_path: Path, number: int
) -> None:
    before = signal.getsignal(number)
    record = tiny_trace(tmp_path, networks, data, progress=Heard(7, number), keyframe_every=5)
    assert record.info.status == "interrupted"
    assert record.last_step == 7
    assert record.keyframe_steps == [0, 5, 7]
    assert signal.getsignal(number) is before


def test_the_second_interrupt_ends_at_once(
    networks: Networks, data: Data, tmp_path: Path, same_run: Callable[[Record, Record], None],
    run: Record,
) -> None:  # fmt: skip
    class Twice(Heard):
        def on_step(self, step: int, *rest: Any) -> None:
            super().on_step(step, *rest)
            if step == 8:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tiny_trace(tmp_path, networks, data, keyframe_every=6, progress=Twice())
    record = open_run(tmp_path)
    assert (record.info.status, record.last_step, record.keyframe_steps) == (
        "interrupted",
        8,
        [0, 6],
    )
    same_run(resume(networks("tiny"), data, run_dir=tmp_path), run)


def test_loss_that_is_no_number_ends_the_training_with_the_run_readable(
    networks: Networks, making: SimpleNamespace, tmp_path: Path
) -> None:
    data = making.blobs(64)
    data.train.inputs[0][:] *= np.float32(1e30)
    with pytest.raises(TraceError) as caught:
        tiny_trace(tmp_path, networks, data, optimizer="sgd", learning_rate=1e30)
    record = open_run(tmp_path)
    step = record.last_step
    assert str(caught.value) == (
        f"step {step}: the loss is nan; the first node whose output is not finite is 'd'\n"
        "   try a smaller learning rate; the run holds every step up to this one"
    )
    assert record.info.status == "failed"
    assert record.info.outcome["error"].startswith(f"step {step}: the loss is nan")
    rows = record.table("output", steps=step).to_pylist()
    assert next(row["node"] for row in rows if row["nonfinite"]) == "d"


def test_waiting_for_a_batch_is_told_from_taking_the_step(
    networks: Networks, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def times() -> tuple[float, float]:
        recipe = Recipe(steps=10, batch_size=16, measure=("norms",))
        taken = [row.row.host for row in prepare(networks("tiny"), data, recipe).run()][4:]
        return tuple(float(np.median([x[n] for x in taken])) for n in ("input_time", "step_time"))

    def slowly(*examples: Any) -> Any:
        time.sleep(0.1)
        return take(*examples)

    quick = times()
    monkeypatch.setattr(pipeline, "take", slowly)
    slow = times()
    assert slow[0] > 0.05 > 10 * quick[0]
    assert slow[1] < 0.05


def test_training_may_be_told_to_go_on(
    networks: Networks, making: SimpleNamespace, tmp_path: Path
) -> None:
    data = making.blobs(64)
    data.train.inputs[0][:] *= np.float32(1e30)
    record = tiny_trace(
        tmp_path, networks, data, steps=4, optimizer="sgd", learning_rate=1e30, stop_on_nan=False
    )
    assert record.last_step == 4
    assert np.isnan(record.steps["loss"][-1].as_py())


def test_error_in_the_middle_is_written_down(
    networks: Networks, data: Data, tmp_path: Path
) -> None:
    class Broken:
        def on_step(self, *_: object) -> None:
            raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        tiny_trace(tmp_path, networks, data, progress=Broken())
    record = open_run(tmp_path)
    assert record.info.outcome["error"] == "RuntimeError: the bar broke"
    assert record.last_step == 1


def test_directory_that_holds_a_run_is_refused_before_anything_is_built(
    run: Record, networks: Networks, data: Data
) -> None:
    with pytest.raises(RunError, match="holds a run already"):
        tiny_trace(run.path, networks, data)
    assert open_run(run.path).last_step == 20


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ("logitz*", "sites: no node or weight is called 'logitz*'\n   did you mean 'logits'?"),
        ("d, */gamma", "sites: no node or weight is called '*/gamma'"),
    ],
)
def test_sites_that_there_are_not(
    networks: Networks, data: Data, tmp_path: Path, sites: str, message: str
) -> None:
    with pytest.raises(TraceError) as caught:
        tiny_trace(tmp_path / "run", networks, data, sites=sites)
    assert str(caught.value) == message
    assert not (tmp_path / "run").exists()


def test_data_with_more_classes_than_outputs_are_refused(
    networks: Networks, data: Data, tmp_path: Path
) -> None:
    graph = override(networks("tiny"), [("logits", "units", 3)])
    with pytest.raises(TraceError) as caught:
        trace(graph, data, run_dir=tmp_path / "run", graph_json=GRAPH_JSON)
    assert str(caught.value) == "softmax: has 3 classes to tell apart, the data have 4"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: expected a positive number, received 0"),
        ({"batch_size": -1}, "batch_size: expected a positive number, received -1"),
        ({"steps": 3, "epochs": 2}, "steps: steps and epochs exclude each other"),
        (
            {"learning_rate": float("nan")},
            "learning_rate: expected a positive number, received nan",
        ),
        (
            {"optimizer": "adan"},
            "optimizer: expected one of sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad,"
            " adadelta, adafactor, adamax, nadam, lion, lamb, ftrl, muon, schedule_free_adamw,"
            " received 'adan'\n   did you mean 'adam'?",
        ),
        (
            {"schedule": "cosin"},
            "schedule: expected one of constant, cosine, cosine_restarts, exponential,"
            " inverse_time, linear, piecewise, polynomial, step, plateau, received 'cosin'\n"
            "   did you mean 'cosine'?",
        ),
    ],
)
def test_wrong_setting_is_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OpgraphError) as caught:
        Recipe(**settings).make_optimizer(10)
    assert str(caught.value) == message


def test_model_of_a_step_comes_back(run: Record, networks: Networks, data: Data) -> None:
    model = restore(run.path, networks("tiny"))
    tested = evaluate(model, data.test)
    assert tested.accuracy == run.info.outcome["test"]["accuracy"]
    first = restore(run.path, networks("tiny"), 0)
    assert evaluate(first, data.test).accuracy < tested.accuracy
    with pytest.raises(RunError) as caught:
        restore(run.path, networks("tiny"), 7)
    assert str(caught.value) == (
        f"{run.path}: step 7 has no keyframe; those that have one: 0, 6, 12, 18, 20\n"
        "   record with a smaller keyframe interval to have more of them"
    )


def test_keyframe_of_another_network_is_refused(run: Record, networks: Networks) -> None:
    with pytest.raises(RunError) as caught:
        restore(run.path, networks("binary"))
    assert str(caught.value) == (
        "the keyframe does not fit the model: 7 variables differ, first"
        " 'model/#0002/seed_generator_state'\n   was the graph or the optimizer changed since?"
    )


@pytest.mark.slow
def test_sample_learns_the_digits(tmp_path: Path) -> None:
    from opgraph.runtime.data import load
    from opgraph.text import read_source

    sample = Path(__file__).parents[2] / "sample_graphs" / "cnn.txt"
    graph = parse(read_source(sample), "cnn")
    graph = analyze(override(graph, [("batch_norm*", "momentum", 0.9)])).require().graph
    digits = load("digits", [("input_layer", (32, 32, 3), None)], num_classes=10)
    record = trace(graph, digits, run_dir=tmp_path, graph_json=GRAPH_JSON, steps=300)
    assert record.info.outcome["test"]["accuracy"] >= 0.95
    assert record.info.outcome["seconds"] < 120
    counted = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/steps/*.parquet'").fetchall()
    assert counted == [(300,)]
