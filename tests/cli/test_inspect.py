"""`opgraph inspect`, as typed."""

import csv
import json

import numpy as np
import pytest

import opgraph as package
from opgraph.api.inspecting import inspect_step

pytestmark = pytest.mark.tf

NETWORK = (
    "image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn -> relu -> max_pool -> flatten"
    " -> drop: Dropout(rate=0.2) -> fc -> softmax"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    return package.trace(
        NETWORK, "digits", output=path, steps=20, keyframe_every=10, measure="norms"
    )


@pytest.fixture(scope="module")
def tensors(run):
    return {step: run.at(step) for step in (12, 15)}


def test_the_nodes_of_a_step(opgraph, run):
    code, out, err = opgraph("inspect", run.path, "--step", "12")
    assert (code, err) == (0, "")
    loss = run.table("steps", steps=12)["loss"][0].as_py()
    head, figures, examples, labels, *rows = out.splitlines()
    assert head == "all tensors at step 12: verified"
    assert figures.startswith(f"loss {loss:.6g}, accuracy ")
    assert examples.startswith("examples ")
    assert examples.endswith(", ... of the training data")
    assert labels.startswith("labels   ")
    names = [row.split()[0] for row in rows if row.startswith(" ") and row[1:2].isalpha()]
    assert names[1:] == run.graph.nodes
    assert "Dropout" in out


def test_the_tensors_of_a_node(opgraph, run):
    _, out, _ = opgraph("inspect", run.path, "--step", "12", "--node", "softmax")
    assert out.startswith("softmax at step 12: verified\n")
    assert "output.grad   not connected" in out
    _, out, _ = opgraph("inspect", run.path, "--step", "12", "--node", "fc")
    for name in ("kernel", "kernel.grad", "kernel.update", "kernel.after", "bias.momentum.before"):
        assert f" {name} " in out


@pytest.mark.parametrize("width", [60, 120])
def test_the_table_fits_the_console(opgraph, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = opgraph("inspect", run.path, "--step", "12", "--node", "fc")
    rows = [row for row in out.splitlines() if row.startswith(" kernel")]
    assert all(len(row) <= width for row in rows)
    numbers = rows[0].split()[1 if width < 100 else 4 :]
    assert all(np.isfinite(float(x.replace(",", ""))) for x in numbers if x not in ("x", "float32"))


def test_one_tensor_and_some_elements(opgraph, run, tensors):
    words = ("inspect", run.path, "--step", "12", "--node", "conv", "--tensor", "kernel.grad")
    _, out, _ = opgraph(*words, "--index", "0,:,0,-1")
    assert out.startswith("conv.kernel.grad[0,:,0,-1] at step 12: verified\n")
    wanted = tensors[12].find("conv", "kernel.grad")[0, :, 0, -1]
    values = json.loads(out[out.rindex("[") :])
    np.testing.assert_allclose(values, wanted, rtol=1e-6)
    assert "█" in out
    counts = [int(line.split()[-1]) for line in out.splitlines() if " to " in line]
    assert (len(counts), sum(counts)) == (12, 3)


def test_many_numbers_are_not_printed(opgraph, run, monkeypatch):
    monkeypatch.setattr("opgraph.cli.inspect.can_print", lambda text: False)
    _, out, _ = opgraph("inspect", run.path, "--step", "12", "--node", "fc", "--tensor", "kernel")
    assert "[" not in out
    assert "█" not in out
    assert "#" in out


def test_against_another_step(opgraph, run, tensors):
    words = ("--node", "fc", "--tensor", "bias", "--json")
    _, out, _ = opgraph("inspect", run.path, "--step", "12", "--against", "15", *words)
    data = json.loads(out)
    assert (data["step"], data["against"], data["verified"]) == (12, 15, True)
    wanted = tensors[15].find("fc", "bias") - tensors[12].find("fc", "bias")
    np.testing.assert_array_equal(np.float32(data["values"]["fc.bias"]), wanted)


def test_json_of_a_step(opgraph, run, tensors):
    _, out, _ = opgraph("inspect", run.path, "--step", "12", "--json")
    data = json.loads(out)
    assert data["examples"] == tensors[12].indices.tolist()
    assert data["labels"] == [tensors[12].labels[0].tolist()]
    assert data["tensors"]["softmax.output.grad"] is None
    assert data["tensors"]["conv.kernel"]["shape"] == [3, 3, 1, 4]
    assert data["values"] == {}


def test_files(opgraph, run, tensors, tmp_path):
    words = ("inspect", run.path, "--step", "12")
    code, out, err = opgraph(*words, "-o", tmp_path / "all.npz")
    assert (code, err) == (0, f"wrote {tmp_path / 'all.npz'} (72 tensors)\n")
    assert out.startswith("all tensors at step 12: verified\n")
    known = {str(name): x for name, x in tensors[12].arrays.items() if x is not None}
    found = np.load(tmp_path / "all.npz")
    assert found.files == list(known)
    assert all(found[name].tobytes() == array.tobytes() for name, array in known.items())
    one = (*words, "--node", "fc", "--tensor", "kernel")
    opgraph(*one, "-o", tmp_path / "x.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), known["fc.kernel"])
    opgraph(*one, "--index", "3,:", "-o", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    np.testing.assert_array_equal(np.float32([row[-1] for row in rows]), known["fc.kernel"][3])


def test_pictures(opgraph, run, tmp_path):
    words = ("inspect", run.path, "--step", "12", "--tensor", "output", "--node")
    code, _, err = opgraph(*words, "image", "-o", tmp_path / "x.svg")
    assert (code, err) == (0, f"wrote {tmp_path / 'x.svg'} (1 tensor)\n")
    text = (tmp_path / "x.svg").read_text()
    assert "<title>image.output at step 12</title>" in text
    assert ">8 x 8; 32 examples, row by row<" in text
    opgraph(*words, "relu", "--index", "3", "--against", "13", "-o", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_what_a_picture_shows(run, tmp_path):
    for node, tensor, index, note in (
        ("conv", "kernel", None, "3 x 3; columns: 4 output channels"),
        ("relu", "output", None, "8 x 8; rows: the first 16 of 32 examples; columns: 4 channels"),
        ("relu", "output", "3,...,1", "8 x 8"),
        ("drop", "mask", None, "32 x 64"),
    ):
        found = inspect_step(run, 12, node=node, tensor=tensor, index=index)
        assert found.picture().note == note
    found.write(tmp_path / "x.svg")
    assert "drop.mask at step 12<" in (tmp_path / "x.svg").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--step", "21"], "error: RUN: expected a step from 1 to 20, received 21\n"),
        (["--step", "3", "--against", "0"],
         "error: RUN: expected a step from 1 to 20, received 0\n"),
        (
            ["--step", "3", "--node", "softmx"],
            "error: RUN: no node is called 'softmx'\n   did you mean 'softmax'?\n",
        ),
        (
            ["--step", "3", "--node", "fc", "--tensor", "kernl"],
            "error: step 3, fc: no tensor is called 'kernl'\n   did you mean 'kernel'?\n",
        ),
        (
            ["--step", "3", "--node", "softmax", "--tensor", "output.grad"],
            "error: step 3, softmax: output.grad: the loss does not depend on it, so it does not"
            " exist\n",
        ),
        (
            ["--step", "3", "--node", "fc", "--tensor", "kernel", "--index", "64"],
            "error: index '64': axis 0 has 64 elements, received 64\n   the shape is (64, 10)\n",
        ),
        (["--step", "3", "--tensor", "kernel"], "error: kernel: a tensor belongs to a node\n"
                                                "   add --node\n"),
        (["--step", "3", "--node", "fc", "--index", "0"],
         "error: 0: an index belongs to a tensor\n   add --tensor\n"),
        (["--step", "3", "--node", "fc", "-o", "x.svg"],
         "error: x.svg: a picture shows one tensor\n   say which: --tensor\n"),
        (["--step", "3", "-o", "x.npy"],
         "error: x.npy: .npy holds one tensor\n   choose one, or write a .npz\n"),
        ([], "Error: say which step: --step 137 (or --nan)\n"),
    ],
)  # fmt: skip
def test_wrong_words(opgraph, run, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = opgraph("inspect", run.path, *words)
    assert (code, out) == (2, "")
    assert err.endswith(message.replace("RUN", str(run.path)))
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_not_finite(opgraph, run):
    assert opgraph("inspect", run.path, "--nan") == (
        0,
        "all numbers of every step are finite\n",
        "",
    )
    _, out, _ = opgraph("inspect", run.path, "--nan", "--step", "3")
    assert out == "all numbers of step 3 are finite\n"


def test_where_numbers_stop_being_finite(opgraph, tmp_path):
    graph = NETWORK.replace("relu", "n: Normalization(mean=0, variance=-1)")
    with pytest.raises(package.OpgraphError):
        package.trace(graph, "digits", output=tmp_path / "run", steps=5)
    code, out, err = opgraph("inspect", tmp_path / "run", "--nan")
    assert (code, err) == (0, "")
    head, tensor, source, *elements = out.splitlines()
    assert head == "step 1 (verified): numbers stop being finite at n (Normalization), forward"
    assert tensor == "n.output: 8,192 NaN and 0 infinite of 8,192 elements"
    assert source.startswith("  made from bn.output: -")
    assert source.endswith(", all finite")
    assert elements[0].startswith("  [0, 0, 0, 0] is nan, from bn.output ")
    assert elements[-1] == "usual cause: the root of a negative variance: its variance goes down" \
                           " to -1"  # fmt: skip
    _, out, _ = opgraph("inspect", tmp_path / "run", "--nan", "--json")
    assert json.loads(out)["node"] == "n"
