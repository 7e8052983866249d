"""`opgraph follow`, as typed."""

import json

import pytest

import opgraph as package
from opgraph.api import following

pytestmark = pytest.mark.tf

NETWORK = "image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> relu -> flatten -> fc -> softmax"
FORECAST = (
    "computing 4 steps again: less than a second beyond starting TensorFlow and"
    " building the network\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    return package.trace(NETWORK, "digits", output=path, steps=12, batch_size=8)


def test_a_weight_in_the_terminal(opgraph, run):
    code, out, err = opgraph("follow", run.path, "conv/kernel[1,1,0,2]", "--steps", "3..6")
    assert (code, err) == (0, FORECAST)
    lines = out.splitlines()
    assert lines[0] == "The life of conv/kernel[1, 1, 0, 2]"
    assert "The steps were computed again and are, bit for bit, the recorded ones." in lines[1]
    assert "  4 of 4 steps" in lines


def test_json(opgraph, run):
    _, out, _ = opgraph("follow", run.path, "fc/bias[1]", "--steps", "2:4", "--json")
    found = json.loads(out)
    assert (found["element"], found["index"]) == ("fc/bias[1]", [1])
    assert found["steps"] == run.follow("fc/bias[1]", steps=range(2, 5)).columns()


def test_files_are_named(opgraph, run, tmp_path):
    words = ("follow", run.path, "--output", "relu[0,3,3,1]", "--steps", "4")
    code, out, err = opgraph(*words, "-o", tmp_path / "x.png", "--csv", tmp_path / "x.csv")
    assert (code, out) == (0, "")
    assert err.splitlines()[1:] == [f"wrote {tmp_path / 'x.png'}", f"wrote {tmp_path / 'x.csv'}"]
    head, row = (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()
    assert head == "step,value,gradient,change,number"
    assert row.startswith("4,")


def test_where_it_would_take_long_the_last_steps_are_followed(run, monkeypatch):
    seconds = following.SECONDS
    told = []
    assert following.choose_steps(run, None, told.append) == tuple(range(1, 13))
    assert len(told) == 1
    monkeypatch.setattr(following, "SECONDS", 1e-9)
    assert following.choose_steps(run, None, told.append) == (12,)
    assert told[1].startswith("all 12 steps would take about 0 s: the last 1 are followed;")
    assert following.choose_steps(run, range(2, 5), told.append) == (2, 3, 4)
    assert seconds == 60


def test_what_cannot_be_meant_ends_in_one_error(opgraph, run, tmp_path):
    code, out, err = opgraph("follow", run.path, "conv/kernel[9,1,0,2]")
    assert (code, out) == (2, "")
    assert err == (
        "error: conv/kernel[9,1,0,2]: axis 0 has places 0 to 2, received 9\n"
        "   the shape is 3 x 3 x 1 x 4\n"
    )
    code, _, err = opgraph("follow", run.path, "fc/bias[0]", "-o", tmp_path / "x.gif")
    assert code == 2
    known = ".svg, .png, .pdf, .txt, .md, .html, .csv"
    assert f"expected a file that ends in {known}, received 'x.gif'" in err
    code, _, err = opgraph("follow", run.path, "fc/bias[0]", "--csv", "x.txt")
    assert code == 2
    assert "--csv writes a CSV file: name it *.csv; received 'x.txt'" in err
    code, _, err = opgraph("follow", run.path, "fc/bias[0]", "--steps", "9..3")
    assert code == 2
    assert "'9..3' ends before it begins" in err


def test_a_run_without_keyframes_cannot_be_followed(opgraph, tmp_path):
    run = package.trace(NETWORK, "digits", output=tmp_path / "r", steps=2, batch_size=8)
    for file in (run.path / "keyframes").iterdir():
        file.unlink()
    code, _, err = opgraph("follow", run.path, "fc/bias[0]")
    assert code == 2
    assert "has no keyframe" in err
