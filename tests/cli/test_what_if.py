"""`opgraph branch` and `opgraph requery`, as typed."""

import csv
import json

import pytest

from opgraph.api import trace

pytestmark = pytest.mark.tf
NETWORK = """
x: Input(shape=(4,)) -> d[units=8] -> r -> logits[units=4] -> softmax
d: Dense
r: ReLU
logits: Dense
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    options = {"steps": 12, "batch_size": 16, "keyframe_every": 5}
    return trace(NETWORK, "synthetic:blobs:100", output=path, **options).path


def test_branch(opgraph, run, tmp_path):
    made = tmp_path / "b"
    words = ["--set", "lr=1e-4", "--set", "optimizer=sgd(momentum=0.9)", "--set", "clip_norm=none"]
    code, out, err = opgraph("branch", run, "--step", 5, *words, "-o", made)
    assert code == 0
    assert "finished: 12 steps in" in out
    assert err == "the new optimizer begins with empty slots; its count of updates goes on\n"
    info = json.loads((made / "run.json").read_text())
    assert info["parent"]["changes"] == {
        "learning_rate": [0.003, 1e-4],
        "optimizer": ["adam", "sgd(momentum=0.9)"],
        "clip_norm": [None, None],
    }
    assert info["command"][0] == "opgraph"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "lr"], "--set takes NAME=VALUE, such as lr=1e-4; received 'lr'"),
        (["--set", "lr=x"], "error: learning_rate: expected a positive number, received 'x'\n"),
        (["--set", "batch_size=3"],
         "error: branch: 'batch_size' cannot be changed in the middle of a training\n"
         "   what can: learning_rate, schedule, optimizer, weight_decay, clip_value, clip_norm,"
         " clip_global_norm, order_seed, freeze, augment, label_smoothing, steps\n"),
        (["--set", "ordr_seed=3"], "   did you mean 'order_seed'?\n"),
        (["--zero", "rr"], "error: zero: no node is called 'rr'\n"),
        (["--zero", "softmax"],
         "error: zero 'softmax': an output of the network\n"),
        (["--step", "13"], "the run has no state after step 13; it has those from 0 to 12\n"),
        (["--step", "12"],
         "branch: the branch would have 12 steps, of which 12 are over\n   say more steps\n"),
    ],
)  # fmt: skip
def test_branch_refuses(opgraph, run, tmp_path, words, said):
    code, out, err = opgraph("branch", run, "--step", 5, *words, "-o", tmp_path / "b")
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "b").exists()


def test_branch_does_not_replace_unasked(opgraph, run, tmp_path):
    assert opgraph("branch", run, "--step", 5, "-o", tmp_path / "b")[0] == 0
    code, _, err = opgraph("branch", run, "--step", 5, "-o", tmp_path / "b")
    assert code == 2
    assert "holds a run already" in err
    code, _, err = opgraph("branch", run, "--step", 5, "-o", run, "--overwrite")
    assert code == 2
    assert "a branch needs a directory of its own" in err


def test_requery_from_the_record(opgraph, run):
    code, out, err = opgraph("requery", run, "output.rms", "--node", "r,d", "--steps", "3:4")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["step", "node", "output.rms"] in rows
    assert [row[:2] for row in rows if row and row[0] in "34"] == [
        *(["3", "d"], ["3", "r"], ["4", "d"], ["4", "r"]),
    ]
    assert err == "answered from the record; nothing is computed again\n"


def test_requery_computes_again(opgraph, run, tmp_path):
    path = tmp_path / "x.csv"
    words = ["requery", run, "max(output)", "--node", "r", "--steps", "7:"]
    code, out, err = opgraph(*words, "-o", path)
    assert (code, out) == (0, "")
    assert err.startswith("computing 7 steps again to have 6 steps: less than a second beyond")
    assert err.endswith(f"wrote {path} (6 rows)\n")
    table = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    code, out, _ = opgraph(*words, "--json")
    assert [
        {**row, "step": int(row["step"]), "value": float(row["value"])} for row in table
    ] == json.loads(out)


def test_requery_writes_words_for_what_json_lacks(opgraph, run):
    _, out, _ = opgraph(
        "requery", run, "1 / (step - 2) + log(3 - step)", "--steps", "2:4", "--json"
    )
    assert [row["value"] for row in json.loads(out)] == ["inf", "-inf", "nan"]


def test_long_tables_are_cut(opgraph, run):
    _, out, _ = opgraph("requery", run, "output.rms", "--node", "*")
    assert out.splitlines()[-1] == "20 more rows: --json, or -o FILE.csv"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mean(outptu)", "--node", "r"],
         "expression:1:6  'outptu' is no figure of the step or of node 'r'\n"
         "   1 │ mean(outptu)\n            ^^^^^^\n   did you mean 'output'?\n"),
        (["output.rms"],
         "expression:1:1  of which node is 'output.rms'?\n   1 │ output.rms\n       ^^^^^^^^^^\n"
         "   name its node (conv.output), or choose nodes\n"),
        (["loss", "--steps", "20:30"], "the run has none of these steps; it has 1 to 12\n"),
        (["output.rms", "--node", "e"], "no node matches 'e'\n"),
        (["loss", "-o", "x.txt"], "-o writes a CSV file: name it *.csv; received 'x.txt'\n"),
    ],
)  # fmt: skip
def test_requery_refuses(opgraph, run, words, said):
    code, out, err = opgraph("requery", run, *words)
    assert (code, out) == (2, "")
    assert err.endswith(said)
