"""Which file is run by which runtime; imports a runtime when a file of its kind is opened."""

from __future__ import annotations

from pathlib import Path

from opgraph.errors import MissingDependencyError, ParityError, suggest
from opgraph.parity.model import Runner

SUFFIXES = {".keras": "Keras", ".h5": "Keras", ".onnx": "ONNX Runtime", ".tflite": "LiteRT"}
EXTRAS = {"Keras": "train", "TensorFlow": "train", "ONNX Runtime": "compare", "LiteRT": "compare"}


def open_runner(path: Path) -> Runner:
    """The model of a file in the runtime that its suffix names.

    Raises:
        ParityError: there is no such file, no runtime for its suffix, or the runtime refuses it.
        MissingDependencyError: the runtime is not installed.
    """
    if not path.exists():
        raise ParityError("there is no such file", where=str(path))
    runtime = "TensorFlow" if path.is_dir() else SUFFIXES.get(path.suffix.lower())
    if runtime is None:
        raise ParityError(
            f"no runtime for {path.suffix or 'a file without suffix'}",
            where=str(path),
            hint=suggest(path.suffix, list(SUFFIXES))
            or f"known: {', '.join(SUFFIXES)}, and SavedModel directories",
        )
    try:
        return _open(runtime, path)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{runtime} is not installed ({error.name})",
            where=str(path),
            hint=f"pip install 'opgraph[{EXTRAS[runtime]}]'",
        ) from None


def _open(runtime: str, path: Path) -> Runner:
    if runtime == "Keras":
        from opgraph.parity.keras import KerasRunner

        return KerasRunner.from_file(path)
    if runtime == "TensorFlow":
        from opgraph.parity.saved_model import SavedRunner

        return SavedRunner(path)
    if runtime == "LiteRT":
        from opgraph.parity.litert import LiteRunner

        return LiteRunner(path)
    from opgraph.parity.onnx import OnnxRunner

    return OnnxRunner(path)
