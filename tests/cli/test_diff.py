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


def test_a_graph_is_no_run(opgraph, runs, tmp_path):
    graph = tmp_path / "net.txt"
    graph.write_text("a -> b")
    code, _, err = opgraph("diff", runs[0], graph)
    assert code == 2
    assert err == (
        f"error: {graph}: is a file; diff compares two recorded runs, which are directories\n"
        "   opgraph trace FILE -o DIRECTORY records one\n"
    )


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
