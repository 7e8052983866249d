"""The structure of a model in a legacy `.h5` file: its attribute `model_config`.

The file is untrusted: no link is followed, nothing is unpickled, and no weight is read before it is
asked for. Must not know what a configuration means.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.archive import MOST_BYTES
from opgraph.formats.keras_arrays import with_weights
from opgraph.formats.keras_config import read_config
from opgraph.graph import OpGraph

ATTRIBUTE = "model_config"


def read_h5_file(path: Path) -> OpGraph:
    """The graph of the model in a legacy `.h5` file; its weights wait to be asked for.

    Raises:
        FormatError: it is not such a file, or it is damaged or absurdly large.
        ModuleNotFoundError: `h5py` is not installed.
    """
    text = _config_text(path)
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{ATTRIBUTE} is not JSON: {error}", where=str(path)) from None
    try:
        return with_weights(read_config(data), path, partial(_opened, path))
    except FormatError as error:
        error.where = f"{path}/{ATTRIBUTE}: {error.where}"
        raise


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    import h5py

    with path.open("rb") as opened, h5py.File(opened, "r") as file:
        yield file


def _config_text(path: Path) -> str | bytes:
    try:
        with _opened(path) as file:
            if ATTRIBUTE not in file.attrs:
                raise FormatError(
                    f"an HDF5 file without the attribute {ATTRIBUTE!r}",
                    where=str(path),
                    hint="a file of weights alone has no graph: save the whole model",
                )
            if file.attrs.get_id(ATTRIBUTE).get_storage_size() > MOST_BYTES:
                raise FormatError(
                    f"{ATTRIBUTE} is larger than {MOST_BYTES >> 20} MiB", where=str(path)
                )
            text = file.attrs[ATTRIBUTE]
    except OSError as error:
        problem = f"cannot be read: {error.strerror}" if error.strerror else "not an HDF5 file"
        raise FormatError(problem, where=str(path)) from None
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"a damaged HDF5 file: {error}", where=str(path)) from None
    if not isinstance(text, str | bytes) or len(text) > MOST_BYTES:
        raise FormatError(f"{ATTRIBUTE} is no text, or too long", where=str(path))
    return text
