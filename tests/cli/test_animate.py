"""`opgraph animate` and pictures as pixels and pages, as typed."""

import importlib.util
import sys
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[1] / "render" / "curves" / "recorded.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("recorded", RECORDED)
    recorded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorded)
    return recorded.write_run(tmp_path_factory.mktemp("runs") / "a", planted=False)


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_file_that_moves(opgraph, run, tmp_path, suffix):
    path = tmp_path / f"film.{suffix}"
    code, out, err = opgraph("animate", run, "-o", path, "--color-by", "output.rms", "--frames", 4)
    size = path.stat().st_size / 1000
    assert (code, out) == (0, "")
    assert err == f"wrote {path} (4 steps from 1 to 12, {size:,.0f} kB)\n"


def test_what_is_coloured_unasked(opgraph, run, tmp_path):
    path = tmp_path / "film.svg"
    assert opgraph("animate", run, "-o", path)[0] == 0
    assert "output_grad.norm · 12 of the steps 1 to 12" in path.read_text()


FAULTS = {
    "a suffix": (["-o", "film.avi"], "films are written as .svg, .gif, .html, received '.avi'"),
    "a name": (["-o", "film.svg", "--color-by", "losss"], "nothing is called 'losss'"),
    "no number": (["-o", "film.svg", "--color-by", "shape"], "shape is not a number"),
    "of the step": (["-o", "film.svg", "--color-by", "loss"], "loss is a number of the whole step"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_clear_error(opgraph, run, tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    words, message = FAULTS[fault]
    code, out, err = opgraph("animate", run, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_graph_is_no_run(opgraph, tmp_path):
    graph = tmp_path / "net.txt"
    graph.write_text("x: Input(shape=(4,)) -> a: ReLU")
    code, _, err = opgraph("animate", graph, "-o", tmp_path / "film.svg")
    assert code == 2
    assert err.startswith(f"error: {graph}/run.json: no run is recorded here")


def test_a_picture_in_another_format(opgraph, tmp_path):
    pytest.importorskip("cairosvg")
    graph = tmp_path / "net.txt"
    graph.write_text("x: Input(shape=(4,)) -> a: ReLU")
    for suffix, head in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")):
        path = tmp_path / f"net.{suffix}"
        assert opgraph("draw", graph, "-o", path)[0] == 0
        assert path.read_bytes().startswith(head)
    code, out, err = opgraph("draw", graph, "-o", tmp_path / "net.jpg")
    assert (code, out) == (2, "")
    assert err == (
        f"error: {tmp_path / 'net.jpg'}: pictures are written as .svg, .png, .pdf,"
        " received '.jpg'\n"
    )
    assert not (tmp_path / "net.jpg").exists()


def test_without_cairosvg(opgraph, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    graph = tmp_path / "net.txt"
    graph.write_text("x: Input(shape=(4,)) -> a: ReLU")
    code, _, err = opgraph("draw", graph, "-o", tmp_path / "net.png")
    assert code == 2
    assert err == (
        "error: writing PNG needs CairoSVG with the library cairo, which is not installed:"
        " pip install 'opgraph[picture]'\n"
    )
    assert not (tmp_path / "net.png").exists()
