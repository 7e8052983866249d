"""Commands that train: a run from the command line, and what is said about it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.tf

NETWORK = """
image: Input(shape=(8, 8, 1)) -> conv[filters=8] -> bn[momentum=0.8] -> relu -> max_pool
max_pool -> flatten -> fc -> softmax
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    (path / "net.txt").write_text(NETWORK, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def traced(folder):
    """A short training as a process of its own."""
    command = [sys.executable, "-m", "opgraph", "trace", "net.txt", "--steps", "40", "--lr", "0.01",
               "--set", "conv.filters=6", "-o", "run"]  # fmt: skip
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}  # some set it, and TensorFlow still talks
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=quiet
    )
    assert result.returncode == 0, result.stderr
    return result


def test_the_summary_names_accuracy_files_and_next_commands(traced):
    assert "finished: 40 steps in" in traced.stdout
    assert "test accuracy 0." in traced.stdout
    for name in ("run.json", "run.toml", "graph.svg", "weight", "keyframes"):
        assert name in traced.stdout
    assert "opgraph evaluate run" in traced.stdout


def test_stderr_is_quiet_where_it_is_no_terminal(traced):
    assert traced.stderr == ""


def test_the_next_commands_work(traced, folder, opgraph, monkeypatch):
    monkeypatch.chdir(folder)
    for line in traced.stdout.splitlines():
        if line.startswith("  opgraph "):
            assert opgraph(*line.split()[1:])[0] == 0, line


def test_the_run_says_how_to_make_it_again(traced, folder):
    config = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    assert config["command"][:3] == ["opgraph", "trace", "net.txt"]
    assert "conv.filters=6" in config["command"]


def same_run(one, other):
    """Whether two runs hold the same bits, but for clocks."""
    tables = [{p.relative_to(run).as_posix() for p in run.glob("*/*.parquet")}
              for run in (one, other)]  # fmt: skip
    assert tables[0] == tables[1]
    for name in tables[0]:
        rows = [pq.ParquetFile(run / name).read().to_pylist() for run in (one, other)]
        for row in (row for table in rows for row in table):
            for clock in ("step_time", "input_time", "time"):
                row.pop(clock, None)
        assert repr(rows[0]) == repr(rows[1]), name
    frames = [sorted(run.glob("keyframes/*.safetensors")) for run in (one, other)]
    assert len(frames[0]) == len(frames[1]) > 1
    for before, after in zip(*frames, strict=True):
        arrays = load_file(before), load_file(after)
        assert {n: x.tobytes() for n, x in arrays[0].items()} == {
            n: x.tobytes() for n, x in arrays[1].items()
        }


RICH = (
    *("--epochs", "1", "--batch-size", "100", "--accumulate", "2", "--seed", "5"),
    *("--optimizer", "adamw(weight_decay=1e-3)", "--schedule", "cosine(warmup=3)", "--lr", "0.01"),
    *("--clip-global-norm", "1", "--ema", "0.9", "--class-weights", "balanced"),
    *("--label-smoothing", "0.1", "--metrics", "accuracy,top_5_accuracy", "--augment", "shift=1"),
    *("--freeze", "bn", "--validate-every", "5", "--keep-best", "val_loss"),
    *("--early-stopping", "patience=9, monitor=val_loss", "--precision", "mixed_float16"),
    *("--set", "conv.kernel_initializer=he_normal", "--set", "fc.kernel_regularizer=l2"),
    *("--measure", "full", "--measure", "*.histogram:every=4", "--sites", "conv, fc*"),
    *("--keyframe-every", "4"),
)


@pytest.mark.parametrize("options", [(), pytest.param(RICH, marks=pytest.mark.slow)])
def test_settings_and_command_of_a_run_make_it_again(
    traced, folder, opgraph, monkeypatch, tmp_path, options
):
    monkeypatch.chdir(folder)
    first = folder / "run"
    if options:
        first = tmp_path / "rich"
        assert opgraph("trace", "net.txt", "--weights", "run@20", *options, "-o", first)[0] == 0
    config = json.loads((first / "run.json").read_text(encoding="utf-8"))
    words = config["command"][1:] if not options else None
    assert opgraph("trace", "--config", first / "run.toml", "-o", tmp_path / "by_config")[0] == 0
    same_run(first, tmp_path / "by_config")
    if words is not None:
        assert opgraph(*words, "-o", tmp_path / "by_command")[0] == 0
        same_run(first, tmp_path / "by_command")


def test_overrides_reach_the_model(traced, folder):
    shapes = {
        (row["node"], row["weight"]): row["shape"]
        for row in pq.read_table(folder / "run" / "sites.parquet").to_pylist()
        if row["kind"] == "weight"
    }
    assert shapes["conv", "kernel"] == [3, 3, 1, 6]


def test_evaluate_prints_accuracy_and_obeys_the_bar(traced, folder, opgraph):
    code, out, _ = opgraph("evaluate", folder / "run", "--json")
    result = json.loads(out)
    assert code == 0
    assert np.trace(result["confusion"]) / result["size"] == pytest.approx(result["accuracy"])
    assert opgraph("evaluate", folder / "run", "--min-accuracy", "0")[0] == 0
    code, out, _ = opgraph("evaluate", folder / "run", "--min-accuracy", "1")
    assert code == 1
    assert f"accuracy {result['accuracy']:.4f}" in out


@pytest.mark.parametrize(
    ("step", "message"),
    [("best", "no best state was kept"), ("last", "'last' is no step; write a number, or best")],
)
def test_a_step_that_there_is_not(traced, folder, opgraph, step, message):
    code, _, err = opgraph("evaluate", folder / "run", "--step", step)
    assert code == 2
    assert message in err
    assert opgraph("evaluate", folder / "run", "--step", "0")[0] == 0


def test_predict_classifies_an_image(traced, folder, opgraph):
    from PIL import Image
    from sklearn.datasets import load_digits

    pixels = (load_digits().images[0] / 16 * 255).round().astype(np.uint8)
    Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR).save(folder / "zero.png")
    code, out, _ = opgraph("predict", folder / "run", folder / "zero.png", "--json")
    (answer,) = json.loads(out)
    assert code == 0
    assert answer["class"] == "0"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "zero.png" in opgraph("predict", folder / "run", folder / "zero.png")[1]


def test_a_second_run_needs_overwrite(traced, folder, opgraph):
    arguments = ("trace", folder / "net.txt", "--steps", "2", "-o", folder / "run")
    code, _, err = opgraph(*arguments)
    assert code == 2
    assert "--overwrite" in err or "overwrite" in err


def test_dry_run_says_what_it_takes(folder, opgraph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = opgraph("trace", folder / "net.txt", "--steps", "40", "--dry-run")
    assert code == 0
    assert "8 outputs" in out
    assert "nothing was trained and nothing was written" in out
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_ends_in_2_with_the_step(folder, opgraph, tmp_path):
    options = ["--lr", "1e30", "--optimizer", "sgd", "--schedule", "constant", "--steps", "30"]
    code, _, err = opgraph("trace", folder / "net.txt", *options, "-o", tmp_path / "r")
    assert code == 2
    assert err.startswith("error: step ")
    assert "the loss is nan" in err
    assert json.loads((tmp_path / "r" / "run.json").read_text())["status"] == "failed"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_at_a_step_and_the_run_can_go_on(folder, opgraph, tmp_path, number):
    target = tmp_path / "long"
    command = [sys.executable, "-m", "opgraph", "trace", "net.txt", "--steps", "500",
               "--keyframe-every", "50", "--json", "-o", str(target)]  # fmt: skip
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: any(target.glob("steps/part-*.parquet")), child)
    child.send_signal(number)
    out, _ = child.communicate(timeout=120)
    summary = json.loads(out)
    assert child.returncode == 130
    assert summary["status"] == "interrupted"
    last = summary["steps"]
    assert steps_in(target) == list(range(1, last + 1))
    assert (target / "keyframes" / f"step-{last:06d}.safetensors").exists()
    code, out, _ = opgraph("trace", "--resume", target)
    assert code == 0
    assert "finished: 500 steps" in out
    assert steps_in(target) == list(range(1, 501))
    code, _, err = opgraph("trace", "--resume", target)
    assert code == 2
    assert err == f"error: {target}: the run is finished\n   ask for more steps to go on\n"


def steps_in(run):
    """The steps whose numbers are on disk, in the order of the files."""
    parts = [pq.ParquetFile(path).read() for path in sorted(run.glob("steps/*.parquet"))]
    return [step for part in parts for step in part.column("step").to_pylist()]


def test_a_run_that_is_not_there_cannot_go_on(opgraph, tmp_path):
    code, _, err = opgraph("trace", "--resume", tmp_path / "none")
    assert code == 2
    assert err == (
        f"error: {tmp_path}/none/run.json: no run is recorded here\n"
        "   opgraph trace FILE --data digits -o DIRECTORY records one\n"
    )
    assert not list(tmp_path.iterdir())


def test_verify_says_that_measuring_changes_nothing(folder, opgraph):
    code, out, _ = opgraph("verify", "traced", folder / "net.txt", "--steps", "3")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    for way in ("off", "norms", "default", "full", "tensors"):
        assert [way, "yes"] in rows
    # 6 weights, 2 moving statistics; a counter, and two slots for each weight
    assert "21 variables of model and optimizer after 3 steps, each against the bare step" in out
    code, out, _ = opgraph("verify", "traced", folder / "net.txt", "--steps", "2", "--json",
                           "--accumulate", "2", "--optimizer", "momentum")  # fmt: skip
    found = json.loads(out)
    assert code == 0
    assert found["equal"] is True
    assert (found["steps"], found["jit"]) == (2, False)
    assert {way["variables"] for way in found["ways"]} == {6 + 2 + 1 + 6}


def test_verify_names_what_differs(folder, opgraph, monkeypatch):
    """One weight is one bit away where everything is measured."""
    from opgraph.runtime import verifying

    state = verifying._state

    def other(training, way, batches):
        found = state(training, way, batches)
        if way == "full":
            kernel = found["model/fc/kernel"]
            kernel.flat[0] = np.nextafter(kernel.flat[0], np.float32(9))
        return found

    monkeypatch.setattr(verifying, "_state", other)
    code, out, _ = opgraph("verify", "traced", folder / "net.txt", "--steps", "1")
    assert code == 1
    (row,) = [line.split() for line in out.splitlines() if " NO " in line]
    assert row[:3] == ["full", "NO", "model/fc/kernel"]
    assert 0 < float(row[3]) < 1e-6


def wait_for(condition, child, seconds=180):
    """Until something holds; fails if the child ends first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert child.poll() is None, "the training ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)
