"""Loading TensorFlow without what its C++ parts write to stderr while they start."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Generator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def without_startup_talk() -> None:
    """Import TensorFlow, if it is there, and keep its greetings from the terminal.

    Does nothing where the user asks to see them by TF_CPP_MIN_LOG_LEVEL=0 (or 1). If the import
    fails, all that was written is shown; that TensorFlow is missing is said by whoever needs it.
    """
    given = os.environ.get(LEVEL)
    if given in ("0", "1"):
        return
    os.environ[LEVEL] = given or "3"
    try:
        with contextlib.suppress(ModuleNotFoundError), _kept_back():
            importlib.import_module("opgraph.runtime.builder")
    finally:
        if given is None:  # TensorFlow has read it; processes that are started decide themselves
            del os.environ[LEVEL]


@contextlib.contextmanager
def _kept_back() -> Generator[None]:
    """Hold back what is written to file descriptor 2; show it if the import breaks."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except ModuleNotFoundError:
            raise
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
