"""Curves of runs, from Python."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from opgraph.api import Run
from opgraph.api.curves import draw_curves, quantities_of
from opgraph.errors import FormatError, RunError

RECORDED = Path(__file__).parents[1] / "render" / "curves" / "recorded.py"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recorded = load(RECORDED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("curves")


@pytest.fixture(scope="module")
def run(folder):
    return Run(recorded.write_run(folder / "one" / "run"))


@pytest.fixture(scope="module")
def other(folder):
    return Run(recorded.write_run(folder / "two" / "run", planted=False))


def test_series_are_returned_by_quantity(run):
    panels = draw_curves(run, ["loss", "weight.grad_norm"])
    assert [[series.name for series in panel] for panel in panels] == [
        [""], ["conv/kernel", "fc/kernel", "fc/bias"]]  # fmt: skip
    np.testing.assert_array_equal(panels[0][0].values, run.steps["loss"].to_numpy())


def test_loss_and_gradients_unasked(run):
    assert [panel[0].what for panel in draw_curves(run)] == ["loss", "weight.grad_norm"]


def test_a_word_asked_twice_is_one_panel(run):
    assert len(draw_curves(run, ["loss", "steps.loss"])) == 1


def test_runs_are_called_by_what_tells_them_apart(run, other):
    panel = draw_curves([run, other], "loss")[0]
    assert [series.run for series in panel] == ["one/run", "two/run"]
    assert panel[0].nonfinite == 2
    assert panel[1].nonfinite == 0


def test_a_picture_is_written(run, tmp_path):
    draw_curves(run, "grad_norm", node="fc", output=tmp_path / "x.svg", title="T", smooth=3)
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert ">fc/bias<" in text
    assert ">conv/kernel<" not in text


def test_everything_in_the_catalogue_can_be_read_or_says_why(run):
    words = quantities_of(run)
    assert len(words) > 40
    shown = [panel for panel in (measured(run, word) for word in words) if panel]
    assert sum(map(len, shown)) > 100
    assert not measured(run, "bn.moving_mean"), "there is none in this network"


def measured(run, word):
    """What can be drawn; nothing where the error says that there is nothing."""
    try:
        return draw_curves(run, word)[0]
    except RunError as error:
        if error.problem != "nothing was measured":
            raise
        return []


@pytest.mark.parametrize(("options", "message"), [
    ({"what": "los"}, "no quantity is called 'los'\n   did you mean 'loss'?"),
    ({"smooth": 0}, "smooth is a number of steps from 1, received 0"),
    ({"output": "x.gif"}, "x.gif: curves are drawn as .svg, .png or .pdf, received the suffix"
                          " '.gif'")])  # fmt: skip
def test_what_cannot_be_drawn(run, options, message):
    with pytest.raises((FormatError, RunError)) as caught:
        draw_curves(run, **options)
    assert str(caught.value) == message


def test_the_same_run_twice(run):
    with pytest.raises(RunError, match="the same run is named twice"):
        draw_curves([run, run], "loss")
