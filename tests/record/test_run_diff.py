"""Where two runs part: settings, the first differing number, and what was left out."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from opgraph.record import Deviation, RunDiff, Setting, Site, diff_runs, open_run

PROGRAM = Path(__file__).parents[1] / "render" / "curves" / "recorded.py"


@pytest.fixture(scope="module")
def recorded() -> Any:
    spec = importlib.util.spec_from_file_location("recorded", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Pairs:
    """Writes two runs, changes what `run.json` and `graph.json` of the second say, compares."""

    def __init__(self, recorded: Any, folder: Path) -> None:
        self.recorded, self.folder = recorded, folder
        self.left = recorded.write_run(folder / "a", planted=False)

    def diff(
        self, *, info: dict[str, Any] | None = None, nodes: Any = None, **options: Any
    ) -> RunDiff:
        right = self.recorded.write_run(self.folder / "b", **{"planted": False, **options})
        if info is not None:
            _change(right / "run.json", info)
        if nodes is not None:
            _change(right / "graph.json", {"nodes": nodes})
            _change(right / "run.json", {"graph_fingerprint": "sha256:1"})
        return diff_runs(open_run(self.left), open_run(right))


def _change(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture
def pairs(recorded: Any, tmp_path: Path) -> Pairs:
    return Pairs(recorded, tmp_path)


def test_the_same_again(pairs: Pairs) -> None:
    found = pairs.diff()
    assert found.equal
    assert found.first is None
    assert (found.settings, found.deviations, found.left_out) == ((), (), ())
    assert found.steps == (1, 12)
    # by hand: 12 steps; 5 tables with their sites and columns but steps, sites and times
    figures = len(("epoch", "index", "loss", "data_loss", "regularization", "accuracy",
                   "learning_rate", "grad_norm", "clipped_grad_norm", "loss_scale", "skipped",
                   "batch_size", "micro_batches", "fingerprint"))  # fmt: skip
    assert found.numbers == 12 * (figures + 4 * 11 + 2 * 11 + 3 * (3 * 10 + 1) + 1 * 3)


def test_the_first_number_that_differs(pairs: Pairs) -> None:
    found = pairs.diff(planted=True)
    assert not found.equal
    assert found.first == Deviation(5, "weight", "conv/kernel", "grad_mean", *_grad_means(pairs))
    assert [(item.step, item.kind) for item in found.deviations] == [(5, "weight"), (7, "steps")]
    assert found.deviations[1].quantity == "loss"
    assert str(found.deviations[1].right) == "nan"


def _grad_means(pairs: Pairs) -> tuple[Any, Any]:
    rows = [
        open_run(path).table("weight", nodes="conv", steps=5)["grad_mean"][0].as_py()
        for path in (pairs.left, pairs.folder / "b")
    ]
    assert rows[0] != rows[1]
    return rows[0], rows[1]


def test_the_order_within_a_step(pairs: Pairs, monkeypatch: Any) -> None:
    """The batch, outputs as they follow, figures, gradients from the last node back, weights."""
    sites = (*pairs.recorded.SITES, Site("output_grad", "lstm", shape=(4,)))
    pairs.left = pairs.recorded.write_run(pairs.folder / "c", planted=False, sites=sites)
    make = pairs.recorded.make_row

    def other(layout: Any, step: int, *, planted: bool) -> Any:
        row = make(layout, step, planted=planted)
        if step < 4:
            return row
        return type(row)(row.packed + 0.125, row.layout, {**row.host, "fingerprint": "b" * 16})

    monkeypatch.setattr(pairs.recorded, "make_row", other)
    found = pairs.diff(sites=sites)
    assert [(item.step, item.kind, item.site, item.quantity) for item in found.deviations] == [
        (4, "steps", "", "fingerprint"),
        (4, "output", "x", "mean"),
        (4, "output_grad", "lstm", "mean"),
        (4, "weight", "conv/kernel", "value_mean"),
        (4, "slot", "fc/kernel momentum", "rms"),
    ]
    monkeypatch.setattr(pairs.recorded, "make_row", make)


def test_settings(pairs: Pairs) -> None:
    found = pairs.diff(
        info={
            "config": {"total_steps": 12, "learning_rate": 0.1, "optimizer_config": {"a": 1}},
            "versions": {"keras": "3.15"},
            "statistics": "kernel",
        }
    )
    assert found.settings == (
        Setting("statistics", "tensorflow", "kernel"),
        Setting("config.learning_rate", None, 0.1),
        Setting("versions.keras", None, "3.15"),
    )
    assert found.equal
    assert found.left_out == (
        "nothing, but statistics by tensorflow and kernel may differ where the trainings do not",
    )


@pytest.mark.parametrize(
    ("change", "left", "right"),
    [
        (lambda nodes: [*nodes, {"name": "fc_zero", "op": "Rescaling"}], "", "also fc_zero"),
        (lambda nodes: nodes[:-1], "also fc", ""),
        (
            lambda nodes: [*nodes[:-1], {**nodes[-1], "given": {"units": 4}}],
            "tiny",
            "other attributes of fc",
        ),
        (lambda nodes: nodes, "tiny", "other connections"),
    ],
)
def test_another_network(pairs: Pairs, recorded: Any, change: Any, left: str, right: str) -> None:
    found = pairs.diff(nodes=change(recorded.GRAPH["nodes"]))
    assert found.settings == (Setting("graph", left, right),)


def test_sites_that_only_one_has(pairs: Pairs, recorded: Any) -> None:
    sites = tuple(site for site in recorded.SITES if site.node != "lstm")
    found = pairs.diff(sites=(*sites, Site("output", "new", shape=(4,))), planted=False)
    assert "output of lstm, lstm.1, which only the first run measures" in found.left_out
    assert "output of new, which only the second run measures" in found.left_out
    assert found.numbers


def test_steps_that_only_one_has(pairs: Pairs) -> None:
    found = pairs.diff(steps=8)
    assert found.equal
    assert found.steps == (1, 8)
    assert found.left_out == ("steps 9 to 12, which only the first run has",)


def test_a_branch_is_compared_from_where_it_begins(pairs: Pairs) -> None:
    found = pairs.diff(info={"parent": {"path": "a", "step": 3}})
    assert found.steps == (4, 12)
    assert found.left_out == ("steps 1 to 3, which only the first run has",)


def test_no_step_in_common(pairs: Pairs) -> None:
    none = pairs.diff(info={"parent": {"path": "a", "step": 12}}, steps=12)
    assert none.steps is None
    assert not none.equal
    assert none.left_out == ("the runs have no step in common",)


def test_other_schedules(pairs: Pairs, recorded: Any, monkeypatch: Any) -> None:
    measure = recorded.parse_measure(
        ["full", "*.channel_*:off", "*.*histogram:every=4", "*.max:every=5", "output.rms:every=2",
         "slot.rms:off"]
    )  # fmt: skip
    monkeypatch.setattr(recorded, "MEASURE", measure)
    found = pairs.diff()
    assert "output: rms, measured at other steps or in another way" in found.left_out
    assert "slot: rms, which only the first run measures" in found.left_out


def test_as_plain_data(pairs: Pairs) -> None:
    data = pairs.diff(planted=True).as_dict()
    assert data["equal"] is False
    assert data["deviations"][0]["site"] == "conv/kernel"


def test_a_run_of_an_older_schema(pairs: Pairs) -> None:
    """It has fewer columns than the quantities of its sites would tell."""
    old = open_run(Path(__file__).parent / "data" / "schema-1")
    for runs in ((old, open_run(pairs.left)), (open_run(pairs.left), old)):
        found = diff_runs(*runs)
        assert found.first is not None
        assert any(text.startswith("output: norm, nan, inf") for text in found.left_out)
