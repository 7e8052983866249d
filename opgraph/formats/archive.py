"""The structure of a model in a `.keras` file: its `config.json`, and nothing else of it.

The file is a zip archive and untrusted: what is read is bounded, weights are not touched, nothing
is unpacked to disk. Must not know what a configuration means.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from opgraph.errors import FormatError
from opgraph.formats.keras_config import read_config
from opgraph.graph import OpGraph

MEMBER = "config.json"
MOST_BYTES = 64 << 20
MOST_MEMBERS = 10_000


def read_keras_file(path: Path) -> OpGraph:
    """The graph of the model in a `.keras` file; its weights are left alone.

    Raises:
        FormatError: it is not such a file, or it is damaged or absurdly large.
    """
    data = keras_file_config(path)
    try:
        return read_config(data)
    except FormatError as error:
        error.where = f"{path}/{MEMBER}: {error.where}"
        raise


def keras_file_config(path: Path) -> Any:
    """What `config.json` of a `.keras` file holds.

    Raises:
        FormatError: it is not such a file, or it is damaged or absurdly large.
    """
    try:
        return json.loads(_config_text(path))
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{MEMBER} is not JSON: {error}", where=str(path)) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise FormatError(
            f"not a .keras file, which is a zip archive: {error}",
            where=str(path),
            hint="models in .h5 or SavedModel form: load them in Keras and save them as .keras",
        ) from None


def _config_text(path: Path) -> bytes:
    """The bytes of `config.json`, read no further than they may be long."""
    with zipfile.ZipFile(path) as archive:
        if len(archive.namelist()) > MOST_MEMBERS:
            raise FormatError(f"an archive of more than {MOST_MEMBERS:,} files", where=str(path))
        if MEMBER not in archive.namelist():
            raise FormatError(f"an archive without {MEMBER}", where=str(path))
        with archive.open(MEMBER) as member:
            content = member.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise FormatError(f"{MEMBER} is larger than {MOST_BYTES >> 20} MiB", where=str(path))
    return content
