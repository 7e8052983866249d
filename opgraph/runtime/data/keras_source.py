"""Data that Keras downloads the first time they are asked for.

Owns the way from `keras.datasets` to arrays for the inputs; the only module of this package that
imports Keras, and imported only when such data are named.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

import numpy as np

from opgraph.errors import DataError, MissingDependencyError
from opgraph.ops import Shape
from opgraph.runtime.data.keras_names import KERAS_NAMES, KerasDataset
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.pictures import fit, note, target
from opgraph.runtime.data.result import Array, DataFacts, Found, Part, Request, Wanted

WHITE = 255.0
STEPS, VOCABULARY = 200, 10_000
Arrays = tuple[tuple[Array, Array], tuple[Array, Array]]


def read(request: Request) -> Found:
    """The dataset with the split it comes with, fitted to each input.

    Raises:
        DataError: it cannot be downloaded, holds prices where classes are wanted, or does not fit.
        MissingDependencyError: Keras is not installed.
    """
    name = request.argument
    known = _require_kind(request)
    notes = tuple(_note(known, wanted) for wanted in request.wanted)
    _require_memory(request, known)
    (x_train, y_train), (x_test, y_test) = download(name)
    parts = [
        Part(
            tuple(_fit(known, np.asarray(x), wanted) for wanted in request.wanted),
            (np.asarray(y).reshape(-1),),
            (f"{name}, {half}",) * len(request.wanted),
            (f"{name}, {half}",),
        )
        for x, y, half in ((x_train, y_train, "train"), (x_test, y_test, "test"))
    ]
    facts = {"title": f"keras.datasets.{name}"}
    return Found(parts[0], parts[1], notes, (known.class_names,), facts)


def peek(argument: str) -> DataFacts:
    """What the documentation of Keras says; nothing is downloaded."""
    known = KERAS_NAMES[argument]
    if known.kind == "numbers":
        return DataFacts((known.columns,), None, "float32", "numbers")
    if known.kind == "tokens":
        return DataFacts((STEPS,), known.num_classes, "int32")
    return DataFacts(known.shape, known.num_classes, "float32")


def download(name: str) -> Arrays:
    """Train and test arrays as Keras hands them over.

    Raises:
        DataError: the network or the server does not answer.
        MissingDependencyError: Keras is not installed.
    """
    try:
        module: Any = importlib.import_module(f"keras.datasets.{name}")
    except ImportError:
        problem = f"{name!r} is downloaded by Keras, which is not installed"
        raise MissingDependencyError(f"{problem}: pip install 'opgraph[train]'") from None
    try:
        # Keras reports downloads on stdout, which belongs to the results.
        with contextlib.redirect_stdout(sys.stderr):
            return module.load_data()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"could not be downloaded ({reason})",
            where=name,
            hint="a network is needed the first time; digits and synthetic:<kind> need none",
        ) from None


def _require_kind(request: Request) -> KerasDataset:
    known = KERAS_NAMES[request.argument]
    if known.kind == "numbers" and request.targets[0].kind != "numbers":
        raise DataError(
            "its targets are prices, not classes",
            where=request.spec,
            hint="end the network in one unit without activation, trained by mse",
        )
    return known


def _require_memory(request: Request, known: KerasDataset) -> None:
    shapes = [_shape(known, wanted) for wanted in request.wanted]
    require_memory(request, known.examples, [tuple(dim or STEPS for dim in s) for s in shapes])


def _shape(known: KerasDataset, wanted: Wanted) -> Shape:
    if known.kind == "pictures":
        return target(wanted, known.shape)
    return wanted.shape[:1] if known.kind == "tokens" else (known.columns,)


def _note(known: KerasDataset, wanted: Wanted) -> dict[str, Any]:
    if known.kind == "pictures":
        return note(wanted, known.shape, WHITE)
    if known.kind == "numbers":
        return {"kind": "arrays", "divided_by": 1.0}
    return {
        "kind": "tokens",
        "divided_by": 1.0,
        "steps": _steps(wanted),
        "vocabulary_used": _vocabulary(wanted),
        "padded": "with 0 in front; of long texts the end is kept; rare words become 2",
    }


def _fit(known: KerasDataset, array: Array, wanted: Wanted) -> Array:
    if known.kind == "numbers":
        return array
    if known.kind == "tokens":
        return pad(array, _steps(wanted), _vocabulary(wanted))
    return fit(array.reshape(len(array), *known.shape), wanted, WHITE)


def _steps(wanted: Wanted) -> int:
    if len(wanted.shape) != 1:
        raise DataError(
            f"has shape {wanted.shape}, but texts are rows of tokens: (steps,)",
            where=f"input {wanted.name!r}",
            node=wanted.name,
        )
    return wanted.shape[0] or STEPS


def _vocabulary(wanted: Wanted) -> int:
    return wanted.vocabulary or VOCABULARY


def pad(texts: Array, steps: int, vocabulary: int) -> Array:
    """Texts of many lengths as rows of one length, the words that are too rare as number 2.

    >>> texts = np.array([[7, 900], [1, 2, 3, 4]], dtype=object)
    >>> pad(texts, 3, 100).tolist()
    [[0, 7, 2], [2, 3, 4]]
    """
    rows = np.zeros((len(texts), steps), np.int64)
    for row, text in zip(rows, texts, strict=True):
        end = np.asarray(text[-steps:], np.int64)
        if len(end):
            row[-len(end) :] = np.where(end < vocabulary, end, 2)
    return rows
