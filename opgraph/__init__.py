"""Read a neural network as a graph of operations; check, draw, build, train and measure it.

This is the façade: public names are resolved when they are first used (PEP 562), so that importing
opgraph loads nothing heavy. Nothing inside the package imports it.

>>> import opgraph
>>> graph = opgraph.read("x: Input(shape=(8, 8, 1)) -> conv[filters=4] -> flatten -> fc[units=10]")
>>> graph.analyze().totals.params.value
2610
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from opgraph.version import __version__

if TYPE_CHECKING:
    from opgraph.api import (
        Attached,
        Graph,
        LessonPage,
        Run,
        animate,
        attach,
        branch,
        build,
        compare,
        debug,
        diff,
        draw_curves,
        dry_run,
        evaluate,
        export_model,
        export_run,
        from_keras,
        lesson,
        node_names,
        open_run,
        plot,
        predict,
        read,
        requery,
        resume,
        to_graphviz,
        trace,
        verify_traced,
    )
    from opgraph.errors import OpgraphError

__all__ = [
    "Attached",
    "Graph",
    "LessonPage",
    "OpgraphError",
    "Run",
    "__version__",
    "animate",
    "attach",
    "branch",
    "build",
    "compare",
    "debug",
    "diff",
    "draw_curves",
    "dry_run",
    "evaluate",
    "export_model",
    "export_run",
    "from_keras",
    "lesson",
    "node_names",
    "open_run",
    "plot",
    "predict",
    "read",
    "requery",
    "resume",
    "to_graphviz",
    "trace",
    "verify_traced",
]

_HOME = {name: "opgraph.api" for name in __all__ if name != "__version__"}
_HOME["OpgraphError"] = "opgraph.errors"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'opgraph' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
