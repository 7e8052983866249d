"""Exported graphs on the command line: put together, raw, and without the package."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("onnx")
pytest.importorskip("tflite")

from tests.formats.onnx_models import numbers, saved
from tests.formats.test_tflite import one

SILU = [("Sigmoid", ["x"], ["s"], {}), ("Mul", ["x", "s"], ["y"], {})]


@pytest.fixture
def silu(tmp_path):
    return saved(tmp_path / "m.onnx", SILU, (None, 5))


def test_show(opgraph, silu):
    code, out, _ = opgraph("show", silu)
    assert code == 0
    assert (
        out.splitlines()[0]
        == "m · 2 nodes · 1 edge · 0 params · 25 FLOP · 0 B of weights · depth 1"
    )
    assert "SiLU" in out
    raw = opgraph("show", "--raw", silu)[1]
    assert "SiLU" not in raw
    assert "Multiply" in raw


def test_origins_in_json(opgraph, silu):
    nodes = json.loads(opgraph("show", "--json", silu)[1])["nodes"]
    assert nodes[1]["origin"] == {"names": ["s", "y"], "dtype": "float32", "scope": None}


def test_check_convert_and_draw(opgraph, silu, tmp_path):
    assert opgraph("check", silu)[1] == "m: 2 nodes, 1 edge, nothing wrong\n"
    assert opgraph("check", "--raw", silu)[1] == "m: 3 nodes, 3 edges, nothing wrong\n"
    assert opgraph("draw", "--raw", silu, "-o", tmp_path / "m.svg")[2].endswith("(3 nodes)\n")
    assert opgraph("convert", "--raw", silu, tmp_path / "m.txt")[0] == 0
    assert opgraph("check", tmp_path / "m.txt")[1] == "m: 3 nodes, 3 edges, nothing wrong\n"


def test_opaque_nodes_read_back_from_every_text(opgraph, tmp_path):
    nodes = [("Erf", ["x"], ["e"], {}), ("Split", ["e", "at"], ["a", "b"], {"axis": 1})]
    at = numbers(2).astype("int64") * 0 + [2, 3]
    path = saved(tmp_path / "m.onnx", nodes, (None, 5), outputs=("a", "b"), at=at)
    before = opgraph("show", "--json", path)[1]
    for suffix in ("txt", "json", "graphml", "nx.json"):
        assert opgraph("convert", path, tmp_path / f"m.{suffix}")[0] == 0
        after = json.loads(opgraph("show", "--json", tmp_path / f"m.{suffix}")[1])
        for one_node, other in zip(json.loads(before)["nodes"], after["nodes"], strict=True):
            one_node.pop("origin", None)
            assert one_node == other


@pytest.mark.parametrize("package", ["onnx", "tflite"])
def test_without_the_package(opgraph, silu, package, tmp_path, monkeypatch):
    path = tmp_path / f"m.{package}"
    if package == "tflite":
        path.write_bytes(one("RELU", (None, 5), (None, 5)))
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = opgraph("show", path)
    assert code == 2
    assert err == (
        f"error: reading m.{package} needs {package}, which is not installed:"
        f" pip install 'opgraph[{package}]'\n"
    )


def test_a_damaged_file_gives_one_line(opgraph, silu):
    silu.write_bytes(silu.read_bytes()[:40])
    code, out, err = opgraph("check", silu)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {silu}: not an ONNX file, or damaged: byte ")
    assert err.count("\n") == 1
