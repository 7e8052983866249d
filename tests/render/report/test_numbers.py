"""What the page holds, against the Parquet files as pandas reads them."""

import base64

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.record import QUANTITIES
from opgraph.render.report.content import page_content
from opgraph.render.report.picture import Pictures
from opgraph.render.report.thinning import Thinned, make_grid


@pytest.fixture(scope="module")
def content(reported):
    record, analysis = reported
    return page_content(record, analysis, Pictures(analysis))


def find(content, name):
    return next(quantity for quantity in content["quantities"] if quantity["name"] == name)


def rows(content, quantity, part="at"):
    """The numbers of a quantity as the page decodes them: one row a site that moves."""
    ends = content["grids"][quantity["grid"]]["ends"]
    return np.frombuffer(base64.b64decode(quantity[part]), "<f4").reshape(-1, len(ends))


def test_every_number_of_a_short_run_is_there(content, reported):
    record, _ = reported
    weights = pd.read_parquet(record.path / "weight")
    names = [node["name"] for node in content["nodes"]]
    for name in ("grad_norm", "update_ratio", "value_mean"):
        quantity = find(content, f"weight.{name}")
        assert content["grids"][quantity["grid"]] == {"ends": list(range(1, 61)), "width": 1}
        assert len(quantity["sites"]) == 6
        for site in quantity["sites"]:
            mine = weights[(weights.node == names[site["node"]]) & (weights.weight == site["part"])]
            wanted = mine.sort_values("step")[name].to_numpy().astype("f4")
            np.testing.assert_array_equal(rows(content, quantity)[site["row"]], wanted)


def test_what_is_measured_at_some_steps_has_a_grid_of_its_own(content, reported):
    record, _ = reported
    grads = pd.read_parquet(record.path / "output_grad")
    quantity = find(content, "output_grad.rms")
    ends = content["grids"][quantity["grid"]]["ends"]
    assert ends == sorted(set(grads[grads.rms.notna()].step)) == [1, 10, 20, 30, 40, 50, 60]


def test_the_largest_weight_of_a_node_comes_first(content):
    parts = [site["part"] for site in find(content, "weight.grad_norm")["sites"]]
    assert parts == ["kernel", "bias", "gamma", "beta", "kernel", "bias"]


def test_what_never_changes_is_one_number(content):
    for site in find(content, "output.count")["sites"]:
        assert "row" not in site
        assert site["value"] == 16


def test_histograms_are_shares_of_the_recorded_counts(content, reported):
    record, _ = reported
    weights = pd.read_parquet(record.path / "weight")
    names = [node["name"] for node in content["nodes"]]
    found = [one for one in content["histograms"]["all"] if one["name"] == "weight.grad_histogram"]
    assert len(found) == 6
    for one in found:
        mine = weights[(weights.node == names[one["node"]]) & (weights.weight == one["part"])]
        mine = mine[mine.grad_histogram.notna()].sort_values("step")
        assert one["steps"] == mine.step.tolist() == [1, 20, 40, 60]
        counts = np.stack(mine.grad_histogram.to_list()).astype(float)
        shares = counts / counts.sum(axis=1, keepdims=True)
        got = np.frombuffer(base64.b64decode(one["shares"]), "<u2").reshape(4, one["bins"]) / 65535
        stop = one["first"] + one["bins"]
        np.testing.assert_allclose(got, shares[:, one["first"] : stop], atol=2 / 65535)
        assert shares[:, : one["first"]].sum() == shares[:, stop:].sum() == 0


def test_each_quantity_of_the_record_is_in_the_page(content, reported):
    record, _ = reported
    measured = {
        q.full_name for kind in ("output", "weight", "bn") for q in record.survey.quantities(kind)
    }
    scalar = {q.full_name for q in QUANTITIES if not q.vector and q.full_name in measured}
    assert scalar <= {quantity["name"] for quantity in content["quantities"]}


def test_every_panel_has_numbers_and_every_number_of_a_step_a_panel(content):
    panels = {name for _, names in content["panels"] for name in names}
    assert panels == {q["name"] for q in content["quantities"] if q["kind"] == "steps"}


def test_a_value_that_is_no_number_is_counted(made, tmp_path):
    from opgraph.record import open_run
    from opgraph.text import parse

    path = tmp_path / "nan"
    analysis = made.write_run(
        path, parse("a: Input(shape=(4,)) -> fc[units=3]"), 12, measure="norms"
    )
    content = page_content(open_run(path), analysis, Pictures(analysis))
    assert all("bad" not in site for q in content["quantities"] for site in q["sites"])


@given(
    st.lists(st.floats(width=32) | st.none(), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(1, 7),
)
def test_thinning_keeps_the_extremes_and_counts_what_is_no_number(values, points, stretch):
    steps = np.arange(1, len(values) + 1)
    numbers = np.array([np.nan if value is None else value for value in values])
    absent = np.array([value is None for value in values])
    grid = make_grid(steps.tolist(), points)
    thinned = Thinned(grid)
    for start in range(0, len(values), stretch):
        part = slice(start, start + stretch)
        thinned.add(steps[part], numbers[part], absent[part])
    assert len(grid) <= points
    assert grid.ends[-1] == len(values)
    before = 0
    for bucket, end in enumerate(grid.ends):
        mine = [value for value in values[before:end] if value is not None]
        finite = [value for value in mine if np.isfinite(value)]
        assert end - before <= grid.width
        assert thinned.bad[bucket] == len(mine) - len(finite)
        assert thinned.low[bucket] == min(finite, default=np.inf)
        assert thinned.high[bucket] == max(finite, default=-np.inf)
        last = mine[-1] if mine and np.isfinite(mine[-1]) else np.nan
        np.testing.assert_array_equal(thinned.at[bucket], last)
        before = end


def test_a_long_run_is_thinned_and_says_so(made, tmp_path, monkeypatch):
    from opgraph.record import open_run
    from opgraph.render.report import numbers
    from opgraph.text import parse

    path = tmp_path / "long"
    monkeypatch.setattr(numbers, "MOST_POINTS", 50)
    monkeypatch.setattr(numbers, "LEAST_POINTS", 50)
    monkeypatch.setattr(numbers, "STRETCH_ROWS", 90)
    analysis = made.write_run(
        path, parse("a: Input(shape=(4,)) -> fc[units=3]"), 400, measure="norms"
    )
    content = page_content(open_run(path), analysis, Pictures(analysis))
    quantity = find(content, "steps.loss")
    assert content["grids"][quantity["grid"]]["width"] == 8
    losses = pd.read_parquet(path / "steps").sort_values("step").loss.to_numpy().reshape(50, 8)
    np.testing.assert_array_equal(
        rows(content, quantity, "high")[0], losses.max(axis=1).astype("f4")
    )
    np.testing.assert_array_equal(
        rows(content, quantity, "low")[0], losses.min(axis=1).astype("f4")
    )
    np.testing.assert_array_equal(rows(content, quantity)[0], losses[:, -1].astype("f4"))


def test_silent_channels_are_those_that_the_record_calls_inactive(made, tmp_path):
    from opgraph.record import open_run
    from opgraph.render.report.silent import silent_channels
    from opgraph.text import parse

    path = tmp_path / "silent"
    text = "a: Input(shape=(4,)) -> fc[units=3] -> relu: ReLU()"
    made.write_run(path, parse(text), 12, measure=["default", "*.channel_*:every=4"])
    table = pd.read_parquet(path / "output")
    lists = table[table.node.eq("relu") & table.channel_active.notna()].sort_values("step")
    found = silent_channels(open_run(path), range(1, 13), ["relu"])
    assert found.grid.ends.tolist() == lists.step.tolist() == [1, 4, 8, 12]
    wanted = [np.mean(np.asarray(one) == 0) for one in lists.channel_active]
    assert found.series["relu"].at.tolist() == wanted
