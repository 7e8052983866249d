"""`opgraph lesson`, as typed."""

import csv

import numpy as np
import pytest

import opgraph as package

pytestmark = pytest.mark.tf

HOSTILE = '"=cmd</script><script>alert(1)</script>"'
NETWORK = f"""image: Input(shape=(8, 8, 1)) -> conv[filters=2] -> relu -> flatten
flatten -> {HOSTILE}: Dense -> softmax
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "small.txt"
    path.write_text(NETWORK, encoding="utf-8")
    return path


def test_a_graph_is_trained_and_told(opgraph, file, tmp_path):
    words = ("lesson", file, "-o", tmp_path / "a.html", "--steps", "4", "--run-dir", tmp_path / "r")
    code, out, err = opgraph(*words)
    assert (code, out) == (0, "")
    assert err.splitlines()[-3:] == [
        f"wrote {tmp_path / name}" for name in ("a.html", "a.csv", "a.npz")
    ]
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>How small learns</title>" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as rows:
        cells = [cell for row in csv.reader(rows) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    assert len(package.open_run(tmp_path / "r").steps) == 4


def test_a_run_is_told_as_it_is(opgraph, file, tmp_path):
    run = package.trace(file, "digits", output=tmp_path / "run", steps=3, batch_size=4)
    words = ("lesson", run.path, "-o", tmp_path / "b.html", "--lang", "zh")
    code, _, err = opgraph(*words, "--worksheet", tmp_path / "n.npz")
    assert code == 0
    assert [line.rpartition("/")[2] for line in err.splitlines()[-3:]] == [
        "b.html",
        "n.csv",
        "n.npz",
    ]
    assert "small 是怎样学习的" in (tmp_path / "b.html").read_text(encoding="utf-8")
    code, _, err = opgraph(*words, "--steps", "9", "--data", "digits")
    assert code == 2
    assert "a recorded training is told as it is, without --steps, --data" in err
    with np.load(tmp_path / "n.npz", allow_pickle=False) as arrays:
        assert arrays["conv/kernel"].shape == (3, 3, 1, 2)


def test_bad_input_is_one_line_and_leaves_nothing(opgraph, file, tmp_path):
    target = tmp_path / "c.html"
    for words, message in (
        (("lesson", file, "-o", tmp_path / "c.pdf"), "expected a file that ends in .html"),
        (
            ("lesson", file, "-o", target, "--worksheet", "x.txt"),
            "a worksheet is a .csv and an .npz",
        ),
        (("lesson", file, "-o", target, "--lang", "fr"), "expected one of en, zh, received 'fr'"),
        (("lesson", tmp_path / "none.txt", "-o", target), "none.txt"),
        (("lesson", file, "-o", target, "--data", "nothing.npz"), "nothing.npz"),
    ):
        code, out, err = opgraph(*words)
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
