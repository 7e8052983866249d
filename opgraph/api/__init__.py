"""What users hold and call in Python: thin handles that delegate, importing inside the method.

Top layer, beside the command line. Must not compute anything itself.
"""

from opgraph.api.animating import animate
from opgraph.api.attaching import Attached, attach
from opgraph.api.branching import branch
from opgraph.api.comparing import diff
from opgraph.api.curves import draw_curves
from opgraph.api.debugging import debug
from opgraph.api.exporting import export_run
from opgraph.api.exporting_models import export_model
from opgraph.api.functions import (
    build,
    evaluate,
    from_keras,
    node_names,
    open_run,
    plot,
    predict,
    read,
    to_graphviz,
)
from opgraph.api.graph import Graph
from opgraph.api.hindsight import requery
from opgraph.api.lessons import LessonPage, lesson
from opgraph.api.run import Run
from opgraph.api.training import dry_run, resume, trace, verify_traced
from opgraph.api.values import compare

__all__ = [
    "Attached",
    "Graph",
    "LessonPage",
    "Run",
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
