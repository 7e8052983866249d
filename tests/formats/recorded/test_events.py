"""Event files, read back by TensorBoard's own reader."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opgraph.errors import FormatError
from opgraph.formats.recorded.events import EventRow, write_events
from opgraph.record import bin_edges, count_bins

pytest.importorskip("tensorboard")

READER = Path(__file__).with_name("read_events.py")
GRAPH = {
    "nodes": [
        {"name": "x", "op": "Input", "inferred": {"shape": {"value": [4], "reason": "why"}}},
        {"name": "卷积", "op": "Dense", "given": {"units": 3}},
        {"name": "add", "op": "Add"},
    ],
    "edges": [
        {"source": "x", "port": 0, "target": "卷积", "slot": 0},
        {"source": "卷积", "port": 1, "target": "add", "slot": 1},
        {"source": "x", "port": 0, "target": "add", "slot": 0},
    ],
}
PLAIN = {"nodes": [], "edges": []}


def read(folder):
    done = subprocess.run(
        [sys.executable, READER, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_every_number_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        EventRow(step, 1.7e9 + step / 4, {f"n{n}/w.norm": float(v) for n, v in enumerate(values)})
        for step, values in zip(
            (1, 2, 300, 2**40),
            rng.normal(size=(4, 7)) * 10.0 ** rng.integers(-30, 30, (4, 7)),
            strict=True,
        )
    ]
    assert write_events(tmp_path / "events.out.tfevents.1.opgraph", rows, PLAIN, 1.7e9) == 28
    (scalars, _, _, plugins), _ = read(tmp_path)
    expected = {
        tag: [[row.time, row.step, float(np.float32(row.scalars[tag]))] for row in rows]
        for tag in rows[0].scalars
    }
    assert scalars == expected
    assert {plugins[tag] for tag in scalars} == {"scalars"}


def test_numbers_that_float32_cannot_hold(tmp_path):
    values = {"a": float("nan"), "b": float("inf"), "c": -1e300, "d": 1e-300, "e": 2.0**127}
    write_events(tmp_path / "events.out.tfevents.1", [EventRow(1, 0.0, values)], PLAIN, 0.0)
    (scalars, *_), _ = read(tmp_path)
    found = {tag: events[0][2] for tag, events in scalars.items()}
    assert math.isnan(found.pop("a"))
    assert found == {"b": math.inf, "c": -math.inf, "d": 0.0, "e": 2.0**127}


def test_the_graph_is_drawn(tmp_path):
    write_events(tmp_path / "events.out.tfevents.1", [], GRAPH, 0.0)
    (_, nodes, _, _), _ = read(tmp_path)
    assert nodes == [
        ["x", "Input", [], {"shape": "[4]"}],
        ["卷积", "Dense", ["x"], {"units": "3"}],
        ["add", "Add", ["x", "卷积:1"], {}],
    ]


def test_histograms_come_back(tmp_path):
    array = np.concatenate([np.random.default_rng(1).normal(size=500), np.zeros(9), [2.0**30]])
    counts = count_bins(np.concatenate([array, [np.nan, -np.inf]])).tolist()
    rows = [EventRow(7, 0.0, {}, {"fc/h": counts, "none/h": count_bins([]).tolist()})]
    assert write_events(tmp_path / "events.out.tfevents.1", rows, PLAIN, 0.0) == 2
    (_, _, histograms, plugins), _ = read(tmp_path)
    assert plugins["fc/h"] == "histograms"
    (step, buckets), *others = histograms["fc/h"]
    assert (step, others) == (7, [])
    assert sum(count for *_, count in buckets) == len(array), "NaN and Inf have no place"
    edges = set(bin_edges()[1:-1].tolist()) | {2.0**25, -(2.0**25)}
    for left, right, count in buckets:
        assert {left, right} <= edges
        if left == right == 0:
            assert count == 9
        elif right == 2.0**25:
            assert count == 1
        elif right <= 0:
            assert count == ((array > left) & (array <= right) & (array != 0)).sum()
        else:
            assert count == ((array >= left) & (array < right) & (array != 0)).sum()
    assert sum(count for *_, count in histograms["none/h"][0][1]) == 0


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    write_events(path, [EventRow(1, 0.0, {"a": 1.0})], PLAIN, 0.0)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    (scalars, *_), errors = read(tmp_path)
    assert scalars == {}, errors


def test_nothing_is_left_of_a_file_that_failed(tmp_path):
    def rows():
        yield EventRow(1, 0.0, {"a": 1.0})
        raise OSError(28, "No space left on device")

    with pytest.raises(FormatError, match="cannot be written: No space left"):
        write_events(tmp_path / "events.out.tfevents.1", rows(), PLAIN, 0.0)
    assert not list(tmp_path.iterdir())
