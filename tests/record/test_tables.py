"""Rows of a run: which step, which site, what is null and what is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from opgraph.record import SiteKind, make_tables, quantities
from opgraph.record.tables import layout_of, sites_table


def tables(making: SimpleNamespace, change: dict[str, float] | None = None) -> dict[SiteKind, Any]:
    packed = np.stack([making.packed(making.layout, step) for step in (1, 2, 3)])
    for entry in making.layout.entries:
        if f"{entry.site.node}.{entry.site.weight}.{entry.moment}" in (change or {}):
            packed[:, entry.start] = change[f"{entry.site.node}.{entry.site.weight}.{entry.moment}"]
    host = [making.host(step) for step in (1, 2, 3)]
    columns = {name: [row[name] for row in host] for name in host[0]}
    return make_tables(making.layout, packed, columns, vectors_every=2)


def test_rows_are_steps_times_sites(making: SimpleNamespace) -> None:
    found = tables(making)
    assert {kind: table.num_rows for kind, table in found.items()} == {
        "steps": 3,
        "output": 9,
        "output_grad": 6,
        "weight": 9,
        "bn": 6,
    }
    assert found["output"]["step"].to_pylist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert found["output"]["node"].to_pylist()[:3] == ["x", "lstm", "lstm"]
    assert found["output"]["port"].to_pylist()[:3] == [0, 0, 1]


def test_columns_are_those_of_the_table_of_quantities(making: SimpleNamespace) -> None:
    for kind, table in tables(making).items():
        names = [quantity.name for quantity in quantities(kind)]
        assert table.column_names[-len(names) :] == names


def test_gradient_that_does_not_exist_is_null_and_not_zero(making: SimpleNamespace) -> None:
    grads = tables(making)["output_grad"].to_pylist()
    assert [row["connected"] for row in grads[:2]] == [True, False]
    assert grads[1] == {
        "step": 1,
        "node": "lstm",
        "port": 1,
        "connected": False,
        "norm": None,
        "rms": None,
        "nonfinite": None,
        "count": None,
    }
    lost = tables(making)["weight"].to_pylist()[2]
    assert (lost["node"], lost["connected"], lost["grad_norm"]) == ("lost", False, None)
    assert lost["grad_nonfinite"] is None
    assert lost["update_norm"] > 0


def test_update_ratio_of_a_weight_that_is_all_zero_is_null(making: SimpleNamespace) -> None:
    rows = tables(making, {"fc.bias.value_sumsq": 0.0})["weight"].to_pylist()
    assert rows[1]["weight"] == "bias"
    assert rows[1]["update_ratio"] is None
    assert rows[1]["value_norm"] == 0.0
    assert rows[0]["update_ratio"] > 0


def test_nan_is_not_null(making: SimpleNamespace) -> None:
    rows = tables(making, {"x..nonfinite": 8.0, "x..sumsq": np.nan})["output"]
    assert np.isnan(rows["mean"].to_pylist()[0])
    assert np.isnan(rows["rms"].to_pylist()[0])
    assert rows["nonfinite"].to_pylist()[0] == 8
    assert rows["mean"].null_count == 0


def test_channel_vectors_are_written_on_their_schedule(making: SimpleNamespace) -> None:
    found = tables(making)["bn"]
    vectors = found["moving_mean_channels"].to_pylist()
    assert [None if v is None else len(v) for v in vectors] == [None, None, 3, 2, None, None]
    scalar = found["moving_mean"].to_pylist()[2]
    assert np.isclose(np.mean(vectors[2]), scalar, rtol=1e-6)


def test_host_columns_keep_their_types(making: SimpleNamespace) -> None:
    steps = tables(making)["steps"]
    assert steps.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert steps["fingerprint"].to_pylist()[0] == "0000000000000001"
    assert steps["epoch"].to_pylist() == [0, 0, 0]
    assert steps["accuracy"].to_pylist() == [0.25, 0.25, 0.25]


def test_sites_come_back_from_their_table(making: SimpleNamespace) -> None:
    assert layout_of(sites_table(making.layout)) == making.layout
