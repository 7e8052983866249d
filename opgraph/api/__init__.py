"""What users hold and call in Python: thin handles that delegate, importing inside the method.

Top layer, beside the command line. Must not compute anything itself.
"""

from opgraph.api.functions import (
    build,
    dry_run,
    evaluate,
    from_keras,
    node_names,
    open_run,
    plot,
    predict,
    read,
    to_graphviz,
    trace,
)
from opgraph.api.graph import Graph
from opgraph.api.run import Run

__all__ = [
    "Graph",
    "Run",
    "build",
    "dry_run",
    "evaluate",
    "from_keras",
    "node_names",
    "open_run",
    "plot",
    "predict",
    "read",
    "to_graphviz",
    "trace",
]
