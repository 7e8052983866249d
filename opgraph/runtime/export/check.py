"""Exporting a model: written under another name, opened, compared, and only then given its name.

Owns the order of these steps; must not know how a format is written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from opgraph.errors import BuildError, FormatError, OpgraphError, suggest
from opgraph.runtime.export.facts import Facts
from opgraph.runtime.export.forms import FORMS, MEMBER, Form, Run, quiet


@dataclass(frozen=True)
class ModelExport:
    """An export that was opened again and is the same as its source.

    Attributes:
        path: the file or folder.
        form: the format.
        size: in bytes.
        examples: how many were compared, one by one and all at once.
        difference: of outputs, at most, as a share of the largest output.
        tolerance: what would have been let through.
        runtime: what it was opened in.
        note: what else there is to say, such as where weights are initial values.
    """

    path: Path
    form: str
    size: int
    examples: int
    difference: float
    tolerance: float
    runtime: str
    note: str = ""

    @property
    def summary(self) -> str:
        """All in one line."""
        return (
            f"opened again in {self.runtime}: the same on {self.examples} examples"
            f" (largest difference {self.difference:.1g} of the largest output,"
            f" {self.tolerance:g} allowed)"
        )


def export_model(
    model: Any, to: str, path: Path, inputs: Sequence[Any], facts: Facts
) -> ModelExport:
    """Write a model in the format of another runtime.

    Nothing stands under the name before the export has given the same outputs as the model.

    Args:
        model: a built Keras model.
        to: `keras`, `saved_model`, `tflite` or `onnx`.
        path: the file, or the folder for `saved_model`; an old one is replaced.
        inputs: examples to compare on, one array for each input.
        facts: what travels with the model.

    Raises:
        FormatError: no such format, another suffix, or it cannot be written.
        BuildError: the format cannot hold the model, or the outputs differ.
        MissingDependencyError: a library of the format is not installed.
    """
    form = _form(to, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:40]}.") as folder:
        made = Path(folder) / path.name
        try:
            wanted = _outputs(model, inputs)
            form.write(model, made, facts)
            with quiet():
                difference = _compared(form.open(made, model), wanted, inputs)
        except (OpgraphError, MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:  # converters raise what they like
            raise _refused(form, path, error) from error
        if not difference <= form.tolerance:
            raise _different(form, path, difference)
        size = sum(item.stat().st_size for item in [made, *made.rglob("*")] if item.is_file())
        _put(made, path)
    examples = len(inputs[0])
    return ModelExport(path, form.name, size, examples, difference, form.tolerance, form.runtime)


def _form(to: str, path: Path) -> Form:
    form = FORMS.get(to)
    if form is None:
        hint = suggest(to, FORMS) or f"there are: {', '.join(FORMS)}"
        raise FormatError(f"no format is called {to!r}", hint=hint)
    if form.suffix is not None and path.suffix.lower() != form.suffix:
        problem = f"a file of {form.name} ends in {form.suffix}"
        raise FormatError(problem, where=str(path), hint=f"name it {path.stem}{form.suffix}")
    if path.is_dir() != (form.suffix is None) and path.exists():
        what = "a file" if form.suffix is None else "a folder"
        raise FormatError(f"is {what}, which is not replaced", where=str(path))
    if path.is_dir() and any(path.iterdir()) and not (path / MEMBER).exists():
        problem = "a folder that opgraph has not written, which is not replaced"
        raise FormatError(problem, where=str(path), hint="name another one")
    return form


def _batches(inputs: Sequence[Any]) -> list[list[Any]]:
    """All examples at once, and the first alone: the size of a batch is free."""
    return [[np.asarray(array[:count]) for array in inputs] for count in (len(inputs[0]), 1)]


def _outputs(model: Any, inputs: Sequence[Any]) -> list[list[Any]]:
    """What the model itself gives for each batch."""
    found: list[list[Any]] = []
    for arrays in _batches(inputs):
        given: Any = arrays[0] if len(arrays) == 1 else arrays
        found.append([np.asarray(x) for x in keras.tree.flatten(model(given, training=False))])
    return found


def _compared(run: Run, wanted: list[list[Any]], inputs: Sequence[Any]) -> float:
    """The largest difference of outputs, as a share of the largest number in them."""
    worst = 0.0
    for arrays, outputs in zip(_batches(inputs), wanted, strict=True):
        for one, other in zip(outputs, run(arrays), strict=True):
            if one.shape != other.shape:
                raise ValueError(f"an output of shape {other.shape} where {one.shape} is wanted")
            scale = max(float(np.abs(one).max(initial=0.0)), 1e-12)
            gap = float(np.abs(one.astype(float) - other.astype(float)).max(initial=0.0))
            worst = max(worst, gap / scale) if np.isfinite(gap) else np.inf
    return worst


def _put(made: Path, path: Path) -> None:
    """Give the export its name; an old folder is moved aside first, and goes when all is well."""
    try:
        if not path.is_dir():
            made.replace(path)
            return
        old = made.with_name(f"{made.name}.old")
        path.replace(old)
        made.replace(path)
        shutil.rmtree(old)
    except OSError as error:
        raise FormatError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _refused(form: Form, path: Path, error: Exception) -> BuildError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return BuildError(
        f"cannot be exported as {form.name}: {said}",
        where=str(path),
        hint="nothing was written",
    )


def _different(form: Form, path: Path, difference: float) -> BuildError:
    return BuildError(
        f"the export gives other outputs in {form.runtime}: they differ by {difference:.2g} of the"
        f" largest, {form.tolerance:g} is allowed",
        where=str(path),
        hint="nothing was written",
    )
