"""Taking up a run again: where it goes on, what is compared, what is refused."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from opgraph.errors import RunError
from opgraph.record import RunWriter, Site, Survey, make_tables, open_run, parse_measure, resume
from opgraph.record.damage import find_damage
from opgraph.record.keyframes import keyframe_path
from opgraph.record.parts import part_path
from opgraph.record.resume import first_difference


@pytest.fixture
def stopped(synthetic: Any, tmp_path: Path) -> Path:
    """A run of 13 steps, killed: keyframes at 0, 5, 10; parts of three steps or fewer."""
    path = tmp_path / "run"
    writer = synthetic.begin(path)
    writer.keyframe(synthetic.make_keyframe(0))
    synthetic.feed(writer, 13).flush()
    writer._lock.release()
    return path


@pytest.fixture
def whole(synthetic: Any, tmp_path: Path) -> Path:
    """The same run, uninterrupted, up to step 20."""
    path: Path = synthetic.write_run(tmp_path / "whole", 20)
    return path


def assert_same_tables(synthetic: Any, first: Path, second: Path) -> None:
    found, expected = synthetic.contents(first), synthetic.contents(second)
    assert found.keys() == expected.keys()
    for kind in expected:
        pd.testing.assert_frame_equal(found[kind], expected[kind], check_exact=True)


def finish(synthetic: Any, writer: RunWriter, last: int = 20) -> None:
    assert writer.start is not None
    synthetic.feed(writer, last, first=writer.start.step + 1)
    writer.end(writer.info.ended("finished", steps=last))


def test_resumed_run_has_the_tables_of_an_uninterrupted_one(
    synthetic: Any, stopped: Path, whole: Path
) -> None:
    writer = RunWriter.resume(stopped, synthetic.SURVEY, versions={"opgraph": "9"})
    assert writer.start is not None
    assert (writer.start.step, writer.last_stored, writer.notices) == (10, 13, [])
    expected = synthetic.make_keyframe(10).arrays["model/fc/kernel"]
    assert np.array_equal(writer.start.arrays["model/fc/kernel"], expected)
    assert open_run(stopped).info.status == "running"
    finish(synthetic, writer)
    assert_same_tables(synthetic, stopped, whole)
    assert open_run(stopped).keyframe_steps == open_run(whole).keyframe_steps == [0, 5, 10, 15, 20]
    info = open_run(stopped).info
    assert info.status == "finished"
    (entry,) = info.resumptions
    assert (entry["from_step"], entry["last_step"]) == (10, 13)
    assert entry["versions"] == {"opgraph": "9"}
    assert datetime.fromisoformat(entry["when"]).tzinfo is not None
    assert find_damage(open_run(stopped)) == []


def test_run_may_be_stopped_and_resumed_again_and_again(
    synthetic: Any, stopped: Path, whole: Path
) -> None:
    for last in (14, 15, 16, 19):
        writer = RunWriter.resume(stopped, synthetic.SURVEY)
        assert writer.start is not None
        synthetic.feed(writer, last, first=writer.start.step + 1)
        writer.end(writer.info.ended("interrupted", steps=last))
    finish(synthetic, RunWriter.resume(stopped))
    assert_same_tables(synthetic, stopped, whole)
    assert [e["from_step"] for e in open_run(stopped).info.resumptions] == [10, 10, 15, 15, 15]


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_ended_runs_that_are_not_finished_go_on(
    synthetic: Any, tmp_path: Path, whole: Path, status: str
) -> None:
    writer = synthetic.begin(tmp_path / "run")
    writer.keyframe(synthetic.make_keyframe(0))
    synthetic.feed(writer, 7)
    writer.end(writer.info.ended(status, steps=7, error="x"))
    finish(synthetic, RunWriter.resume(tmp_path / "run"))
    assert_same_tables(synthetic, tmp_path / "run", whole)
    assert open_run(tmp_path / "run").info.outcome == {"steps": 20}


def test_finished_run_goes_on_only_if_asked(synthetic: Any, tmp_path: Path, whole: Path) -> None:
    path = synthetic.write_run(tmp_path / "run", 10)
    with pytest.raises(RunError) as caught:
        RunWriter.resume(path)
    assert str(caught.value) == f"{path}: the run is finished\n   ask for more steps to go on"
    assert open_run(path).info.status == "finished"
    writer = RunWriter.resume(path, extend=True, config={"total_steps": 20})
    finish(synthetic, writer)
    assert_same_tables(synthetic, path, whole)
    assert open_run(path).info.config == {"total_steps": 20}


def test_leftovers_of_a_kill_are_removed(synthetic: Any, stopped: Path, whole: Path) -> None:
    left = [
        stopped / ".run.json.0a1b2c3d.tmp",
        stopped / "steps" / ".part-00006.parquet.0a1b2c3d.tmp",
        stopped / "keyframes" / ".step-000015.safetensors.0a1b2c3d.tmp",
        stopped / "keyframes" / ".tmpAu4vlj",
        part_path(stopped, "output", 5),
        part_path(stopped, "weight", 5),
    ]
    for path in left:
        path.write_bytes(b"half")
    (stopped / "notes.tmp").write_text("mine")
    assert find_damage(open_run(stopped)) == []
    writer = RunWriter.resume(stopped)
    assert not any(path.exists() for path in left)
    assert (stopped / "notes.tmp").exists()
    finish(synthetic, writer)
    assert_same_tables(synthetic, stopped, whole)


def test_damaged_keyframe_is_skipped_with_a_notice(
    synthetic: Any, stopped: Path, whole: Path
) -> None:
    path = keyframe_path(stopped, 10)
    content = bytearray(path.read_bytes())
    content[-3] ^= 8
    path.write_bytes(content)
    writer = RunWriter.resume(stopped)
    assert writer.start is not None
    assert writer.start.step == 5
    assert writer.notices == [
        f"{path}: damaged: its contents are not those that were written (checksum); skipped"
    ]
    finish(synthetic, writer)
    assert_same_tables(synthetic, stopped, whole)
    assert find_damage(open_run(stopped)) == []


@pytest.mark.parametrize("kind", ["steps", "weight"])
def test_damaged_part_and_what_follows_are_made_anew(
    synthetic: Any, stopped: Path, whole: Path, kind: str
) -> None:
    path = part_path(stopped, kind, 2)  # steps 6 to 8
    path.write_bytes(path.read_bytes()[:-50])
    writer = RunWriter.resume(stopped)
    assert writer.start is not None
    assert (writer.start.step, writer.last_stored) == (5, 5)
    (notice,) = writer.notices
    assert notice.startswith(f"{path}: damaged: ")
    assert notice.endswith("; the rows from step 6 on are made anew")
    assert open_run(stopped).last_step == 5
    finish(synthetic, writer)
    assert_same_tables(synthetic, stopped, whole)
    assert find_damage(open_run(stopped)) == []


def test_run_without_any_keyframe_is_refused_and_left_as_it_is(stopped: Path) -> None:
    for step in (5, 10):
        keyframe_path(stopped, step).unlink()
    keyframe_path(stopped, 0).write_bytes(b"")
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    with pytest.raises(RunError) as caught:
        RunWriter.resume(stopped)
    assert caught.value.headline == (
        f"{stopped}: has no keyframe that can be read at or before step 13"
    )
    assert caught.value.hint is not None
    assert f"{keyframe_path(stopped, 0)}: damaged: " in caught.value.hint
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


def test_altered_graph_is_refused(stopped: Path) -> None:
    (stopped / "graph.json").write_text('{"nodes": [{"name": "y"}]}')
    with pytest.raises(RunError) as caught:
        RunWriter.resume(stopped)
    said = open_run(stopped).info.graph_fingerprint
    found = caught.value.problem.split()[4].rstrip(",")
    assert found != said
    assert str(caught.value) == (
        f"{stopped}/graph.json: altered: its fingerprint is {found}, run.json says {said}"
    )


def test_other_sites_or_quantities_are_refused(synthetic: Any, stopped: Path) -> None:
    sites, measure = synthetic.SURVEY.sites, synthetic.SURVEY.measure
    more = Survey((*sites, Site("output", "new")), measure, ("accuracy",))
    less = Survey(sites, parse_measure("norms"), ("accuracy",))
    for survey in (more, less):
        with pytest.raises(RunError) as caught:
            RunWriter.resume(stopped, survey)
        assert str(caught.value) == (
            f"{stopped}: the training measures other sites or quantities than the run did\n"
            "   sites.parquet and run.json (measure) say what the run measured"
        )


def test_run_with_other_columns_is_refused(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of opgraph may write other columns in the same schema."""

    def other(survey: Survey, rows: Any) -> Any:
        table = make_tables(survey, rows)["bn"].rename_columns({"batch_mean": "mean"})
        return {"bn": table}

    monkeypatch.setattr(resume, "make_tables", other)
    with pytest.raises(RunError) as caught:
        RunWriter.resume(stopped)
    assert str(caught.value) == (
        f"{stopped}: table 'bn' has other columns than this opgraph writes: batch_mean, mean\n"
        "   the run was made by opgraph 0; go on with that one"
    )


def test_folder_without_a_run_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run is recorded here"):
        RunWriter.resume(tmp_path)
    assert list(tmp_path.iterdir()) == []


def altered(synthetic: Any, step: int, moment: str, node: str) -> Any:
    """A step of which one number comes out a little different."""
    row = synthetic.make_row(step)
    for site, block, start in synthetic.LAYOUT.blocks:
        if block.names == (moment,) and site.node == node:
            row.packed[start] *= 1 + 1e-6
    return row


@pytest.mark.parametrize(
    ("step", "moment", "node", "where"),
    [
        (12, "value_sumsq", "fc", "step 12, table 'weight', node 'fc', weight 'kernel'"),
        (11, "batch_mean_sum", "norm", "step 11, table 'bn', node 'norm'"),
        (12, "channel_sum", "lstm", "step 12, table 'output', node 'lstm', port 1"),
        (13, "loss", "", "step 13, table 'steps'"),
    ],
)
def test_row_that_comes_out_different_is_named(
    synthetic: Any, stopped: Path, step: int, moment: str, node: str, where: str
) -> None:
    before = synthetic.contents(stopped)
    writer = RunWriter.resume(stopped, part_steps=100)
    for number in range(11, 20):
        row = synthetic.make_row(number)
        writer.add(altered(synthetic, step, moment, node) if number == step else row)
    with pytest.raises(RunError) as caught:
        writer.flush()
    columns = {"value_sumsq": "value_rms", "batch_mean_sum": "batch_mean"}
    column = columns.get(moment, {"channel_sum": "channel_mean"}.get(moment, moment))
    assert caught.value.where == f"{stopped}, {where}"
    assert caught.value.problem.startswith(f"column {column!r} is ")
    new, old = caught.value.problem.split(" is ", 1)[1].split(" when computed again, but ")
    assert new != old.removesuffix(" in the run")
    assert caught.value.hint == (
        "the same bits need the same machine, threads and versions; run.json names them"
    )
    writer.end(writer.info.ended("finished"))
    assert open_run(stopped).info.status == "failed"
    assert "when computed again" in open_run(stopped).info.outcome["error"]
    after = synthetic.contents(stopped)
    for kind in before:
        pd.testing.assert_frame_equal(before[kind], after[kind], check_exact=True)


def test_row_without_one_of_the_sites_is_told(
    synthetic: Any, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter.resume(stopped)
    fewer = [site for site in synthetic.SITES if site.kind != "bn"]
    monkeypatch.setattr(
        writer, "_survey", Survey((*fewer,), synthetic.MEASURE, synthetic.SURVEY.metrics)
    )
    writer.add(synthetic.make_row(11))
    with pytest.raises(RunError) as caught:
        writer.flush()
    assert str(caught.value) == (
        f"{stopped}, table 'bn', steps ?: 0 rows when computed again, but 1 in the run"
    )


DIFFERENT = [
    (pa.array([1.0, 2.0]), pa.array([1.0, np.nextafter(2.0, 3)]), 1),
    (pa.array([np.nan, 1.0]), pa.array([np.nan, 1.0]), None),
    (pa.array([0.0]), pa.array([-0.0]), 0),
    (pa.array([np.inf]), pa.array([-np.inf]), 0),
    (pa.array([1.0, np.nan]), pa.array([1.0, 0.0]), 1),
    (pa.array([None, 1.0]), pa.array([0.0, 1.0]), 0),
    (pa.array([None, 1.0]), pa.array([None, 1.0]), None),
    (pa.array([1, None]), pa.array([1, None]), None),
    (pa.array([1, None]), pa.array([1, 0]), 1),
    (pa.array([2**62]), pa.array([2**62 + 1]), 0),
    (pa.array(["a", "b"]), pa.array(["a", "c"]), 1),
    (pa.array([True, None]), pa.array([True, None]), None),
    (pa.array([True]), pa.array([False]), 0),
    (pa.array([1.0], pa.float32()), pa.array([1.0]), 0),
    (pa.array([None, [1.0, np.nan], []]), pa.array([None, [1.0, np.nan], []]), None),
    (pa.array([[1.0], [1.0, 2.0]]), pa.array([[1.0], [1.0, 3.0]]), 1),
    (pa.array([[1.0], None]), pa.array([[1.0], []]), 1),
    (pa.array([[1.0], [2.0, 3.0]]), pa.array([[1.0, 2.0], [3.0]]), 0),
    (pa.array([[], [1], [7]]), pa.array([[], [1], [8]]), 2),
    (pa.array([[1.0, None]]), pa.array([[1.0, 0.0]]), 0),
]


@pytest.mark.parametrize(("old", "new", "row"), DIFFERENT)
def test_columns_are_compared_bit_for_bit(old: Any, new: Any, row: int | None) -> None:
    found = first_difference(pa.table({"x": old}), pa.table({"x": new}))
    assert (found and found.row) == row


def test_times_are_not_compared() -> None:
    old = pa.table({"time": [1], "step_time": [1.0], "input_time": [1.0], "loss": [1.0]})
    new = pa.table({"time": [2], "step_time": [2.0], "input_time": [2.0], "loss": [1.0]})
    assert first_difference(old, new) is None


def test_the_earliest_step_is_named_not_the_first_column() -> None:
    old = pa.table({"a": [1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0]})
    new = pa.table({"a": [1.0, 1.0, 2.0], "b": [1.0, 2.0, 1.0]})
    assert first_difference(old, new) == (1, "b")
