"""Reading a run: with opgraph, and with DuckDB, pandas or polars alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from opgraph.errors import RunError
from opgraph.record import KINDS, open_run


@pytest.fixture
def finished(synthetic: Any, tmp_path: Path) -> Path:
    """A finished run of five steps in parts of three."""
    path: Path = synthetic.write_run(tmp_path / "run", 5)
    return path


def test_table_selects_nodes_and_steps(finished: Path) -> None:
    run = open_run(finished)
    rows = run.table("output", nodes="lst*", steps=range(2, 4)).to_pylist()
    assert [(row["step"], row["node"], row["port"]) for row in rows] == [
        (2, "lstm", 1),
        (3, "lstm", 1),
    ]
    assert run.table("bn", steps=4)["node"].to_pylist() == ["norm"]
    assert run.table("steps", steps=range(1, 99))["step"].to_pylist() == [1, 2, 3, 4, 5]
    assert run.table("steps", steps=[5, 1])["step"].to_pylist() == [1, 5]
    assert repr(run) == f"Record({str(finished)!r}, 5 steps, finished)"


def test_graph_and_survey_come_back(synthetic: Any, finished: Path) -> None:
    run = open_run(finished)
    assert run.graph == synthetic.GRAPH
    assert run.survey == synthetic.SURVEY
    assert run.info == synthetic.make_info().ended("finished", steps=5)


QUESTION = "which node had the largest update/weight ratio at step 5?"


def test_duckdb_alone_answers_a_question(finished: Path) -> None:
    sql = (
        f"SELECT node, weight, update_ratio FROM '{finished}/weight/*.parquet'"
        " WHERE step = 5 ORDER BY update_ratio DESC LIMIT 1"
    )
    found = duckdb.sql(sql).fetchall()
    rows = [row for row in open_run(finished).table("weight").to_pylist() if row["step"] == 5]
    largest = max(rows, key=lambda row: row["update_ratio"])
    assert found == [(largest["node"], largest["weight"], largest["update_ratio"])], QUESTION


def test_pandas_alone_reads_all_parts_of_a_table(finished: Path) -> None:
    frame = pd.read_parquet(finished / "output_grad")
    assert len(frame) == 10
    assert frame.groupby("connected")["norm"].count().to_dict() == {False: 0, True: 5}


def test_polars_alone_reads_all_parts_of_a_table(finished: Path) -> None:
    frame = pl.read_parquet(finished / "output_grad" / "*.parquet")
    assert frame.filter(pl.col("connected"))["norm"].null_count() == 0
    assert frame.filter(~pl.col("connected"))["norm"].null_count() == 5


def test_all_readers_see_the_same_numbers(finished: Path) -> None:
    for kind in KINDS:
        table = open_run(finished).table(kind)
        if not table.num_rows:
            continue
        floats = [name for name in table.column_names if str(table[name].type) == "double"]
        expected = table.select(floats).to_pandas().to_numpy()
        files = finished / kind / "*.parquet"
        by_duckdb = duckdb.sql(f"SELECT * FROM '{files}' ORDER BY filename").df()[floats]
        by_pandas = pd.read_parquet(finished / kind)[floats]
        by_polars = pl.read_parquet(files).select(floats)
        for found in (by_duckdb, by_pandas, by_polars):
            np.testing.assert_array_equal(found.to_numpy(), expected)


def test_run_without_a_part_has_tables_without_rows(synthetic: Any, tmp_path: Path) -> None:
    synthetic.begin(tmp_path)
    run = open_run(tmp_path)
    assert run.last_step == 0
    assert run.parts("weight") == []
    assert run.table("weight").num_rows == 0
    assert "update_ratio" in run.table("weight").column_names
    assert "accuracy" in run.steps.column_names


def test_table_without_rows_has_the_columns_of_one_with_rows(
    synthetic: Any, tmp_path: Path, finished: Path
) -> None:
    synthetic.begin(tmp_path / "empty")
    for kind in KINDS:
        empty, full = (open_run(p).table(kind) for p in (tmp_path / "empty", finished))
        assert empty.schema == full.schema, kind


def test_missing_run_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/run.json: no run is recorded here\n"
        "   opgraph trace FILE --data digits -o DIRECTORY records one"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "{}/run.json: damaged: Expecting property name enclosed in double quotes:"),
        ("[]", "{}/run.json: damaged: not a JSON object"),
        ("{}", "{}/run.json: is not a run of opgraph"),
        (
            '{"opgraph_run": 1}',
            "{}/run.json: damaged: batch_signature, command, config, created, data,",
        ),
        (
            '{"opgraph_run": 2}',
            "{}/run.json: damaged: batch_signature, command, config, created, data, dtype_policy,"
            " flags, graph_fingerprint, machine, measure, outcome, replayable, replayable_reason,"
            " resumptions, seed, statistics, status, threads, versions missing",
        ),
        ("[" * 100_000, "{}/run.json: damaged: "),
    ],
)
def test_damaged_run_json_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    assert str(caught.value).startswith(message.replace("{}/", f"{tmp_path}/"))


def test_lost_files_are_named(finished: Path) -> None:
    (finished / "sites.parquet").unlink()
    (finished / "graph.json").unlink()
    with pytest.raises(RunError) as caught:
        _ = open_run(finished).survey
    assert str(caught.value) == f"{finished}/sites.parquet: missing from the run"
    with pytest.raises(RunError, match="the run has lost its graph"):
        _ = open_run(finished).graph


def test_unknown_table_and_node_get_a_suggestion(finished: Path) -> None:
    run = open_run(finished)
    with pytest.raises(RunError) as caught:
        run.table("wieght")  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == (
        f"{finished}: no table is called 'wieght'\n   did you mean 'weight'?"
    )
    with pytest.raises(RunError) as caught:
        run.table("output", nodes="lstn")
    assert str(caught.value) == (
        f"{finished}, table 'output': no node matches 'lstn'\n   did you mean 'lstm'?"
    )


def test_run_json_is_readable_text(finished: Path) -> None:
    data = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    assert data["opgraph_run"] == 2
    assert data["status"] == "finished"
    assert data["outcome"] == {"steps": 5}


def test_run_that_is_being_written_is_read_as_far_as_it_is(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path), 4)
    writer.flush()
    run = open_run(tmp_path)
    assert run.last_step == 4
    synthetic.feed(writer, 8, first=5).flush()
    assert run.last_step == 8
    assert run.table("weight")["step"].to_pylist() == list(range(1, 9))
    writer.end(writer.info.ended("finished"))


def test_numbers_on_disk_are_those_that_were_packed(synthetic: Any, finished: Path) -> None:
    packed = synthetic.make_packed(3)
    at = {
        (site.node, block.names[0]): packed[start]
        for site, block, start in synthetic.LAYOUT.blocks
        if site.kind in ("weight", "steps")
    }
    kernel = open_run(finished).table("weight", nodes="fc", steps=3).to_pylist()[0]
    assert kernel["grad_norm"] == np.sqrt(at["fc", "grad_sumsq"])
    step = open_run(finished).table("steps", steps=3).to_pylist()[0]
    assert step["loss"] == at["", "loss"]
