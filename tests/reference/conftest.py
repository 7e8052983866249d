"""The cases of the op library, each with random numbers to compute from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from opgraph.ops import require
from opgraph.reference import Given, has_reference

CASES = Path(__file__).parents[1] / "ops" / "cases.py"
BATCH = 2
DRAWS_INSIDE = ("SimpleRNN", "LSTM", "GRU", "MultiHeadAttention", "GroupedQueryAttention")
LEFT_OUT = ("Input", "Opaque")


def _load_cases():
    spec = importlib.util.spec_from_file_location("op_cases_for_reference", CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


TABLE = _load_cases()
KINDS = [kind for kind in TABLE if kind not in LEFT_OUT and has_reference(kind)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS)


def is_refused(op) -> bool:
    """Whether the attributes are among those without a reference."""
    if op.kind == "Resizing":
        return op.crop_to_aspect_ratio or op.pad_to_aspect_ratio or op.antialias
    interpolation = getattr(op, "interpolation", "nearest")
    enlarged = op.kind == "CenterCrop" and op.height > 7
    return bool(getattr(op, "renorm", False)) or interpolation != "nearest" or enlarged


@pytest.fixture(scope="session")
def givens():
    """All cases of an op with numbers in them."""
    return _givens


def _givens(kind):
    """All cases of an op with numbers in them, in training and, where it differs, at inference."""
    for number, case in enumerate(TABLE[kind]):
        op = require(kind)(**case.attrs)
        if case.refuses or is_refused(op):
            continue
        draws = kind in DRAWS_INSIDE and op.dropout > 0
        inner = getattr(op, "inner", None)
        draws = draws or (inner is not None and inner.kind == "BatchNormalization")
        yield _numbers_for(op, case.inputs, seed=number, training=not draws)
        if kind == "BatchNormalization":
            yield _numbers_for(op, case.inputs, seed=number, training=False)


def _numbers_for(op, shapes, seed=0, training=True) -> Given:
    rng = np.random.default_rng(seed)
    full = [(BATCH, *shape) for shape in shapes]
    if op.kind == "Embedding":
        inputs = tuple(rng.integers(0, op.input_dim, shape) for shape in full)
    else:
        inputs = tuple(rng.normal(size=shape) for shape in full)
    weights = {
        name: _weight(rng, name, weight.shape) for name, weight in op.weights(*shapes).items()
    }
    return Given(op, inputs, weights, training, _mask(rng, op, inputs))


def _weight(rng, name, shape):
    values = rng.normal(size=shape)
    return values**2 + 0.5 if "variance" in name or name == "count" else np.asarray(values)


def _mask(rng, op, inputs):
    if op.kind == "StochasticDepth":
        return rng.integers(0, 2, (BATCH, *(1,) * (inputs[0].ndim - 1)))
    if op.kind in ("GaussianNoise", "GaussianDropout"):
        return rng.normal(size=inputs[0].shape)
    if op.category == "regularization":
        return rng.integers(0, 2, inputs[0].shape)
    return None
