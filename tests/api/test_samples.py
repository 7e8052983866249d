"""Every sample graph does the main job: it is built, agrees with Keras, trains and is measured."""

from pathlib import Path

import numpy as np
import pytest

import opgraph

pytestmark = pytest.mark.tf

SAMPLES = sorted(p for p in (Path(__file__).parents[2] / "sample_graphs").iterdir() if p.is_file())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_trains_on_real_images(path, tmp_path):
    run = opgraph.trace(path, "digits", output=tmp_path / "run", steps=3)
    facts = run.graph.analyze()
    model = run.model()
    assert model.count_params() == facts.totals.params.value
    assert run.steps.num_rows == 3
    assert np.isfinite(run.steps.column("loss").to_numpy()).all()
    measured = {row["node"] for row in run.table("output", steps=3).to_pylist()}
    assert measured == set(run.graph.nodes)
    updates = run.table("weight", steps=3).column("update_norm").to_numpy(zero_copy_only=False)
    assert (updates > 0).any()


@pytest.mark.slow
def test_the_demo_reaches_its_accuracy(tmp_path):
    """The recipe of `make demo`: at least 0.95 on digits never trained on."""
    sample = next(path for path in SAMPLES if path.name == "cnn.txt")
    run = opgraph.trace(
        sample, "digits", output=tmp_path / "run", steps=400, settings=["batch_norm*.momentum=0.9"]
    )
    assert run.evaluate().accuracy >= 0.95
