"""The tests that the package `onnx` brings along for its backends: every model of them opens.

How many operations are recognised, opaque and refused is printed: `pytest -rP`. A sample is read
each time, all of them by `make test-slow`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from opgraph.analysis import analyze  # noqa: E402
from opgraph.errors import FormatError  # noqa: E402
from opgraph.formats import read  # noqa: E402

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FILES = sorted(DATA.rglob("*.onnx"))
SAMPLE = FILES[::3]


def look(path, counts):
    """Open a model both ways; nothing in it may be wrong afterwards."""
    for raw in (False, True):
        try:
            graph = read(path, raw)
        except FormatError:
            counts["refused"] += 1
            continue
        assert not analyze(graph).errors
        kinds = Counter(node.kind.category == "opaque" for node in graph)
        counts["opaque"] += kinds[True]
        counts["recognised"] += kinds[False]


def test_a_sample_of_the_models_on_disk():
    counts = Counter()
    for path in SAMPLE:
        look(path, counts)
    print(f"{len(SAMPLE)} models of onnx, nodes: {dict(counts)}")
    assert len(SAMPLE) >= 40
    assert not counts["refused"]
    assert counts["recognised"] > 800


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_all_of_them(tmp_path):
    from onnx.backend.test.case.node import collect_testcases

    counts, models = Counter(), 0
    for path in FILES:
        look(path, counts)
    for case in collect_testcases(None):
        path = tmp_path / "m.onnx"
        path.write_bytes(case.model.SerializeToString())
        look(path, counts)
        models += 1
    print(f"{len(FILES)} files and {models} models of onnx, nodes: {dict(counts)}")
    assert len(FILES) + models > 2000
    assert not counts["refused"]
