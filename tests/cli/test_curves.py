"""`opgraph curves` and `opgraph export`, as typed."""

import importlib
import importlib.util
import json
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[1] / "render" / "curves" / "recorded.py"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(RECORDED).write_run(tmp_path_factory.mktemp("cli") / "run")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    commands = importlib.import_module("opgraph.cli.main").COMMANDS
    for name in ("curves", "export"):
        monkeypatch.setitem(commands, name, commands.get(name, ""))


def test_a_table_of_first_and_last(opgraph, run):
    code, out, _ = opgraph("curves", run, "--what", "grad_norm", "--node", "fc")
    assert code == 0
    assert "of the gradient of the loss, steps 1 to 12" in out
    head, *rows = [line.split() for line in out.splitlines() if "fc/" in line or "first" in line]
    assert head[:6] == ["weight.grad_norm", "first", "min", "median", "max", "last"]
    assert [row[0] for row in rows] == ["fc/kernel", "fc/bias"]
    assert len(rows[0]) == 7
    assert set(rows[0][6]) <= set("▁▂▃▄▅▆▇█")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_console(opgraph, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = opgraph("curves", run, "--what", "slot.norm", "--what", "loss")
    rows = [line for line in out.splitlines() if line.strip().startswith(("fc/", "run "))]
    assert len(rows) == 2
    assert all(len(row) <= width and "…" not in row for row in rows)
    assert out.count("last") == 2


def test_nan_is_said(opgraph, run):
    _, out, _ = opgraph("curves", run, "--what", "loss")
    assert "run: 2 x NaN or Inf" in out


def test_a_console_without_bars(opgraph, run, monkeypatch):
    monkeypatch.setattr("opgraph.cli.curves.can_print", lambda text: False)
    code, out, _ = opgraph("curves", run, "--what", "loss")
    assert code == 0
    assert "trend" not in out


def test_json(opgraph, run):
    _, out, _ = opgraph("curves", run, "--what", "loss", "--steps", "6:8", "--json")
    series = json.loads(out)["series"][0]
    assert series["steps"] == [6, 7, 8]
    assert series["values"][1] == "nan"
    assert (series["what"], series["nonfinite"]) == ("loss", 1)


def test_the_list(opgraph, run):
    _, out, _ = opgraph("curves", run, "--list")
    assert "weight.update_ratio" in out
    _, out, _ = opgraph("curves", run, "--list", "--json")
    assert "steps.accuracy" in [row["name"] for row in json.loads(out)]


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_pictures(opgraph, run, tmp_path, suffix):
    target = tmp_path / f"x.{suffix}"
    code, out, err = opgraph(
        "curves", run, "--what", "loss, output.rms", "-o", target, "--theme", "dark",
        "--size", "640x480", "--smooth", "3", "--log", "on")  # fmt: skip
    assert (code, out) == (0, "")
    assert err == f"wrote {target} (5 curves)\n"
    assert target.stat().st_size > 2000


@pytest.mark.parametrize(("words", "message"), [
    (["--what", "rms"], "error: 'rms' can be output.rms or output_grad.rms or slot.rms\n"
                        "   write the name in full\n"),
    (["--what", "acuracy"], "error: no quantity is called 'acuracy'\n"
                            "   did you mean 'accuracy'?\n"),
    (["-o", "x.jpg"], "error: x.jpg: curves are drawn as .svg, .png or .pdf, received the suffix"
                      " '.jpg'\n"),
    (["--steps", "a:b"], "'a:b' is no range of steps; write it as 100:200"),
    (["--steps", "9:3"], "'9:3' ends before it begins"),
    (["--size", "big"], "'big' is no size; write it as 760x400"),
    (["--size", "10x10"], "'10x10' is out of bounds: 200x100 to 8000x8000")])  # fmt: skip
def test_wrong_words(opgraph, run, words, message):
    code, out, err = opgraph("curves", run, *words)
    assert (code, out) == (2, "")
    assert err == message if message.endswith("\n") else message in err


def test_no_such_run(opgraph, tmp_path):
    code, _, err = opgraph("curves", tmp_path / "none")
    assert code == 2
    assert err.startswith(f"error: {tmp_path / 'none'}")
    assert "no run is recorded here" in err


@pytest.mark.parametrize(("to", "name", "files"), [
    ("csv", "out", 5), ("tensorboard", "out", 1), ("netron", "x.json", 1),
    ("model-explorer", "x.json", 1)])  # fmt: skip
def test_export(opgraph, run, tmp_path, to, name, files):
    code, out, err = opgraph("export", run, "--to", to, "-o", tmp_path / name)
    assert (code, out) == (0, "")
    assert err.count("wrote ") == files
    assert " numbers\n" in err
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == files


def test_export_says_what_is_wrong(opgraph, run, tmp_path):
    code, _, err = opgraph("export", run, "--to", "tensorbord", "-o", tmp_path / "x")
    assert (code, err) == (
        2, "error: no format is called 'tensorbord'\n   did you mean 'tensorboard'?\n")  # fmt: skip
    assert not list(tmp_path.iterdir())
