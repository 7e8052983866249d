"""A run to report on, made of arrays."""

import importlib.util
from pathlib import Path

import pytest

from opgraph.record import open_run
from opgraph.text import parse

NETWORK = """
    x: Input(shape=(8, 8, 1)) -> conv: Conv2D(filters=4)
    conv -> norm: BatchNormalization()
    norm -> relu: ReLU() -> pool: MaxPooling2D() -> flat: Flatten() -> fc[units=10]
    fc -> prob: Softmax()
"""


@pytest.fixture(scope="session")
def made():
    """The module that makes runs."""
    path = Path(__file__).with_name("made.py")
    spec = importlib.util.spec_from_file_location("made", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reported(made, tmp_path_factory):
    """Record and analysis of a small run of 60 steps with a NaN at step 31."""
    path = tmp_path_factory.mktemp("report") / "small"
    measure = ["default", "*.*histogram:every=20"]
    planted = {("fc", "grad_nan"): 31}
    analysis = made.write_run(path, parse(NETWORK), 60, measure=measure, planted=planted)
    return open_run(path), analysis
