"""A run in formats of other tools, against its Parquet files as pandas reads them."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from opgraph.api import Run
from opgraph.api.exporting import export_run
from opgraph.errors import FormatError, RunError

TESTS = Path(__file__).parents[1]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recorded = load(TESTS / "render" / "curves" / "recorded.py")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(recorded.write_run(tmp_path_factory.mktemp("exporting") / "run"))


def read_csv(path):
    return pd.read_csv(path, float_precision="round_trip", keep_default_na=True)


def test_csv_has_every_table_and_number(run, tmp_path):
    done = export_run(run, "csv", tmp_path / "out")
    assert {path.stem for path in done.paths} == {
        "steps", "output", "output_grad", "weight", "slot"}  # fmt: skip
    assert done.left_out == ("bn: no rows", "dropout: no rows")
    compared = 0
    for path in done.paths:
        stored = pd.read_parquet(run.path / path.stem)
        found = read_csv(path)
        assert found.columns.tolist() == stored.columns.tolist()
        assert len(found) == len(stored)
        for column in stored.select_dtypes("number"):
            np.testing.assert_array_equal(
                found[column].to_numpy(float), stored[column].to_numpy(float)
            )
            compared += len(stored)
    assert 0 < compared < done.numbers
    lists = pd.read_parquet(run.path / "weight").grad_histogram
    cells = read_csv(tmp_path / "out" / "weight.csv").grad_histogram
    assert [json.loads(cell) for cell in cells.dropna()] == [list(row) for row in lists.dropna()]
    assert cells.isna().tolist() == lists.isna().tolist()


def test_csv_of_some_quantities_nodes_and_steps(run, tmp_path):
    done = export_run(
        run, "csv", tmp_path, what=["loss", "grad_norm"], node="fc", steps=range(2, 5)
    )
    assert {path.name for path in done.paths} == {"steps.csv", "weight.csv"}
    assert read_csv(tmp_path / "steps.csv").columns.tolist() == ["step", "loss"]
    weights = read_csv(tmp_path / "weight.csv")
    assert weights.columns.tolist() == ["step", "node", "weight", "connected", "grad_norm"]
    assert weights.step.tolist() == [2, 2, 3, 3, 4, 4]
    assert set(weights.node) == {"fc"}


def read_events(folder):
    reader = TESTS / "formats" / "recorded" / "read_events.py"
    done = subprocess.run([sys.executable, reader, folder], capture_output=True, check=True)
    return json.loads(done.stdout)


def test_tensorboard_reads_every_number(run, tmp_path):
    pytest.importorskip("tensorboard")
    done = export_run(run, "tensorboard", tmp_path / "logs")
    scalars, nodes, histograms, _ = read_events(tmp_path / "logs")
    assert [node[0] for node in nodes] == ["x", "conv", "lstm", "fc"]
    expected = {}
    for kind in ("steps", "output", "output_grad", "weight", "slot"):
        table = pq.read_table(run.path / kind)
        keys = [name for name in ("node", "weight", "slot") if name in table.column_names]
        types = zip(table.column_names, map(str, table.schema.types), strict=True)
        numbers = [n for n, t in types if t in ("double", "int64") and n not in ("step", "port")]
        for row in table.to_pylist():
            port = f":{row['port']}" if row.get("port") else ""
            site = "/".join(row[key] for key in keys) + port if keys else "run"
            for name in numbers:
                if row[name] is not None:
                    tag = f"{site}/{name}" if kind == "steps" else f"{site}/{kind}.{name}"
                    expected.setdefault(tag, []).append((row["step"], np.float32(row[name])))
    assert set(scalars) == set(expected)
    for tag, rows in expected.items():
        found = [(step, value) for _, step, value in scalars[tag]]
        np.testing.assert_array_equal(np.array(found), np.array(rows, dtype=float), err_msg=tag)
    assert scalars["run/loss"][0][0] == 1_700_000_001.0, "the time of the step"
    kernel = histograms["fc/kernel/weight.update_histogram"]
    assert [step for step, _ in kernel] == [1, 4, 8, 12]
    assert all(sum(bucket[2] for bucket in buckets) == 50 for _, buckets in kernel)
    assert done.numbers == sum(map(len, expected.values())) + sum(map(len, histograms.values()))


def test_tensorboard_of_some_quantities(run, tmp_path):
    pytest.importorskip("tensorboard")
    export_run(run, "tensorboard", tmp_path, what="grad_norm", node="*/bias", steps=range(2, 4))
    scalars, _, histograms, _ = read_events(tmp_path)
    assert list(scalars) == ["fc/bias/weight.grad_norm"]
    assert [step for _, step, _ in scalars["fc/bias/weight.grad_norm"]] == [2, 3]
    assert histograms == {}


def test_exporting_again_replaces_the_file(run, tmp_path):
    first = export_run(run, "tensorboard", tmp_path).paths[0].read_bytes()
    assert export_run(run, "tensorboard", tmp_path).paths[0].read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 1


def test_netron_has_the_numbers_of_a_step(run, tmp_path):
    done = export_run(run, "netron", tmp_path / "x.json", step=5)
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert {"kind": "model", "target": "", "name": "step", "value": 5} in data["metadata"]
    weights = pd.read_parquet(run.path / "weight")
    row = weights[(weights.step == 5) & (weights.node == "fc") & (weights.weight == "bias")]
    found = {(m["kind"], m["target"], m["name"]): m["value"] for m in data["metrics"]}
    assert found["node", "fc", "bias weight.update_ratio"] == row.update_ratio.item()
    assert found["tensor", "fc/bias", "weight.grad_norm"] == row.grad_norm.item()
    outputs = pd.read_parquet(run.path / "output")
    port = outputs[(outputs.step == 5) & (outputs.node == "lstm") & (outputs.port == 1)]
    assert found["node", "lstm", "1 output.rms"] == port.rms.item()
    assert {target for kind, target, _ in found if kind == "node"} == {"x", "conv", "lstm", "fc"}
    assert done.numbers == sum(kind != "tensor" for kind, *_ in found)


def test_netron_takes_the_last_step_when_none_is_said(run, tmp_path):
    export_run(run, "netron", tmp_path / "x.json", what="loss")
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert data["metrics"] == [
        {"kind": "model", "target": "", "name": "loss", "value": run.steps["loss"][11].as_py()}
    ]


def test_model_explorer_has_one_number_a_node(run, tmp_path):
    export_run(run, "model-explorer", tmp_path / "x.json", step=3)
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert list(data) == ["tiny"]
    assert data["tiny"]["name"] == "weight.grad_norm at step 3"
    weights = pd.read_parquet(run.path / "weight")
    largest = weights[weights.step == 3].groupby("node").grad_norm.max()
    assert data["tiny"]["results"] == {n: {"value": v} for n, v in largest.items()}


def test_model_explorer_of_several_quantities_is_a_folder(run, tmp_path):
    words = ["output.rms", "update_ratio"]
    done = export_run(run, "model-explorer", tmp_path / "o", what=words, graph_id="main")
    assert [path.name for path in done.paths] == ["output.rms.json", "weight.update_ratio.json"]
    assert "main" in json.loads(done.paths[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize(("to", "output", "options", "message"), [
    ("cvs", "x", {}, "no format is called 'cvs'\n   did you mean 'csv'?"),
    ("zip", "x", {}, "no format is called 'zip'\n"
                     "   there are: csv, tensorboard, netron, model-explorer"),
    ("csv", "file", {}, "{out}: is a file; a folder is needed"),
    ("tensorboard", "file", {}, "{out}: is a file; a folder is needed"),
    ("csv", "x", {"node": "fcc"}, "{run}: no node matches 'fcc'\n   did you mean 'fc'?"),
    ("tensorboard", "x", {"node": "fcc", "what": "grad_norm"},
     "{run}: nothing was measured of 'fcc'\n   opgraph curves RUN --list shows what there is"),
    ("csv", "x", {"step": 3}, "csv takes steps, not step\n   use --steps"),
    ("netron", "x.json", {"steps": range(1, 3)}, "netron takes step, not steps\n   use --step"),
    ("netron", "x.txt", {}, "{out}: the file must end in .json, or the viewer does not take it"),
    ("netron", "x.json", {"step": 13}, "{run}: step 13 is not recorded; there are 1 to 12"),
    ("netron", "x.json", {"what": "los"}, "no quantity is called 'los'\n   did you mean 'loss'?"),
    ("model-explorer", "x.json", {"what": ["rms", "loss"]},
     "{out}: holds one quantity a file; name a folder for several"),
    ("model-explorer", "x.json", {"what": "loss"},
     "loss: belongs to the whole run, not to a node"),
    ("csv", "file/x", {}, "{out}/steps.csv: cannot be written: Not a directory")])  # fmt: skip
def test_what_cannot_be_exported(run, tmp_path, to, output, options, message):
    (tmp_path / "file").write_text("kept")
    with pytest.raises((FormatError, RunError)) as caught:
        export_run(run, to, tmp_path / output, **options)
    expected = message.format(out=tmp_path / output, run=run.path)
    assert str(caught.value).replace("output.csv", "steps.csv") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_run_without_steps(tmp_path):
    empty = Run(recorded.write_run(tmp_path / "empty", steps=0))
    with pytest.raises(RunError) as caught:
        export_run(empty, "csv", tmp_path / "out")
    message = "no step is recorded yet\n   is the training under way?"
    assert str(caught.value) == f"{tmp_path / 'empty'}: {message}"
    assert not (tmp_path / "out").exists()
