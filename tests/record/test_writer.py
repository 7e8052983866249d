"""Writing a run: whole parts only, nothing of others touched, no run overwritten by accident."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from opgraph import files
from opgraph.errors import RunError
from opgraph.record import Keyframe, check_free, open_run


def test_directory_holds_parts_keyframes_and_descriptions(finished: Path) -> None:
    names = sorted(str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file())
    kinds = ("bn", "output", "output_grad", "steps", "weight")
    parts = [f"{kind}/part-{number:05d}.parquet" for kind in kinds for number in range(3)]
    others = ["graph.json", "run.json", "sites.parquet"]
    keyframes = [f"keyframes/step-{step:06d}.safetensors" for step in (0, 4)]
    assert names == sorted([*parts, *others, *keyframes])


def test_rows_are_written_once_a_part_is_full(making: SimpleNamespace, tmp_path: Path) -> None:
    making.run(tmp_path, 3, part_steps=2)
    assert open_run(tmp_path).last_step == 2
    assert open_run(tmp_path).info.status == "running"


def test_keyframe_writes_the_rows_before_it(making: SimpleNamespace, tmp_path: Path) -> None:
    writer = making.run(tmp_path, 3, part_steps=100)
    assert open_run(tmp_path).last_step == 0
    writer.keyframe(Keyframe(3, {"model/x": np.zeros(2)}, {"epoch": 1, "index": 0}))
    assert open_run(tmp_path).last_step == 3


def test_second_run_in_the_same_directory_is_refused(
    making: SimpleNamespace, finished: Path
) -> None:
    before = sorted(finished.rglob("*"))
    with pytest.raises(RunError) as caught:
        making.run(finished)
    assert str(caught.value) == (
        f"{finished}: holds a run already\n"
        "   choose another directory, or allow it to be replaced (--overwrite)"
    )
    assert sorted(finished.rglob("*")) == before
    assert open_run(finished).last_step == 5


def test_overwrite_replaces_the_run_and_nothing_else(
    making: SimpleNamespace, finished: Path
) -> None:
    (finished / "graph.svg").write_text("mine")
    making.run(finished, 2, overwrite=True)
    assert open_run(finished).last_step == 2
    assert open_run(finished).keyframe_steps == []
    assert (finished / "graph.svg").read_text() == "mine"
    assert not (finished / ".replaced").exists()


def test_directory_with_other_files_takes_a_run(making: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "graph.svg").write_text("mine")
    making.run(tmp_path, 2)
    assert open_run(tmp_path).last_step == 2


def test_overwrite_refuses_what_is_no_run_of_opgraph(
    making: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "thesis.txt").write_text("do not delete")
    with pytest.raises(RunError) as caught:
        making.run(tmp_path, overwrite=True)
    assert str(caught.value) == (
        f"{tmp_path}: holds 'output' but no run.json, so it is no run of opgraph\n"
        "   choose another directory, or remove these"
    )
    (tmp_path / "run.json").write_text('{"mine": true}')
    with pytest.raises(RunError, match="is not a run of opgraph"):
        making.run(tmp_path, overwrite=True)
    assert (tmp_path / "output" / "thesis.txt").exists()


def test_file_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("")
    with pytest.raises(RunError) as caught:
        check_free(path)
    assert str(caught.value) == f"{path}: is a file, not a directory for a run"


def test_directory_that_cannot_be_made_is_one_line(making: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError) as caught:
        making.run(tmp_path / "file" / "run")
    assert str(caught.value) == f"{tmp_path}/file/run: cannot be made: Not a directory"


def test_full_disk_leaves_what_was_there_and_says_so(
    making: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = making.run(tmp_path, 2, part_steps=2)

    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "flush", full)
    writer.add(making.packed(making.layout, 3), making.host(3))
    with pytest.raises(RunError) as caught:
        writer.flush()
    where = tmp_path / "output" / "part-00001.parquet"
    assert str(caught.value) == f"{where}: cannot be written: No space left on device"
    assert [p.name for p in (tmp_path / "output").iterdir()] == ["part-00000.parquet"]
    assert open_run(tmp_path).last_step == 2


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from conftest import make_host, make_packed, write_run
from opgraph.record import Layout
from conftest import SITES
writer = write_run(Path({path!r}), 0, part_steps=3)
layout = Layout(SITES)
print("ready", flush=True)
step = 0
while True:
    step += 1
    writer.add(make_packed(layout, step), make_host(step))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("delay", [0.03, 0.11, 0.23])
def test_killed_process_leaves_a_readable_run(tmp_path: Path, delay: float) -> None:
    script = KILLED.format(folder=str(Path(__file__).parent), path=str(tmp_path / "run"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay)
        process.send_signal(signal.SIGKILL)
    run = open_run(tmp_path / "run")
    assert run.info.status == "running"
    assert run.steps["step"].to_pylist() == list(range(1, run.last_step + 1))
    assert run.last_step % 3 == 0
    for kind in ("output", "weight", "bn"):
        steps = set(run.table(kind)["step"].to_pylist())
        assert steps.issuperset(range(1, run.last_step + 1))


def test_part_is_plain_parquet_with_no_null_keys(finished: Path) -> None:
    table = pq.read_table(finished / "weight" / "part-00000.parquet")
    assert table["step"].null_count == table["node"].null_count == 0
