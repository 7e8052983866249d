"""The handle of a recorded training, and the verbs that train."""

import json

import numpy as np
import pandas as pd
import pytest

import opgraph
from opgraph.errors import DataError, RunError, ShapeError

pytestmark = pytest.mark.tf

TEXT = (
    "image: Input(shape=(8,8,1)) -> conv[filters=8] -> bn[momentum=0.8] -> relu -> max_pool"
    " -> flatten -> drop: Dropout(rate=0.1) -> fc -> softmax"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "small"
    return opgraph.trace(TEXT, "digits", output=path, steps=60, learning_rate=0.01)


def test_steps_and_tables(run):
    assert run.steps.num_rows == 60
    assert run.steps.column("loss").to_pylist()[-1] < run.steps.column("loss").to_pylist()[0]
    weights = run.table("weight", nodes="conv")
    assert set(weights.column("weight").to_pylist()) == {"kernel", "bias"}
    assert run.table("output", steps=range(1, 4)).num_rows == 3 * 9


def test_the_tables_need_no_opgraph(run):
    frame = pd.read_parquet(run.path / "weight")
    one = frame[(frame.node == "conv") & (frame.weight == "kernel") & (frame.step == 7)].iloc[0]
    assert one.update_ratio == pytest.approx(one.update_norm / one.value_norm, rel=1e-12)


def test_draw_writes_numbers_of_the_run_into_the_picture(run, tmp_path):
    svg = run.draw(tmp_path / "x.svg", annotate="grad_norm", color_by="update_ratio", step=7)
    assert (tmp_path / "x.svg").read_text(encoding="utf-8") == svg
    frame = pd.read_parquet(run.path / "weight")
    for one in frame[frame.step == 7].itertuples():
        assert f"grad_norm {one.weight} (step 7): {one.grad_norm!r}" in svg
        assert f"{one.grad_norm:#.3g}".rstrip(".") in svg or one.grad_norm < 1e-3
    assert "step 7" in svg
    assert "around 0.001" in svg


def test_a_ratio_is_coloured_by_the_largest_weight_of_a_node(run):
    from opgraph.render import make_notes

    notes = make_notes(run.graph.analyze(), color_by="update_ratio", record=run.record, step=7)
    frame = pd.read_parquet(run.path / "weight").query("step == 7 and node == 'conv'")
    ratios = frame.set_index("weight").update_ratio
    assert notes.colour.number(["conv"]) == ratios.kernel != ratios.bias


def test_draw_on_the_command_line_draws_the_graph_of_the_run(run, tmp_path, capsys):
    from opgraph.cli import main

    target = tmp_path / "x.svg"
    words = ["draw", "--run", str(run.path), "-o", str(target), "--color-by", "grad_norm"]
    assert main([*words, "--reduce", "mean"]) == 0
    assert f"({len(run.graph)} nodes)" in capsys.readouterr().err
    assert "mean over steps 1 to 60" in target.read_text(encoding="utf-8")
    assert main([*words, "--step", "7", "--reduce", "mean"]) == 2
    assert "a single step has nothing to reduce" in capsys.readouterr().err
    assert main([*words, "--step", "61"]) == 2
    assert "expected a step from 1 to 60, received 61" in capsys.readouterr().err


def test_the_classes_come_from_the_data(run):
    fc = run.graph.inner["fc"]
    assert fc.op.units == 10
    assert fc.inferred["units"].reason == "the last dense layer: one output a class"


def test_model_is_the_trained_one(run):
    model = run.model()
    kernel = run.table("weight", nodes="fc", steps=60).to_pylist()
    before = next(row for row in kernel if row["weight"] == "kernel")["value_norm"]
    layer = next(x for x in model.layers if opgraph.node_names(model)[x.name] == "fc")
    now = float(np.linalg.norm(np.asarray(layer.kernel, dtype=np.float64)))
    assert now == pytest.approx(before, rel=1e-3), "one step away from the last recorded value"
    assert now != before


def test_model_of_an_earlier_step(run):
    first, last = run.model(0), run.model()
    assert run.keyframes[0] == 0
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(first.get_weights(), last.get_weights(), strict=True)
    )
    with pytest.raises(RunError, match="0, "):
        run.model(1)


def test_evaluate_agrees_with_the_recorded_test(run):
    result = run.evaluate()
    recorded = run.config["outcome"]["test"]
    assert result.accuracy == recorded["accuracy"]
    assert result.loss == pytest.approx(recorded["loss"], rel=1e-6)
    assert result.confusion.sum() == result.size == 450


def test_evaluate_agrees_with_numpy(run):
    from opgraph.api.data import prepare

    _, data = prepare(run.graph, "digits")
    answers = run.model().predict(data.test.inputs[0], verbose=0)
    right = (answers.argmax(axis=1) == data.test.labels[0]).mean()
    assert run.evaluate().accuracy == pytest.approx(right)


def test_predict_reads_images(run, tmp_path):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for index in range(5):
        pixels = (digits.images[index] / 16 * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    result = run.predict([tmp_path / f"{index}.png" for index in range(5)])
    assert result.probabilities.shape == (5, 10)
    assert result.probabilities.sum(axis=1) == pytest.approx(np.ones(5), rel=1e-5)
    direct = run.model().predict((digits.images[:5] / 16)[..., None], verbose=0)
    assert result.probabilities == pytest.approx(direct, abs=0.02), "8-bit pixels round a little"


def test_predict_names_a_file_that_is_no_image(run, tmp_path):
    (tmp_path / "x.png").write_text("no image")
    with pytest.raises(DataError, match=r"x\.png"):
        run.predict([tmp_path / "x.png"])


def test_the_run_directory_holds_picture_and_configuration(run):
    assert (run.path / "graph.svg").read_text(encoding="utf-8").startswith("<")
    config = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    assert config["status"] == "finished"
    assert config["data"]["spec"] == "digits"
    assert config["versions"]["tensorflow"]


def test_a_run_is_not_replaced_unasked(run):
    with pytest.raises(RunError):
        opgraph.trace(TEXT, output=run.path, steps=1)
    assert run.steps.num_rows == 60


def test_a_wrong_graph_writes_nothing(tmp_path):
    with pytest.raises(ShapeError):
        opgraph.trace("x: Input(shape=(8,8,1)) -> conv1d -> fc", output=tmp_path / "r", steps=1)
    assert not (tmp_path / "r").exists()


def test_dry_run_writes_nothing_and_counts_sites(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = opgraph.dry_run(TEXT, "digits", steps=5)
    assert plan.sites["output"] == 9
    assert plan.sites["weight"] == 6
    assert plan.sites["bn"] == 1
    assert not list(tmp_path.iterdir())


def test_open_run_names_a_folder_without_one(tmp_path):
    with pytest.raises(RunError, match="no run is recorded here"):
        opgraph.open_run(tmp_path)


def test_build_and_from_keras_agree():
    model = opgraph.build(TEXT, seed=3)
    again = opgraph.from_keras(model)
    assert again.analyze().totals == opgraph.read(TEXT).analyze().totals
    assert opgraph.build(TEXT, seed=3).count_params() == model.count_params()
    twin = opgraph.build(TEXT, seed=3)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
