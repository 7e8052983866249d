"""One line that says what to install, where a package of an extra is missing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from opgraph.errors import MissingDependencyError

# Package: what people call it, and the extra of opgraph that brings it along.
PACKAGES = {
    "tensorflow": ("TensorFlow", "train"),
    "keras": ("TensorFlow", "train"),
    "pyarrow": ("pyarrow", "train"),
    "safetensors": ("safetensors", "train"),
    "h5py": ("h5py", "train"),
    "starlette": ("starlette", "serve"),
    "uvicorn": ("uvicorn", "serve"),
    "onnx": ("onnx", "onnx"),
    "tflite": ("tflite", "tflite"),
    "tomli_w": ("tomli-w", "train"),
}


@contextmanager
def needed_for(purpose: str) -> Generator[None]:
    """Turn a missing package of an extra into a `MissingDependencyError`.

    Args:
        purpose: what cannot be done without it, such as `training`.

    >>> with needed_for("training"):
    ...     raise ModuleNotFoundError(name="keras.layers")
    Traceback (most recent call last):
    opgraph.errors.MissingDependencyError: training needs TensorFlow, which is not installed:
    pip install 'opgraph[train]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in PACKAGES:
            raise
        name, extra = PACKAGES[package]
        raise MissingDependencyError(
            f"{purpose} needs {name}, which is not installed: pip install 'opgraph[{extra}]'"
        ) from None


def needed_runtime() -> Any:
    """The package that trains, or one line that says what to install."""
    from opgraph import runtime

    with needed_for("training"):
        _ = runtime.build, runtime.trace
    return runtime
