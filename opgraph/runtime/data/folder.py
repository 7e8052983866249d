"""Pictures in folders: one folder for each class, named after it.

Owns the layout of such folders and the order of classes and files; a picture is read by
`image_file`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opgraph.errors import DataError, MissingDependencyError, raise_all
from opgraph.runtime.data.image_file import SUFFIXES, WHITE, read_picture
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.pictures import note, target
from opgraph.runtime.data.result import Array, DataFacts, Found, Part, Request

HALVES = ("train", "test")
MANY_SIZES = (None, None, 3)
SHOWN = 5
LAYOUT = "expected folder/class/picture.png, or folder/train/class/... and folder/test/class/..."


@dataclass(frozen=True, slots=True)
class _Tree:
    """Files of pictures with their class, and how many files were passed over."""

    files: tuple[tuple[Path, int], ...]
    passed_over: int


def read(request: Request) -> Found:
    """All pictures, resized to each input.

    Raises:
        DataError: there are no pictures, or some cannot be read; those are named.
    """
    root = Path(request.argument)
    halves = _halves(root)
    classes = _classes(halves)
    trees = [_tree(half, classes) for half in halves]
    for half, tree in zip(halves, trees, strict=True):
        _require_pictures(half, tree)
    shapes = [target(wanted, MANY_SIZES) for wanted in request.wanted]
    require_memory(request, sum(len(tree.files) for tree in trees), list(shapes))
    parts = [_read_all(root, tree, request) for tree in trees]
    notes = tuple(note(wanted, MANY_SIZES, WHITE) for wanted in request.wanted)
    facts: dict[str, Any] = {
        "title": f"pictures in {request.argument}",
        "passed_over": sum(tree.passed_over for tree in trees),
    }
    return Found(parts[0], parts[1] if len(parts) == 2 else None, notes, (classes,), facts)


def peek(argument: str) -> DataFacts:
    """As many classes as folders; pictures take any size."""
    return DataFacts(None, len(_classes(_halves(Path(argument)))), "float32")


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _halves(root: Path) -> tuple[Path, ...]:
    """The folder itself, or its `train` and `test` where it has just these."""
    found = _folders(root)
    if tuple(sorted(folder.name for folder in found)) == tuple(sorted(HALVES)):
        return tuple(root / half for half in HALVES)
    return (root,)


def _classes(halves: tuple[Path, ...]) -> tuple[str, ...]:
    names = tuple(folder.name for folder in _folders(halves[0]))
    if len(names) < 2:
        there = f"one folder only, {names[0]!r}" if names else "no folders"
        raise DataError(
            f"{there}; one folder for each of at least two classes is expected",
            where=str(halves[0]),
            hint=LAYOUT,
        )
    for half in halves[1:]:
        other = [folder.name for folder in _folders(half) if folder.name not in names]
        if other:
            problem = f"class {other[0]!r} is not among those to train on: {', '.join(names)}"
            raise DataError(problem, where=str(half))
    return names


def _tree(half: Path, classes: tuple[str, ...]) -> _Tree:
    files: list[tuple[Path, int]] = []
    passed_over = 0
    for number, name in enumerate(classes):
        inside = half / name
        found = sorted(p for p in inside.iterdir() if p.is_file()) if inside.is_dir() else []
        pictures = [path for path in found if _is_picture(path)]
        passed_over += len(found) - len(pictures)
        files += [(path, number) for path in pictures]
    return _Tree(tuple(files), passed_over)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _require_pictures(half: Path, tree: _Tree) -> None:
    if not tree.files:
        endings = ", ".join(sorted(SUFFIXES))
        problem = f"no pictures in its folders; pictures end in {endings}"
        raise DataError(problem, where=str(half), hint=LAYOUT)


def _read_all(root: Path, tree: _Tree, request: Request) -> Part:
    pictures: list[list[Array]] = [[] for _ in request.wanted]
    errors: list[DataError] = []
    for path, _ in tree.files:
        try:
            for made, wanted in zip(pictures, request.wanted, strict=True):
                made.append(read_picture(path, str(path), wanted, None))
        except MissingDependencyError:
            raise
        except DataError as error:
            errors.append(error)
            if len(errors) >= SHOWN:
                break
    raise_all(errors)
    labels = np.array([number for _, number in tree.files], np.int64)
    inputs = tuple(np.stack(made) for made in pictures)
    return Part(inputs, (labels,), (str(root),) * len(inputs), (str(root),))
