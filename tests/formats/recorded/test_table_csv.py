"""Tables as CSV, read back by pandas and by the standard library."""

import csv
import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from opgraph.formats.recorded.table_csv import write_csv


def test_numbers_come_back_to_the_same_bits(tmp_path):
    values = np.random.default_rng(0).normal(size=50_000) * 10.0 ** np.arange(50_000).repeat(1) ** 0
    values[:4] = [np.nan, np.inf, -np.inf, 5e-324]
    table = pa.table({"step": np.arange(50_000), "x": pa.array(values, pa.float64())})
    assert write_csv(tmp_path / "t.csv", table, ["step", "x"]) == 50_000
    frame = pd.read_csv(tmp_path / "t.csv", float_precision="round_trip")
    np.testing.assert_array_equal(frame.x.to_numpy(), values)
    assert frame.step.tolist() == list(range(50_000))


def test_cells(tmp_path):
    table = pa.table({
        "node": pa.array(['a,"b"', None, "卷"]),
        "flag": pa.array([True, False, None]),
        "list": pa.array([[1.5, float("nan")], None, []], pa.list_(pa.float32())),
        "time": pa.array([datetime(2026, 1, 2, 3, 4, 5, 6, UTC), None, None]),
        "x": pa.array([float("nan"), None, 1.0]),
    })  # fmt: skip
    write_csv(tmp_path / "t.csv", table, table.column_names)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [
        ['a,"b"', "true", "[1.5, null]", "2026-01-02T03:04:05.000006+00:00", "nan"],
        ["", "false", "", "", ""],
        ["卷", "", "[]", "", "1.0"],
    ]
    assert json.loads(rows[1][2]) == [1.5, None]


def test_columns_are_chosen(tmp_path):
    table = pa.table({"a": [1], "b": [2], "c": [3]})
    write_csv(tmp_path / "t.csv", table, ["c", "a"])
    assert (tmp_path / "t.csv").read_text() == "c,a\n3,1\n"
