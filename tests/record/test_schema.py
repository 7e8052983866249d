"""`run.json`: what it says, runs of older schemas, and those of newer ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opgraph.errors import RunError
from opgraph.record import SCHEMA_VERSION, RunWriter, open_run
from opgraph.record.damage import find_damage
from opgraph.record.schema import dump_json, read_info

OLD = Path(__file__).parent / "data" / "schema-1"  # trained with opgraph before schema 2


def test_run_of_schema_1_opens_with_defaults_for_what_it_does_not_say() -> None:
    run = open_run(OLD)
    info = run.info
    assert (info.schema, info.status, run.last_step) == (1, "finished", 25)
    assert (info.measure, info.statistics) == ({}, "tensorflow")
    assert (info.replayable, info.replayable_reason, info.resumptions) == (True, "", ())
    assert info.config["total_steps"] == 25
    assert repr(run).endswith("25 steps, finished)")


def test_run_of_schema_1_is_read_whole() -> None:
    run = open_run(OLD)
    assert run.steps["step"].to_pylist() == list(range(1, 26))
    assert {site.node for site in run.survey.sites} >= {"image", "norm", "pool", "fc", "prob"}
    weights = run.table("weight", nodes="fc", steps=range(1, 3)).to_pylist()
    assert [(row["step"], row["weight"]) for row in weights] == [
        *[(1, "kernel"), (1, "bias")],
        *[(2, "kernel"), (2, "bias")],
    ]
    kernel = weights[0]
    assert kernel["update_ratio"] == pytest.approx(kernel["update_norm"] / kernel["value_norm"])
    assert run.table("bn").num_rows == 25
    assert run.table("slot").num_rows == 0  # there was no such table
    assert run.table("output", nodes="prob", steps=25).to_pylist()[0]["mean"] == pytest.approx(0.1)


def test_keyframes_of_schema_1_are_read() -> None:
    run = open_run(OLD)
    assert run.keyframe_steps == [0, 15, 25]
    keyframe = run.keyframe()
    assert keyframe.step == 25
    assert keyframe.state == {}
    kernel = keyframe.arrays["model/fc/kernel"]
    assert kernel.shape == (1, 10)
    after = open_run(OLD).keyframe(15).arrays["model/fc/kernel"]
    row = run.table("weight", nodes="fc", steps=16).to_pylist()[0]
    assert row["value_norm"] == pytest.approx(float(np.linalg.norm(after)), rel=1e-6)


def test_damage_in_a_run_of_schema_1_is_found_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "old"
    shutil.copytree(OLD, path)
    assert find_damage(open_run(path)) == []
    (path / "weight" / "part-00000.parquet").unlink()
    part = path / "bn" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    names = [damage.path.relative_to(path).as_posix() for damage in find_damage(open_run(path))]
    assert names == ["weight/part-00000.parquet", "bn/part-00001.parquet"]


def test_run_of_schema_1_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "old"
    shutil.copytree(OLD, path)
    with pytest.raises(RunError) as caught:
        RunWriter.resume(path, extend=True)
    assert str(caught.value) == (
        f"{path}: the run is of schema version 1; it can be read, not continued\n   train again"
    )


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99, 0, -1, "2", 1.5, None])
def test_unknown_schema_is_one_clear_error(tmp_path: Path, version: Any) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"opgraph_run": version, "new": True}))
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    if version is None:
        assert str(caught.value) == f"{tmp_path}/run.json: is not a run of opgraph"
        return
    assert str(caught.value) == (
        f"{tmp_path}: the run is of schema version {version!r}; this opgraph reads 1 to 2\n"
        "   read it with the opgraph that made it, or a newer one"
    )


def test_everything_in_run_json_comes_back(synthetic: Any, tmp_path: Path) -> None:
    info = synthetic.make_info(
        statistics="kernel",
        replayable=False,
        replayable_reason="the data came from a generator",
        resumptions=({"when": "2026-11-22T00:00:00+00:00", "from_step": 5},),
        outcome={"steps": 3, "test": {"loss": np.float64(0.5), "confusion": np.eye(2, dtype=int)}},
    )
    (tmp_path / "run.json").write_text(dump_json(info.as_dict()), encoding="utf-8")
    found = read_info(tmp_path)
    assert found.as_dict() == {**info.as_dict(), "outcome": found.outcome}
    assert found.outcome["test"] == {"loss": 0.5, "confusion": [[1, 0], [0, 1]]}
    assert found.schema == SCHEMA_VERSION == 2
    assert isinstance(found.resumptions, tuple)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": None}, "damaged: config is no JSON object"),
        ({"outcome": []}, "damaged: outcome is no JSON object"),
        ({"measure": "full"}, "damaged: measure is no JSON object"),
        ({"status": "dancing"}, "damaged: 'dancing' is no status"),
    ],
)
def test_values_of_a_wrong_kind_are_named(
    synthetic: Any, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    data = {**synthetic.make_info().as_dict(), **changes}
    (tmp_path / "run.json").write_text(dump_json(data))
    with pytest.raises(RunError) as caught:
        read_info(tmp_path)
    assert str(caught.value) == f"{tmp_path}/run.json: {message}"


def test_enormous_run_json_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opgraph.record.schema.MOST_JSON_BYTES", 1 << 20)
    (tmp_path / "run.json").write_text(" " * ((1 << 20) + 1))
    with pytest.raises(RunError) as caught:
        read_info(tmp_path)
    assert str(caught.value) == f"{tmp_path}/run.json: damaged: larger than 1 MiB"
