"""Which source a spec names.

Owns the table of sources and nothing of what they do; a source's module is imported when it is
named.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

from opgraph.errors import DataError, suggest
from opgraph.runtime.data.keras_names import KERAS_NAMES
from opgraph.runtime.data.result import DataFacts, Found, Request

FORMS = (
    "digits, a Keras dataset such as mnist, synthetic:<kind>, or the path of an .npz file, a .csv"
    " file or a folder with one folder of pictures for each class"
)
TABLES = (".csv", ".tsv")
SUFFIXES = {".npz": "archive", **dict.fromkeys(TABLES, "table")}
TARGET_MARK = ":target="


class Source(Protocol):
    """A module that reads one kind of data."""

    def read(self, request: Request) -> Found:
        """The data, fitted to the inputs of a network."""
        ...

    def peek(self, argument: str) -> DataFacts:
        """What the data say about a network."""
        ...


def find(spec: str) -> tuple[Source, str]:
    """The source that a spec names, and what it is to be asked for.

    Raises:
        DataError: there is none.
    """
    if spec == "digits":
        return _module("digits"), spec
    if spec.startswith("synthetic:"):
        return _module("synthetic"), spec.removeprefix("synthetic:")
    if spec in KERAS_NAMES:
        return _module("keras_source"), spec
    path = Path(spec)
    if spec and path.is_dir():
        return _module("folder"), spec
    name, mark, _ = spec.partition(TARGET_MARK)
    if mark and Path(name).suffix.lower() in TABLES:
        path = Path(name)
    if path.suffix.lower() not in SUFFIXES:
        raise _unknown(spec, path)
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    return _module(SUFFIXES[path.suffix.lower()]), spec


def _unknown(spec: str, path: Path) -> DataError:
    expected = f"expected {FORMS}"
    if path.is_file():
        return DataError(
            "is not a kind of file that data can be read from",
            where=spec,
            hint=expected,
        )
    near = suggest(spec, ["digits", "synthetic:blobs", *KERAS_NAMES])
    problem = "no data of that name, and no such file or folder"
    return DataError(problem, where=spec or "''", hint=f"{near} {expected}" if near else expected)


def _module(name: str) -> Source:
    return cast("Source", importlib.import_module(f"opgraph.runtime.data.{name}"))
