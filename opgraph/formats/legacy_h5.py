"""The structure of a model in a legacy `.h5` file: its attribute `model_config`, nothing else.

The only module of this package that imports `h5py`. The file is untrusted: no weight is read, no
link is followed, nothing is unpickled. Must not know what a configuration means.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.archive import MOST_BYTES
from opgraph.formats.keras_config import read_config
from opgraph.graph import OpGraph

ATTRIBUTE = "model_config"


def read_h5_file(path: Path) -> OpGraph:
    """The graph of the model in a legacy `.h5` file; its weights are left alone.

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
        return read_config(data)
    except FormatError as error:
        error.where = f"{path}/{ATTRIBUTE}: {error.where}"
        raise


def _config_text(path: Path) -> str | bytes:
    import h5py

    try:
        with path.open("rb") as opened, h5py.File(opened, "r") as file:
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
