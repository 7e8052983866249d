"""Commands that need no TensorFlow: output, exit codes, help."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from opgraph.cli.main import COMMANDS

SAMPLES = Path(__file__).parents[2] / "sample_graphs"
CNN = SAMPLES / "cnn.txt"
GOOD = sorted(path for path in SAMPLES.iterdir() if path.is_file())
BROKEN = sorted((SAMPLES / "broken").iterdir())


def process(*arguments, **environment):
    """Run opgraph as a process of its own."""
    command = [sys.executable, "-m", "opgraph", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "100", **environment}
    return subprocess.run(command, capture_output=True, env=env, check=False)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_samples_pass_every_command(opgraph, path, tmp_path):
    assert opgraph("check", path)[0] == 0
    assert opgraph("show", path)[0] == 0
    assert opgraph("draw", path, "-o", tmp_path / "g.svg")[0] == 0
    ET.parse(tmp_path / "g.svg")
    for suffix in ("txt", "json", "dot", "mmd", "py"):
        assert opgraph("convert", path, tmp_path / f"g.{suffix}")[0] == 0
    assert opgraph("check", tmp_path / "g.txt")[0] == 0
    assert opgraph("check", tmp_path / "g.json")[0] == 0


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.name)
def test_broken_samples_end_in_2_with_a_place(opgraph, path, command):
    code, _, err = opgraph(command, path)
    assert code == 2
    assert f"{path}:" in err
    assert "^" in err
    assert "Traceback" not in err


def test_check_counts(opgraph):
    assert opgraph("check", CNN) == (0, "cnn: 18 nodes, 17 edges, nothing wrong\n", "")


def test_check_as_json(opgraph):
    code, out, _ = opgraph("check", SAMPLES / "broken" / "cycle.txt", "--json")
    data = json.loads(out)
    assert code == 2
    assert data["ok"] is False
    assert data["errors"][0]["line"] == 5
    assert "conv2 → add → gap → conv2" in data["errors"][0]["problem"]
    code, out, _ = opgraph("check", CNN, "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "nodes": 18, "edges": 17, "errors": []})


def test_show_as_json_has_the_figures_of_the_sample(opgraph):
    _, out, _ = opgraph("show", CNN, "--json")
    data = json.loads(out)
    nodes = {node["name"]: node for node in data["nodes"]}
    assert data["totals"]["params"] == {"value": 111_946, "nodes_not_counted": 0}
    assert data["totals"]["trainable_params"]["value"] == 111_498
    assert nodes["conv2d_1"]["weights"]["kernel"] == {"shape": [3, 3, 3, 32], "trainable": True}
    assert nodes["logits"]["output_shapes"] == [[10]]
    assert nodes["conv2d_1"]["label"] == "卷积层 1"


def test_settings_reach_the_table(opgraph):
    _, out, _ = opgraph("show", CNN, "--set", "conv2d_1.filters=7", "--json")
    nodes = {node["name"]: node for node in json.loads(out)["nodes"]}
    assert nodes["conv2d_1"]["attributes"]["filters"] == {"value": 7, "from": "given"}


def test_input_shape_and_classes_reach_the_table(opgraph):
    arguments = ("--input-shape", "28x28x1", "--classes", "7", "--json")
    nodes = {n["name"]: n for n in json.loads(opgraph("show", CNN, *arguments)[1])["nodes"]}
    assert nodes["input_layer"]["output_shapes"] == [[28, 28, 1]]
    assert nodes["softmax_output"]["output_shapes"] == [[7]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shwo", "x"], "no command 'shwo'; did you mean 'show'?"),
        (["frobnicate"], "no command 'frobnicate'; commands: check, show,"),
        (["show"], "Missing argument 'FILE'"),
        (["show", "absent.txt"], "error: absent.txt: cannot be read: No such file or directory"),
        (["show", CNN, "--input-shape", "ab"], "'ab' is no shape; write it as 32,32,3 or 32x32x3"),
        (["show", CNN, "--classes", "0"], "0 is not in the range x>=1"),
        (["show", CNN, "--set", "nope"], "nope"),
        (["show", CNN, "--set", "conv9.filters=3"], "no node is called 'conv9'"),
        (["ops", "Conv2"], "unknown op 'Conv2'\n   did you mean 'Conv2D'? All names: opgraph ops"),
        (["convert", CNN, "x.docx"], "no format to write has the suffix '.docx'"),
        (["draw", CNN, "--theme", "pink"], "'pink' is not one of 'light', 'dark'"),
        (
            ["trace", CNN, "--steps", "3", "--epochs", "2"],
            "--steps and --epochs exclude each other",
        ),
        (["evaluate", "absent"], "no run is recorded here"),
    ],
    ids=lambda value: " ".join(map(str, value))[-30:] if isinstance(value, list) else "",
)
def test_bad_input_is_one_message_and_2(opgraph, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = opgraph(*arguments)
    assert code == 2
    assert message in err
    assert out == ""
    assert not list(tmp_path.iterdir())


def test_draw_a_misfit_draws_and_ends_in_2(opgraph, tmp_path):
    path = SAMPLES / "broken" / "shape_mismatch.txt"
    code, _, err = opgraph("draw", path, "-o", tmp_path / "x.svg")
    assert code == 2
    assert "do not fit" in err
    assert "#B91C1C" in (tmp_path / "x.svg").read_text(encoding="utf-8").upper()


def test_draw_to_stdout_is_only_svg(opgraph):
    code, out, _ = opgraph("draw", CNN, "-o", "-")
    assert code == 0
    assert ET.fromstring(out).tag.endswith("svg")


def test_stdin_is_a_file_too():
    command = [sys.executable, "-m", "opgraph", "check", "-"]
    text = "x: Input(shape=(4,)) -> fc\n"
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert result.stdout == "stdin: 2 nodes, 1 edge, nothing wrong\n"
    result = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: nothing came from stdin")


def test_a_console_without_chinese_shows_names_and_no_traceback():
    result = process("show", CNN, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 0
    text = result.stdout.decode("ascii")
    assert "conv2d_1" in text
    assert "32x32x3" in text
    result = process("check", SAMPLES / "broken" / "cycle.txt", PYTHONIOENCODING="ascii")
    assert result.returncode == 2
    assert "conv2 -> add -> gap -> conv2" in result.stderr.decode("ascii")


def test_no_colour_where_none_is_wanted():
    result = process("show", CNN, NO_COLOR="1", FORCE_COLOR="")
    assert b"\x1b[" not in result.stdout


def test_a_closed_pipe_is_no_error():
    script = f'"{sys.executable}" -m opgraph show "{CNN}" | head -1'
    result = subprocess.run(script, shell=True, capture_output=True, check=False)
    assert b"Traceback" not in result.stderr
    assert b"BrokenPipe" not in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(opgraph, command):
    code, out, _ = opgraph(command, "--help")
    assert code == 0
    said = " ".join(out.split())
    assert f"Example: opgraph {command}" in said or f"Examples: opgraph {command}" in said


def test_help_lists_all_commands(opgraph):
    _, out, _ = opgraph("--help")
    assert all(name in out for name in COMMANDS)
    assert opgraph("--version")[1].startswith("opgraph 0.")


def test_ops_lists_and_explains(opgraph):
    _, out, _ = opgraph("ops", "--json")
    listed = json.loads(out)
    assert {"Conv2D", "LSTM", "MultiHeadAttention"} <= {item["op"] for item in listed}
    _, out, _ = opgraph("ops", "卷积", "--json")
    assert json.loads(out)["op"] == "Conv2D"
    _, out, _ = opgraph("ops", "Conv2D")
    assert "kernel_size" in out
    assert "window height and width" in out


def test_a_garbage_file_ends_quickly(opgraph, tmp_path):
    import random

    noise = random.Random(0).randbytes(10_000_000)
    (tmp_path / "noise.txt").write_bytes(noise)
    code, _, err = opgraph("check", tmp_path / "noise.txt")
    assert code == 2
    assert len(err) < 4_000


def test_draw_colours_by_a_fact(opgraph, tmp_path):
    path = tmp_path / "g.svg"
    code, _, err = opgraph(
        "draw", CNN, "-o", path, "--annotate", "shape, flops", "--color-by", "flops"
    )
    assert code == 0
    assert "wrote" in err
    text = path.read_text(encoding="utf-8")
    assert "9.45 MFLOP" in text
    assert "logarithmic" in text
    assert "864 + 32" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([CNN, "--annotate", "flosp"], "did you mean 'flops'?"),
        ([CNN, "--color-by", "grad_norm"], "name a recorded training: --run RUN"),
        ([CNN, "--step", "3"], "a graph has no steps"),
        ([CNN, "--run", "nowhere"], "nowhere"),
        ([], "name a FILE to draw, or a recorded training: --run RUN"),
    ],
)
def test_draw_that_cannot_be_done_writes_nothing(opgraph, tmp_path, words, message):
    code, _, err = opgraph("draw", *words, "-o", tmp_path / "x.svg")
    assert code == 2
    assert message in " ".join(err.split())
    assert not (tmp_path / "x.svg").exists()
