"""What is wrong with a run is named, file by file, and the rest stays readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from opgraph.errors import RunError
from opgraph.record import KINDS, open_run, write_best
from opgraph.record.damage import find_damage
from opgraph.record.keyframes import keyframe_path
from opgraph.record.parts import part_path


@pytest.fixture
def run(synthetic: Any, tmp_path: Path) -> Path:
    """Steps 1 to 9 in parts of three, keyframes at 0 and 9."""
    path: Path = synthetic.write_run(tmp_path / "run", 9, every=9)
    return path


def found(path: Path) -> list[str]:
    return [str(damage) for damage in find_damage(open_run(path))]


def steps_of(path: Path, kind: Any, **options: Any) -> list[int]:
    return sorted(set(open_run(path).table(kind, **options)["step"].to_pylist()))


def test_nothing_is_wrong_with_a_good_run(run: Path) -> None:
    assert found(run) == []


@pytest.mark.parametrize("kind", ["weight", "bn", "steps"])
@pytest.mark.parametrize("size", [0, 3, 100, -1, -100])
def test_truncated_part_is_named_and_the_rest_is_readable(run: Path, kind: Any, size: int) -> None:
    part = part_path(run, kind, 1)
    part.write_bytes(part.read_bytes()[:size])
    (damage,) = found(run)
    assert damage.startswith(f"{part}: damaged: ")
    with pytest.raises(RunError) as caught:
        open_run(run).table(kind)
    assert str(caught.value) == f"{damage}\n   the other parts can still be read"
    assert steps_of(run, kind, skip_damaged=True) == [1, 2, 3, 7, 8, 9]
    for other in KINDS:
        if other not in (kind, "dropout"):
            assert steps_of(run, other) == list(range(1, 10))
    assert open_run(run).last_step == 9


def test_last_part_damaged_leaves_those_before(run: Path) -> None:
    part_path(run, "steps", 2).write_bytes(b"PAR1")
    assert open_run(run).last_step == 6
    assert steps_of(run, "steps", skip_damaged=True) == list(range(1, 7))


def test_parts_without_the_wanted_steps_are_not_even_read(run: Path) -> None:
    part_path(run, "weight", 1).write_bytes(b"")
    assert steps_of(run, "weight", steps=range(7, 10)) == [7, 8, 9]
    assert steps_of(run, "weight", steps=[1, 9], skip_damaged=True) == [1, 9]
    assert steps_of(run, "weight", steps=2) == [2]
    assert steps_of(run, "weight", steps=range(50, 60)) == []
    assert steps_of(run, "weight", steps=[]) == []
    with pytest.raises(RunError):
        open_run(run).table("weight", steps=4)


def test_altered_byte_anywhere_is_told_or_makes_no_difference(synthetic: Any, run: Path) -> None:
    """One bit in every 97th byte of a steps part, of which no other part holds a checksum."""
    expected = synthetic.contents(run)
    told = 0
    part = part_path(run, "steps", 1)
    content = part.read_bytes()
    for place in range(0, len(content), 97):
        altered = bytearray(content)
        altered[place] ^= 4
        part.write_bytes(altered)
        if found(run):
            told += 1
            continue
        for name, frame in synthetic.contents(run).items():
            pd.testing.assert_frame_equal(frame, expected[name], check_exact=True)
    part.write_bytes(content)
    assert told > 20
    assert found(run) == []


def test_every_altered_byte_of_a_part_that_is_listed_is_told(run: Path) -> None:
    part = part_path(run, "bn", 0)
    content = part.read_bytes()
    for place in range(0, len(content), 13):
        altered = bytearray(content)
        altered[place] ^= 1
        part.write_bytes(altered)
        with pytest.raises(RunError) as caught:
            open_run(run).table("bn")
        assert str(caught.value) == (
            f"{part}: damaged: its bytes are not those that were written (checksum)\n"
            "   the other parts can still be read"
        )


@pytest.mark.parametrize("kind", ["weight", "steps"])
def test_missing_middle_part_is_named(run: Path, kind: Any) -> None:
    part = part_path(run, kind, 1)
    part.unlink()
    assert found(run) == [f"{part}: missing from the run"]
    with pytest.raises(RunError) as caught:
        open_run(run).table(kind)
    assert str(caught.value) == (
        f"{part}: missing from the run\n   the other parts can still be read"
    )
    assert steps_of(run, kind, skip_damaged=True) == [1, 2, 3, 7, 8, 9]


def test_part_of_another_place_is_told(run: Path) -> None:
    """Whole and valid, but not the one that was written there."""
    part_path(run, "weight", 0).replace(part_path(run, "weight", 1))
    names = [f"{part_path(run, 'weight', 0)}: missing from the run"]
    assert found(run)[:1] == names
    assert "damaged: " in found(run)[1]
    part_path(run, "steps", 0).write_bytes(part_path(run, "steps", 2).read_bytes())
    assert f"{part_path(run, 'steps', 1)}: damaged: its steps are not in order" in found(run)


def test_part_with_other_columns_is_told(run: Path) -> None:
    part = part_path(run, "steps", 1)
    table = pq.read_table(part)
    pq.write_table(table.rename_columns({"loss": "cost"}), part)
    message = f"{part}: damaged: its columns are not those of the other parts: cost, loss"
    assert found(run) == [message]
    with pytest.raises(RunError) as caught:
        open_run(run).table("steps")
    assert caught.value.headline == message
    assert steps_of(run, "steps", skip_damaged=True) == [1, 2, 3, 7, 8, 9]


def test_part_that_no_steps_part_commits_does_not_count(run: Path) -> None:
    """As a kill leaves it: other tables are written, the steps part is not."""
    part_path(run, "steps", 2).unlink()
    assert steps_of(run, "weight") == steps_of(run, "steps") == list(range(1, 7))
    assert [path.name for path in open_run(run).parts("weight")] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert found(run) == []


def test_altered_graph_is_told(run: Path) -> None:
    path = run / "graph.json"
    path.write_text(path.read_text().replace('"x"', '"y"'))
    (damage,) = found(run)
    said = open_run(run).info.graph_fingerprint
    assert damage.startswith(f"{path}: altered: its fingerprint is sha256:")
    assert damage.endswith(f", run.json says {said}")
    path.write_text("{")
    (damage,) = found(run)
    assert damage.startswith(f"{path}: damaged: Expecting property name")


def test_damaged_best_state_is_told(synthetic: Any, run: Path) -> None:
    write_best(run, synthetic.make_keyframe(6))
    assert found(run) == []
    path = keyframe_path(run / "best", 6)
    path.write_bytes(path.read_bytes()[:-1])
    (damage,) = found(run)
    assert damage.startswith(f"{path}: damaged: ")


def test_everything_that_is_wrong_is_listed_in_one_go(run: Path) -> None:
    (run / "sites.parquet").write_bytes(b"no")
    (run / "graph.json").unlink()
    part_path(run, "bn", 0).unlink()
    part_path(run, "output", 2).write_bytes(b"")
    keyframe_path(run, 9).write_bytes(b"")
    names = [Path(damage.split(": ")[0]).relative_to(run).as_posix() for damage in found(run)]
    assert names == [
        "graph.json",
        "sites.parquet",
        "output/part-00002.parquet",
        "bn/part-00000.parquet",
        "keyframes/step-000009.safetensors",
    ]


def test_truncated_run_json_is_one_error(run: Path) -> None:
    path = run / "run.json"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(RunError) as caught:
        open_run(run)
    assert str(caught.value).startswith(f"{path}: damaged: ")
    assert len(pd.read_parquet(run / "weight")) == 9


def test_sizes_that_a_part_claims_are_not_believed(run: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("opgraph.record.parts.MOST_ROWS", 2)
    with pytest.raises(RunError, match="damaged: claims 3 rows"):
        open_run(run).table("steps")
