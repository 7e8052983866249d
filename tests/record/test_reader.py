"""Reading a run: with opgraph, with DuckDB or pandas alone, and when it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pytest

from opgraph.errors import RunError
from opgraph.record import open_run


def test_table_selects_nodes_and_steps(finished: Path) -> None:
    run = open_run(finished)
    rows = run.table("output", nodes="lst*", steps=range(2, 4)).to_pylist()
    assert [(row["step"], row["node"], row["port"]) for row in rows] == [
        *[(2, "lstm", 0), (2, "lstm", 1)],
        *[(3, "lstm", 0), (3, "lstm", 1)],
    ]
    assert run.table("bn", steps=4)["node"].to_pylist() == ["norm", "norm_2"]
    assert run.table("steps", steps=range(1, 99))["step"].to_pylist() == [1, 2, 3, 4, 5]
    assert repr(run) == f"Record({str(finished)!r}, 5 steps, finished)"


def test_graph_and_layout_come_back(finished: Path, making: SimpleNamespace) -> None:
    run = open_run(finished)
    assert run.graph == {"nodes": [{"name": "x"}]}
    assert run.layout == making.layout
    assert run.info == making.info().ended("finished", steps=5)


def test_duckdb_alone_answers_which_node_had_the_largest_update_ratio(finished: Path) -> None:
    sql = (
        f"SELECT node, weight, update_ratio FROM '{finished}/weight/*.parquet'"
        " WHERE step = 5 ORDER BY update_ratio DESC LIMIT 1"
    )
    found = duckdb.sql(sql).fetchall()
    rows = [row for row in open_run(finished).table("weight").to_pylist() if row["step"] == 5]
    largest = max(rows, key=lambda row: row["update_ratio"])
    assert found == [(largest["node"], largest["weight"], largest["update_ratio"])]


def test_pandas_alone_reads_all_parts_of_a_table(finished: Path) -> None:
    frame = pd.read_parquet(finished / "output_grad")
    assert len(frame) == 10
    grouped = frame.groupby("connected")["norm"]
    assert grouped.count().to_dict() == {False: 0, True: 5}


def test_run_without_a_part_has_tables_without_rows(
    making: SimpleNamespace, tmp_path: Path
) -> None:
    making.run(tmp_path, 0)
    run = open_run(tmp_path)
    assert run.last_step == 0
    assert run.table("weight").num_rows == 0
    assert "update_ratio" in run.table("weight").column_names


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
            '{"opgraph_run": 99}',
            "{}: the run is of schema version 99; this opgraph reads 1\n"
            "   read it with the opgraph that made it, or train again",
        ),
        (
            '{"opgraph_run": 1}',
            "{}/run.json: damaged: batch_signature, command, config, created, data,",
        ),
        ("[" * 100_000, "{}/run.json: damaged: "),
    ],
)
def test_damaged_run_json_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    assert str(caught.value).startswith(
        message.replace("{}/", f"{tmp_path}/").replace("{}:", f"{tmp_path}:")
    )


def test_truncated_part_is_named_and_the_rest_is_readable(finished: Path) -> None:
    part = finished / "weight" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    run = open_run(finished)
    with pytest.raises(RunError) as caught:
        run.table("weight")
    assert str(caught.value).startswith(f"{part}: damaged: ")
    assert str(caught.value).endswith("\n   the other parts can still be read")
    assert run.table("output").num_rows == 15


def test_lost_files_are_named(finished: Path) -> None:
    (finished / "sites.parquet").unlink()
    (finished / "graph.json").unlink()
    with pytest.raises(RunError) as caught:
        _ = open_run(finished).layout
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
    assert data["opgraph_run"] == 1
    assert data["status"] == "finished"
    assert data["outcome"] == {"steps": 5}


def test_numbers_on_disk_are_those_that_were_packed(
    finished: Path, making: SimpleNamespace
) -> None:
    layout = making.layout
    packed = making.packed(layout, 3)
    at = {(e.site.node, e.site.weight, e.moment): packed[e.start] for e in layout.entries}
    kernel = open_run(finished).table("weight", nodes="fc", steps=3).to_pylist()[0]
    assert kernel["grad_norm"] == np.sqrt(at["fc", "kernel", "grad_sumsq"])
    step = open_run(finished).table("steps", steps=3).to_pylist()[0]
    assert step["loss"] == at["", "", "loss"]
