"""The runs below a folder: found, summed up, removed; and what is no run is left alone."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opgraph.errors import RunError
from opgraph.record import open_run, read_best, write_best
from opgraph.record.keyframes import keyframe_path
from opgraph.record.listing import disk_size, drop_keyframes, list_runs, remove_run

OLD = Path(__file__).parent / "data" / "schema-1"


def make(
    synthetic: Any, path: Path, status: str = "finished", day: int = 1, **outcome: Any
) -> Path:
    """A run of seven steps that began on a day of January."""
    writer = synthetic.begin(path)
    writer.keyframe(synthetic.make_keyframe(0))
    synthetic.feed(writer, 7)
    info = synthetic.make_info(created=f"2026-01-{day:02d}T12:00:00+00:00")
    writer.end(info.ended(status, steps=7, **outcome))
    return path


def everything(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_runs_are_found_at_any_depth_newest_first(synthetic: Any, tmp_path: Path) -> None:
    make(synthetic, tmp_path / "a", day=2, test={"accuracy": 0.75, "loss": 0.5})
    make(synthetic, tmp_path / "deep" / "er" / "b", "failed", day=3, error="disk full")
    make(synthetic, tmp_path / "c", "interrupted", day=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text('{"mine": 1}')
    (tmp_path / "other" / "c").mkdir()
    found = list_runs(tmp_path)
    assert [(run.name, run.status) for run in found] == [
        *[("deep/er/b", "failed"), ("a", "finished"), ("c", "interrupted")],
    ]
    best = found[1]
    assert (best.steps, best.total_steps, best.keyframes) == (7, 40, 2)
    assert (best.accuracy, best.loss) == (0.75, 0.5)
    assert best.created == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert best.bytes == sum(len(content) for content in everything(tmp_path / "a").values())
    assert json.loads(json.dumps(best.as_dict()))["created"] == "2026-01-02T12:00:00+00:00"


def test_folder_that_is_itself_a_run_is_listed(synthetic: Any, tmp_path: Path) -> None:
    (run,) = list_runs(make(synthetic, tmp_path / "a"))
    assert run.name == "a"


def test_run_of_an_older_schema_is_listed() -> None:
    (run,) = list_runs(OLD.parent)
    assert (run.name, run.steps, run.total_steps, run.keyframes) == ("schema-1", 25, 25, 3)
    assert run.accuracy is not None


def test_running_and_killed_runs_are_told_apart(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path / "a"), 3)
    writer.flush()
    (run,) = list_runs(tmp_path)
    assert (run.status, run.is_in_use, run.steps) == ("running", True, 3)
    writer._lock.release()
    (run,) = list_runs(tmp_path)
    assert (run.status, run.is_in_use) == ("killed", False)


def test_run_that_cannot_be_read_says_why_and_is_never_removed(
    synthetic: Any, tmp_path: Path
) -> None:
    newer, broken = tmp_path / "newer", tmp_path / "broken"
    make(synthetic, newer)
    data = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**data, "opgraph_run": 99}))
    make(synthetic, broken)
    (broken / "run.json").write_text("{")
    before = everything(tmp_path)
    problems = {run.name: (run.status, run.problem) for run in list_runs(tmp_path)}
    assert problems.keys() == {"newer", "broken"}
    assert problems["newer"] == (
        "unreadable",
        f"{newer}: the run is of schema version 99; this opgraph reads 1 to 2",
    )
    assert problems["broken"][0] == "unreadable"
    for path in (newer, broken):
        for remove in (remove_run, drop_keyframes):
            with pytest.raises(RunError):
                remove(path)
    assert everything(tmp_path) == before


def test_missing_folder_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        list_runs(tmp_path / "runs")
    assert str(caught.value) == f"{tmp_path}/runs: is no folder"


def test_removed_run_is_gone(synthetic: Any, tmp_path: Path) -> None:
    path = make(synthetic, tmp_path / "a")
    (path / "graph.svg").write_text("picture")
    (path / "keyframes" / ".tmpAb12Cd").write_text("left by a kill")
    (path / ".run.json.0a1b2c3d.tmp").write_text("left by a kill")
    (path / ".replaced" / "steps").mkdir(parents=True)
    assert remove_run(path)
    assert not path.exists()


def test_best_state_belongs_to_the_run(synthetic: Any, tmp_path: Path) -> None:
    path = make(synthetic, tmp_path / "a")
    before = disk_size(path)
    write_best(path, synthetic.make_keyframe(6))
    assert disk_size(path) > before + 16_000
    drop_keyframes(path)
    assert read_best(path) is not None
    assert remove_run(path)
    assert not path.exists()


def test_files_of_others_stay(synthetic: Any, tmp_path: Path) -> None:
    path = make(synthetic, tmp_path / "a")
    mine = {"notes.txt": b"1", "steps/thesis.parquet": b"2", "keyframes/best.safetensors": b"3"}
    for name, content in mine.items():
        (path / name).write_bytes(content)
    assert not remove_run(path)
    assert everything(path) == mine


def test_what_is_no_run_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "part-00000.parquet").write_text("mine")
    for text in (None, '{"mine": 1}', "{"):
        if text is not None:
            (tmp_path / "run.json").write_text(text)
        before = everything(tmp_path)
        with pytest.raises(RunError):
            remove_run(tmp_path)
        with pytest.raises(RunError):
            drop_keyframes(tmp_path)
        assert everything(tmp_path) == before


def test_run_in_use_is_not_removed(synthetic: Any, tmp_path: Path) -> None:
    writer = synthetic.feed(synthetic.begin(tmp_path / "a"), 6)
    writer.flush()
    before = everything(tmp_path)
    for remove in (remove_run, drop_keyframes):
        with pytest.raises(RunError, match="in use: process"):
            remove(tmp_path / "a")
    assert everything(tmp_path).keys() == before.keys()
    writer.end(writer.info.ended("finished"))
    assert remove_run(tmp_path / "a")


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_links_are_not_followed(synthetic: Any, tmp_path: Path) -> None:
    outside = make(synthetic, tmp_path / "outside")
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    assert list_runs(folder) == []
    with pytest.raises(RunError) as caught:
        remove_run(folder / "link")
    assert str(caught.value) == f"{folder}/link: is a link; nothing is removed through links"
    path = make(synthetic, folder / "a")
    before = everything(outside)
    for name in ("keyframes", "weight"):
        shutil.rmtree(path / name)
        (path / name).symlink_to(outside / name)
    assert drop_keyframes(path) == 0
    assert disk_size(path) < disk_size(outside)
    assert remove_run(path)
    assert everything(outside) == before
    path = make(synthetic, folder / "b")
    (path / "run.json").rename(tmp_path / "kept.json")
    (path / "run.json").symlink_to(tmp_path / "kept.json")
    assert list_runs(folder) == []
    with pytest.raises(RunError, match="is a link"):
        remove_run(path)
    assert (path / "graph.json").exists()


def test_keyframes_but_the_last_are_dropped(synthetic: Any, tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "a", 9, every=3)
    before = synthetic.contents(path)
    assert drop_keyframes(path) == 3
    run = open_run(path)
    assert run.keyframe_steps == [9]
    assert run.keyframe().step == 9
    assert all(frame.equals(before[kind]) for kind, frame in synthetic.contents(path).items())
    assert drop_keyframes(path) == 0


def test_keyframes_stay_if_the_last_is_damaged(synthetic: Any, tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "a", 9, every=3)
    keyframe_path(path, 9).write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        drop_keyframes(path)
    assert open_run(path).keyframe_steps == [0, 3, 6, 9]


def test_removal_that_was_killed_can_be_repeated(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run.json` goes last: what is left half removed is still listed as a run."""
    path = make(synthetic, tmp_path / "a")
    unlink, left = Path.unlink, [10]

    def failing(self: Path, missing_ok: bool = False) -> None:
        left[0] -= self.name != ".lock"
        if left[0] < 0:
            raise OSError(5, "Input/output error", str(self))
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", failing)
    with pytest.raises(RunError, match="cannot be removed: Input/output error"):
        remove_run(path)
    monkeypatch.undo()
    assert [run.name for run in list_runs(tmp_path)] == ["a"]
    assert remove_run(path)
    assert list_runs(tmp_path) == []
