"""`opgraph runs`: the table, what is removed, what is asked first."""

import importlib.util
import io
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from opgraph.api import runs as api
from opgraph.cli.main import COMMANDS
from opgraph.cli.runs import Age, command
from opgraph.errors import RunError

PROGRAM = Path(__file__).parents[1] / "record" / "synthetic.py"


@pytest.fixture(scope="module")
def synthetic():
    spec = importlib.util.spec_from_file_location("synthetic", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(synthetic, tmp_path):
    """Four runs: finished now, finished and failed ten days ago, killed two days ago."""
    folder = tmp_path / "runs"
    made = {
        "good": ("finished", 0, {"test": {"accuracy": 0.9375, "loss": 0.25}}),
        "old": ("finished", 10, {"test": {"loss": 1.5}}),
        "bad": ("failed", 10, {"error": "the loss is nan"}),
        "dead": (None, 2, {}),
    }
    for name, (status, days, outcome) in made.items():
        created = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
        info = synthetic.make_info(created=created, config={"total_steps": 7})
        last = 7 if status == "finished" else 4
        writer = synthetic.RunWriter(folder / name, info, synthetic.GRAPH, synthetic.SURVEY)
        writer.keyframe(synthetic.make_keyframe(0))
        synthetic.feed(writer, last, every=3)
        if status is None:
            writer.flush()
            writer._lock.release()
        else:
            writer.end(info.ended(status, steps=last, **outcome))
    return folder


@pytest.fixture
def run_command(opgraph, monkeypatch):
    """The command as the lead program finds it."""
    monkeypatch.setitem(COMMANDS, "runs", "List recorded trainings, and remove some.")
    return lambda *arguments: opgraph("runs", *arguments)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_table_says_what_each_run_is(run_command, runs):
    code, out, err = run_command(runs)
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert list(rows)[2:6] == ["good", "dead", "old", "bad"] or list(rows)[2:4] == ["good", "dead"]
    assert rows["good"][1:5] == ["finished", "7", "accuracy", "0.9375"]
    assert rows["old"][1:5] == ["finished", "7", "loss", "1.5000"]
    assert rows["bad"][1:6] == ["failed", "4", "of", "7", "-"]
    assert rows["dead"][1:6] == ["killed", "4", "of", "7", "-"]
    assert rows["good"][5:7] == ["3", rows["good"][6]]  # keyframes
    assert re.search(r"^4 runs, \d+ kB$", out, re.M)


def test_names_are_seen_on_a_narrow_console(run_command, runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    for name in ("good", "dead", "old", "bad"):
        assert name in run_command(runs)[1]


def test_json_has_everything(run_command, runs):
    code, out, _ = run_command(runs, "--json")
    data = {run["name"]: run for run in json.loads(out)}
    assert code == 0
    assert data["good"]["accuracy"] == 0.9375
    assert data["bad"]["status"] == "failed"
    size = sum(p.stat().st_size for p in (runs / "good").rglob("*") if p.is_file())
    assert data["good"]["bytes"] == size
    assert data["good"]["path"] == str(runs / "good")


def test_folder_without_runs_says_so(run_command, tmp_path):
    assert run_command(tmp_path) == (0, f"no runs below {tmp_path}\n", "")
    assert run_command(tmp_path, "--json") == (0, "[]\n", "")
    code, out, err = run_command(tmp_path / "none")
    assert (code, out) == (2, "")
    assert err == f"error: {tmp_path}/none: is no folder\n"


def test_unreadable_run_is_listed_with_its_reason(run_command, runs):
    (runs / "old" / "run.json").write_text('{"opgraph_run": 99}')
    code, out, err = run_command(runs)
    assert code == 0
    row = next(line.split() for line in out.splitlines() if line.split()[:1] == ["old"])
    assert row[1:5] == ["unreadable", "?", "-", "?"]  # unknown, not zero
    assert err == (f"{runs}/old: the run is of schema version 99; this opgraph reads 1 to 2\n")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--failed"], ["good", "old"]),
        (["--older-than", "7d"], ["dead", "good"]),
        (["--older-than", "36h"], ["good"]),
        (["--keep", "1"], ["good"]),
        (["--keep", "2"], ["dead", "good"]),
        (["--keep", "9"], ["bad", "dead", "good", "old"]),
        (["--keep", "1", "--failed"], ["good", "old"]),
        (["--failed", "--older-than", "1w"], ["dead", "good", "old"]),
        (["--keep", "0"], []),
    ],
)
def test_prune_removes_what_was_asked_for(run_command, runs, options, left):
    code, out, err = run_command(runs, "--prune", *options, "--yes")
    assert (code, err) == (0, "")
    assert names(runs) == left
    gone = {"bad", "dead", "good", "old"} - set(left)
    for name in gone:
        assert f"{runs / name}: removed" in out
    assert out.endswith(f"{len(gone)} of {len(gone)} done\n" if gone else "nothing to remove\n")


def test_run_in_use_and_unreadable_runs_are_left_alone(run_command, runs, synthetic):
    writer = synthetic.begin(runs / "now")
    (runs / "old" / "run.json").write_text('{"opgraph_run": 99}')
    (runs / "mine").mkdir()
    code, _, _ = run_command(runs, "--prune", "--keep", "0", "--yes")
    assert code == 0
    assert names(runs) == ["mine", "now", "old"]
    writer.end(writer.info.ended("finished"))


def test_run_that_is_taken_up_meanwhile_is_said_and_the_rest_goes_on(
    run_command, runs, synthetic, monkeypatch
):
    chosen = api.choose_runs

    def choose(*arguments, **options):
        found = chosen(*arguments, **options)
        held.append(synthetic.RunWriter.resume(runs / "dead"))
        return found

    held = []
    monkeypatch.setattr(api, "choose_runs", choose)
    code, out, err = run_command(runs, "--prune", "--failed", "--yes")
    assert code == 2
    assert f"{runs / 'bad'}: removed\n1 of 2 done\n" in out
    assert err.startswith(f"error: {runs / 'dead'}: in use: process ")
    held[0].end(held[0].info.ended("interrupted"))
    assert names(runs) == ["dead", "good", "old"]


def test_keyframes_but_the_last_are_dropped(run_command, runs):
    code, out, err = run_command(runs, "--prune", "--keyframes", "--older-than", "7d", "--yes")
    assert (code, err) == (0, "")
    assert f"{runs / 'old'}: 2 keyframes removed" in out
    assert f"{runs / 'bad'}: 1 keyframe removed" in out
    assert names(runs) == ["bad", "dead", "good", "old"]
    assert names(runs / "old" / "keyframes") == ["step-000006.safetensors"]
    assert len(names(runs / "good" / "keyframes")) == 3
    assert "2 of 2 done" in run_command(runs, "--prune", "--keyframes", "--yes")[1]


class Terminal(io.StringIO):
    """A keyboard."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("answer", "code", "left"),
    [("y\n", 0, ["good", "old"]), ("n\n", 1, None), ("\n", 1, None)],
)
def test_removal_is_asked_for(run_command, runs, monkeypatch, answer, code, left):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    found = run_command(runs, "--prune", "--failed")
    assert found[0] == code
    assert re.search(r"Remove 2 runs, \d+ kB\? \[y/N\]", found[2])
    assert "dead" in found[2]
    assert "good" not in found[2]
    assert names(runs) == (left or ["bad", "dead", "good", "old"])
    assert ("nothing was removed" in found[2]) == (code == 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--prune", "--failed"],
            r"this would remove 2 runs, \d+ kB; nothing was removed: add --yes",
        ),
        (
            ["--prune", "--keyframes"],
            "the keyframes but the last of 4 runs; nothing was removed: add --yes",
        ),
        (["--prune"], r"say which runs: --keep N, --failed, --older-than AGE; or --keyframes"),
        (["--prune", "--yes"], "say which runs: "),
        (["--failed"], "--keep, --failed, --older-than, --keyframes and --yes need --prune"),
        (["--yes"], "need --prune"),
        (["--prune", "--older-than", "soon"], "'soon' is no age; write it as 90m, 12h, 7d or 4w"),
        (["--prune", "--keep", "-1"], "-1 is not in the range x>=0"),
    ],
)
def test_wrong_options_remove_nothing(run_command, runs, monkeypatch, options, message):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, out, err = run_command(runs, *options)
    assert (code, out) == (2, "")
    assert re.search(message, " ".join(err.split())), err
    assert names(runs) == ["bad", "dead", "good", "old"]


def test_json_of_what_was_removed(run_command, runs):
    code, out, _ = run_command(runs, "--prune", "--failed", "--older-than", "7d", "--yes", "--json")
    assert code == 0
    assert json.loads(out) == [{"run": str(runs / "bad"), "removed": "removed"}]


def test_directory_with_other_files_is_said_to_stay(run_command, runs):
    (runs / "bad" / "notes.txt").write_text("mine")
    _, out, _ = run_command(runs, "--prune", "--failed", "--older-than", "7d", "--yes")
    assert f"{runs / 'bad'}: removed; other files in its directory stay" in out
    assert names(runs / "bad") == ["notes.txt"]


def test_ages():
    ages = {"90m": 5400, "12 h": 43200, "7d": 604800, "4W": 2419200}
    for text, seconds in ages.items():
        assert Age().convert(text, None, None).total_seconds() == seconds
    for text in ("", "7", "d", "-1d", "7days", "999999d"):
        with pytest.raises(click.BadParameter):
            Age().convert(text, None, None)


def test_in_python(runs):
    found = api.list_runs(runs)
    assert [run.name for run in found][:2] == ["good", "dead"]
    assert api.choose_runs(found, keep=0, now=datetime(2020, 1, 1, tzinfo=UTC)) == found
    assert api.drop_keyframes(runs / "good") == 2
    assert api.remove_run(runs / "good")
    with pytest.raises(RunError):
        api.remove_run(runs / "good")


def test_help_is_complete():
    text = command.get_help(click.Context(command, info_name="opgraph runs"))
    for option in ("--json", "--prune", "--keep", "--failed", "--older-than", "--keyframes"):
        assert option in text
