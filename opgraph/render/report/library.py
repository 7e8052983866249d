"""The chart library that goes into the page: BokehJS, out of the Python package `bokeh`.

Owns where it is found; the package itself is not imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from opgraph.errors import MissingDependencyError

# The second one makes charts from JavaScript, without the first it does nothing.
FILES = ("bokeh.min.js", "bokeh-api.min.js")


def chart_library() -> str:
    """The text of the library.

    Raises:
        MissingDependencyError: it is not installed.
    """
    spec = find_spec("bokeh")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "a report needs the package bokeh, which is not installed:"
            " pip install 'opgraph[report]'"
        )
    folder = Path(spec.origin).parent / "server" / "static" / "js"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in FILES)
