"""The handwritten digits that come with scikit-learn: 1797 real pictures of 8x8, no network needed.

Test set of E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI, 1998. Owns
this source only.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from opgraph.errors import MissingDependencyError
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.pictures import fit, note, target
from opgraph.runtime.data.result import DataFacts, Found, Part, Request

NATIVE = (8, 8, 1)
WHITE = 16.0


def read(request: Request) -> Found:
    """The digits, enlarged to each input, with the split that everyone makes.

    Raises:
        DataError: an input cannot hold a picture.
        MissingDependencyError: scikit-learn is not installed.
    """
    shapes = [target(wanted, NATIVE) for wanted in request.wanted]
    notes = tuple(note(wanted, NATIVE, WHITE) for wanted in request.wanted)
    require_memory(request, 1797, list(shapes))
    bunch = _sklearn("datasets").load_digits()
    pictures = np.asarray(bunch.images)[..., None]
    labels = np.asarray(bunch.target)
    inputs = tuple(fit(pictures, wanted, WHITE) for wanted in request.wanted)
    order = _sklearn("model_selection").train_test_split(
        np.arange(len(labels)), test_size=0.25, random_state=0, stratify=labels
    )
    facts = {
        "title": "scikit-learn digits: 1797 handwritten digits, 8x8, from UCI",
        "split": "train_test_split(test_size=0.25, random_state=0, stratify=labels)",
    }
    part = Part(inputs, (labels,), ("digits",) * len(inputs), ("digits",))
    names = tuple(str(name) for name in bunch.target_names)
    return Found(part, None, notes, (names,), facts, (order[0], order[1]))


def _sklearn(module: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise MissingDependencyError(
            "the digits come with scikit-learn, which is not installed:"
            " pip install 'opgraph[train]'"
        ) from None


def peek(argument: str) -> DataFacts:
    """Pictures take any size; there are ten classes."""
    del argument
    return DataFacts(shape=None, num_classes=10, dtype="float32")
