"""`opgraph diff`, as typed."""

import importlib.util
import json
from pathlib import Path

import pytest

import opgraph as package
from opgraph.errors import RunError

RECORDED = Path(__file__).parents[1] / "render" / "curves" / "recorded.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("recorded", RECORDED)
    recorded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorded)
    folder = tmp_path_factory.mktemp("runs")
    good = [recorded.write_run(folder / name, planted=False) for name in ("a", "b")]
    path = recorded.write_run(folder / "c", planted=True)
    info = json.loads((path / "run.json").read_text())
    info["config"]["learning_rate"] = 0.5
    info["parent"] = {"path": "runs/a", "step": 2}
    (path / "run.json").write_text(json.dumps(info))
    return (*good, path)


def test_the_same_bits(opgraph, runs):
    code, out, err = opgraph("diff", runs[0], runs[1])
    assert code == 0
    assert out.splitlines()[3:] == [
        "made alike: same network, settings, data, versions, machine",
        "the same bits in steps 1 to 12: 2,112 numbers compared",
    ]
    assert err == ""


def test_where_they_part(opgraph, runs, tmp_path):
    picture = tmp_path / "curves.svg"
    code, out, err = opgraph("diff", runs[0], runs[2], "-o", picture)
    assert code == 1
    lines = [line.strip() for line in out.splitlines()]
    assert f"B  {runs[2]}   (branched off runs/a after step 2)" in lines
    assert "config.learning_rate   none   0.5" in lines
    assert (
        "the same bits up to step 4; first difference: step 5, conv/kernel weight.grad_mean"
        in lines
    )
    assert "mean loss of the batch, regularisation included, steps 3 to 12" in lines
    assert err == f"left out: steps 1 to 2, which only the first run has\nwrote {picture}\n"
    assert picture.read_text().startswith("<?xml")


def test_as_json(opgraph, runs):
    code, out, _ = opgraph("diff", runs[0], runs[2], "--json")
    assert code == 1
    data = json.loads(out)
    assert data["steps"] == [3, 12]
    assert data["deviations"][0]["step"] == 5


GRAPH = """x: Input(shape=(4,))
x -> conv: ReLU() -> lstm: Tanh() -> fc: Dense(units=5)
fc -> probabilities: Softmax()
"""


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "net.txt"
    path.write_text(GRAPH)
    return path


def test_a_run_beside_a_graph_stands_for_its_graph(opgraph, runs, graph, tmp_path):
    picture = tmp_path / "d.svg"
    code, out, err = opgraph("diff", runs[0], graph, "-o", picture)
    assert code == 1
    assert [line.rstrip() for line in out.splitlines()] == [
        f"A  {runs[0]}   4 nodes, 15 params",
        f"B  {graph}   5 nodes, 25 params",
        "",
        "   node           op       what    A   B",
        "─" * 41,
        "~  fc             Dense    units   3   5",
        "                           shape   3   5",
        "                           params  15  25",
        "+  probabilities  Softmax  added",
        "1 added, 1 changed, 3 the same",
    ]
    assert err == f"wrote {picture}\n"
    assert picture.read_text().startswith("<svg")


def test_the_same_graph(opgraph, graph, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("# with a remark\n" + GRAPH.replace("units=5", "units=5, use_bias=true"))
    code, out, err = opgraph("diff", graph, other)
    assert code == 0
    assert out.splitlines()[-1] == "5 the same"
    assert err == ""


def test_a_picture_that_cannot_be_is_refused_before_anything_is_said(opgraph, graph, tmp_path):
    code, out, err = opgraph("diff", graph, graph, "-o", tmp_path / "d.gif")
    assert (code, out) == (2, "")
    assert err == (
        f"error: {tmp_path / 'd.gif'}: pictures are written as .svg, .png, .pdf, received '.gif'\n"
    )


def test_graphs_as_json(opgraph, graph, runs):
    code, out, _ = opgraph("diff", runs[0], graph, "--json")
    assert code == 1
    data = json.loads(out)
    assert data["counts"] == {
        "added": 1, "removed": 0, "changed": 1, "follows": 0, "same": 3, "renamed": 0,
    }  # fmt: skip
    assert data["params"] == [15, 25]
    assert data["nodes"][0]["changes"] == [
        {"kind": "attribute", "name": "units", "left": 3, "right": 5}
    ]


def test_what_only_follows_is_listed_on_request(opgraph, graph, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text(GRAPH.replace("(4,)", "(6,)"))
    code, out, _ = opgraph("diff", graph, other)
    assert code == 1
    assert out.splitlines()[-1] == (
        "1 changed, 3 with other shapes or parameters in consequence, 1 the same"
    )
    assert "lstm" not in out
    assert "lstm" in opgraph("diff", graph, other, "--all")[1]


def test_a_graph_that_cannot_be_read(opgraph, graph, tmp_path):
    missing = tmp_path / "nowhere.txt"
    picture = tmp_path / "d.svg"
    code, out, err = opgraph("diff", graph, missing, "-o", picture)
    assert code == 2
    assert out == ""
    assert str(missing) in err
    assert "Traceback" not in err
    assert not picture.exists()


def test_shapes_that_do_not_fit_are_an_error(opgraph, graph, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text(GRAPH + "x, fc -> sum: Add()\n")
    code, out, err = opgraph("diff", graph, other)
    assert code == 2
    assert "+  sum" in out
    assert "sum" in err


def test_the_same_run_twice(opgraph, runs):
    code, _, err = opgraph("diff", runs[0], runs[0])
    assert code == 2
    assert err == f"error: {runs[0]}: the same run is named twice\n"


def test_in_python(runs, tmp_path):
    found = package.diff(runs[0], package.open_run(runs[2]))
    assert not found.equal
    assert found.first.site == "conv/kernel"
    with pytest.raises(RunError, match="no run is recorded here"):
        package.diff(runs[0], tmp_path)
