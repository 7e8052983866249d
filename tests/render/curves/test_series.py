"""Quantities of a run by name, against the Parquet files as pandas reads them."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from opgraph.errors import RunError
from opgraph.record import open_run
from opgraph.render.curves.series import catalogue, find_quantity, read_lists, read_series, value_at


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recorded = load("recorded")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return recorded.write_run(tmp_path_factory.mktemp("series") / "run")


@pytest.fixture(scope="module")
def record(run):
    return open_run(run)


@pytest.fixture(scope="module")
def known(record):
    return catalogue(record)


def series_of(record, word, **options):
    quantity = find_quantity(word, catalogue(record))
    return {series.name: series for series in read_series(record, quantity, **options)}


@pytest.mark.parametrize("word", ["weight.grad_norm", "weight.update_ratio", "output.rms",
                                  "slot.norm", "output_grad.zero_fraction"])  # fmt: skip
def test_values_are_those_of_the_files(run, record, word):
    kind, column = word.split(".")
    frame = pd.read_parquet(run / kind)
    found = series_of(record, word)
    assert found
    for series in found.values():
        rows = frame[frame.node == series.node]
        for name in ("weight", "slot"):
            if name in frame and "/" in series.name:
                rows = rows[[part in series.name.split("/") for part in rows[name]]]
        if "port" in frame:
            rows = rows[rows.port == (1 if series.name.endswith(":1") else 0)]
        assert series.steps.tolist() == rows.step.tolist()
        np.testing.assert_array_equal(series.values, rows[column].to_numpy())


def test_names_say_weight_port_and_slot(record):
    assert list(series_of(record, "weight.grad_norm")) == ["conv/kernel", "fc/kernel", "fc/bias"]
    assert list(series_of(record, "output.rms")) == ["x", "conv", "lstm", "lstm:1"]
    assert list(series_of(record, "slot.norm")) == ["fc/kernel/momentum"]
    assert list(series_of(record, "loss")) == [""]


def test_metrics_of_the_run_are_found(known):
    assert find_quantity("accuracy", known).full_name == "steps.accuracy"
    assert "steps.time" not in known
    assert "steps.fingerprint" not in known
    assert "output.histogram" not in known


def test_what_has_no_gradient_is_left_out(record):
    assert list(series_of(record, "output_grad.norm")) == ["conv"]


def test_steps_at_which_nothing_was_due_are_no_gaps(record):
    assert series_of(record, "output.max")["conv"].steps.tolist() == [1, 5, 10]


def test_nan_is_a_value_and_null_is_none(record):
    loss = series_of(record, "loss")[""]
    assert loss.nonfinite == 2
    assert not loss.absent.any()
    assert loss.last == loss.values[-1]
    assert loss.max == loss.values[0]
    data = loss.as_dict()
    assert data["values"][recorded.NAN_STEP - 1] == "nan"
    assert data["values"][recorded.INF_STEP - 1] == "inf"
    json.dumps(data, allow_nan=False)


def test_no_value_is_not_counted_as_nan(record):
    loss = series_of(record, "loss")[""]
    gone = replace(loss, absent=np.isnan(loss.values))
    assert gone.nonfinite == 1
    assert gone.as_dict()["values"][recorded.NAN_STEP - 1] is None


def test_steps_with_nonfinite_elements_are_tainted(record):
    found = series_of(record, "weight.grad_norm")
    assert found["fc/kernel"].steps[found["fc/kernel"].tainted].tolist() == [recorded.TAINTED_STEP]
    assert not found["fc/bias"].tainted.any()
    assert not series_of(record, "weight.value_norm")["fc/kernel"].tainted.any()


def test_figures(record):
    series = series_of(record, "weight.grad_norm")["fc/bias"]
    frame = pd.read_parquet(record.path / "weight")
    column = frame[(frame.node == "fc") & (frame.weight == "bias")].grad_norm
    assert series.median == column.median()
    assert (series.min, series.max) == (column.min(), column.max())
    assert (series.first, series.last) == (column.iloc[0], column.iloc[-1])
    assert value_at(series, 3) == column.iloc[2]
    assert value_at(series, 99) is None


@pytest.mark.parametrize(("glob", "names"), [
    ("fc", ["fc/kernel", "fc/bias"]), ("*/kernel", ["conv/kernel", "fc/kernel"]),
    ("conv,fc/bias", ["conv/kernel", "fc/bias"])])  # fmt: skip
def test_globs_match_nodes_and_weights(record, glob, names):
    assert list(series_of(record, "weight.grad_norm", nodes=glob)) == names


def test_a_range_of_steps(record):
    found = series_of(record, "loss", steps=range(3, 6))
    assert found[""].steps.tolist() == [3, 4, 5]


def test_histograms_are_those_that_were_counted(record):
    quantity = next(q for q in record.survey.quantities("weight") if q.name == "grad_histogram")
    found = list(read_lists(record, quantity, nodes="fc/bias"))
    assert [(name, step) for name, step, _ in found] == [
        ("fc/bias", 1), ("fc/bias", 4), ("fc/bias", 8), ("fc/bias", 12)]  # fmt: skip
    assert all(sum(counts) == 50 for _, _, counts in found)


@pytest.mark.parametrize(("word", "message"), [
    ("rms", "'rms' can be output.rms or output_grad.rms or slot.rms\n   write the name in full"),
    ("grad_norms", "no quantity is called 'grad_norms'\n   did you mean 'grad_norm'?"),
    ("zzz", "no quantity is called 'zzz'\n   opgraph curves RUN --list shows them all"),
    ("grad_norm", "'grad_norm' can be steps.grad_norm or weight.grad_norm\n"
                  "   write the name in full")])  # fmt: skip
def test_names_that_do_not_say_one_quantity(known, word, message):
    with pytest.raises(RunError) as caught:
        find_quantity(word, known)
    assert str(caught.value) == message


def test_with_nodes_the_quantity_of_nodes_is_meant(known):
    assert find_quantity("grad_norm", known, of_nodes=True).full_name == "weight.grad_norm"


@pytest.mark.parametrize(("options", "message"), [
    ({"nodes": "fcc"}, "no node matches 'fcc'\n   did you mean 'fc'?"),
    ({"nodes": "zzzz*"}, "no node matches 'zzzz*'\n   nodes here: conv, fc")])  # fmt: skip
def test_nothing_there(record, options, message):
    with pytest.raises(RunError) as caught:
        series_of(record, "weight.grad_norm", **options)
    assert str(caught.value) == f"{record.path}, weight.grad_norm: {message}"


def test_steps_beyond_the_last(record):
    assert series_of(record, "loss", steps=range(11, 2**62))[""].steps.tolist() == [11, 12]
    with pytest.raises(RunError) as caught:
        series_of(record, "loss", steps=range(50, 2**62))
    message = "no step from 50 on is recorded; the last is 12"
    assert str(caught.value) == f"{record.path}: {message}"


def test_what_was_not_measured(record):
    with pytest.raises(RunError) as caught:
        series_of(record, "loss_scale")
    hint = "opgraph curves RUN --list shows what there is"
    assert str(caught.value) == f"{record.path}, steps.loss_scale: nothing was measured\n   {hint}"


def test_a_run_without_steps(tmp_path):
    record = open_run(recorded.write_run(tmp_path / "empty", steps=0))
    with pytest.raises(RunError) as caught:
        series_of(record, "loss")
    assert str(caught.value) == (
        f"{tmp_path / 'empty'}: no step is recorded yet\n   is the training under way?"
    )
