"""Attachments of Netron and node data of Model Explorer, against what those programs read."""

import importlib.util
import itertools
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from opgraph.formats.recorded.overlays import RAMP, Reading, netron_attachment, node_data

READINGS = [
    Reading("", "", "loss", 0.5),
    Reading("fc", "kernel", "weight.grad_norm", 0.25),
    Reading("fc", "bias", "weight.grad_norm", 0.125),
    Reading("conv", "", "output.rms", float("nan")),
    Reading("odd\nname", "", "output.rms", 2.0),
]


def test_an_attachment_names_model_nodes_and_tensors():
    data = json.loads(json.dumps(netron_attachment(READINGS, {"step": 7}), allow_nan=False))
    assert data["signature"] == "netron:attachment"
    assert data["metadata"] == [{"kind": "model", "target": "", "name": "step", "value": 7}]
    assert data["metrics"][:3] == [
        {"kind": "model", "target": "", "name": "loss", "value": 0.5},
        {"kind": "node", "target": "fc", "name": "kernel weight.grad_norm", "value": 0.25},
        {"kind": "tensor", "target": "fc/kernel", "name": "weight.grad_norm", "value": 0.25},
    ]
    assert data["metrics"][5]["value"] == "nan"
    assert len({(m["kind"], m["target"], m["name"]) for m in data["metrics"]}) == 7


def test_netron_itself_finds_every_number(tmp_path):
    """Its own code, out of its own file, run by node."""
    spec = importlib.util.find_spec("netron")
    if spec is None or spec.origin is None or shutil.which("node") is None:
        pytest.skip("needs the package netron, and node to run it")
    source = (Path(spec.origin).parent / "view.js").read_text(encoding="utf-8")
    classes = re.search(r"^metadata\.Attachment = class \{.*?^metrics\.Model", source, re.M | re.S)
    assert classes, "netron has moved it"
    (tmp_path / "x.json").write_text(json.dumps(netron_attachment(READINGS, {"step": 7})))
    program = f"""
        const metadata = {{}}, metrics = {{}};
        const view = {{ Context: class {{ constructor(c) {{ Object.assign(this, c); }} }} }};
        {classes[0].removesuffix("metrics.Model")}
        const data = JSON.parse(require('fs').readFileSync('x.json', 'utf-8'));
        (async () => {{
            const found = new metadata.Attachment();
            const ok = await found.open({{ identifier: 'x.json', peek: async () => data }});
            const show = (list) => list.map((a) => [a.name, a.value]);
            console.log(JSON.stringify([ok, show(found.metadata.model({{}})),
                show(found.metrics.model({{}})), show(found.metrics.node({{ name: 'fc' }})),
                show(found.metrics.tensor({{ name: 'fc/bias' }})),
                show(found.metrics.node({{ name: 'odd\\nname' }}))]));
        }})();
    """
    done = subprocess.run(
        ["node", "-e", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        True,
        [["step", 7]],
        [["loss", 0.5]],
        [["kernel weight.grad_norm", 0.25], ["bias weight.grad_norm", 0.125]],
        [["weight.grad_norm", 0.125]],
        [["output.rms", 2]],
    ]


def colour_at(data, value):
    """The colour by Model Explorer's rule: the first threshold that is not below the value."""
    return next((t["bgColor"] for t in data["thresholds"] if value <= t["value"]), None)


def test_node_data_follows_the_schema():
    values = {"a": 1.0, "b": 3.0, "c": 2.0}
    data = node_data([Reading(n, "", "output.rms", v) for n, v in values.items()], "main", "x")
    graph = json.loads(json.dumps(data, allow_nan=False))["main"]
    assert set(graph) == {"results", "name", "gradient"}
    assert graph["name"] == "x"
    assert {node: result["value"] for node, result in graph["results"].items()} == values
    stops = [item["stop"] for item in graph["gradient"]]
    assert stops[0] == 0
    assert stops[-1] == 1
    assert stops == sorted(stops)
    assert all(re.fullmatch(r"#[0-9A-F]{6}", item["bgColor"]) for item in graph["gradient"])


def test_values_that_range_far_are_coloured_by_ratio():
    values = {f"n{n}": 10.0 ** -(n % 5) for n in range(10)} | {"zero": 0.0}
    graph = node_data([Reading(n, "", "x", v) for n, v in values.items()], "g", "x")["g"]
    assert "gradient" not in graph
    bounds = [item["value"] for item in graph["thresholds"]]
    assert bounds == sorted(bounds)
    ratios = [b / a for a, b in itertools.pairwise(bounds)]
    assert ratios == pytest.approx([10**0.5] * 7)
    assert colour_at(graph, 1.0) == RAMP[-1], "the largest has a colour"
    assert colour_at(graph, 0.0) == colour_at(graph, 1e-4) == RAMP[0]
    assert len({colour_at(graph, 10.0**-n) for n in range(5)}) == 5


def test_a_node_shows_its_largest_number_and_nothing_that_is_none():
    graph = node_data([*READINGS, Reading("d", "k", "x", math.inf)], "g", "x")["g"]
    assert graph["results"] == {"fc": {"value": 0.25}, "odd\nname": {"value": 2.0}}


def test_text_on_the_colours_can_be_read():
    graph = node_data([Reading("a", "", "x", 1.0), Reading("b", "", "x", 2.0)], "g", "x")["g"]

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for item in graph["gradient"]:
        low, high = sorted((luminance(item["bgColor"]), luminance(item["textColor"])))
        assert (high + 0.05) / (low + 0.05) >= 4.5
