"""Everything that trains: the Keras model of a graph, and the measured step.

The only package that imports TensorFlow and Keras; must not know files of other formats, pictures
or the command line. Names are resolved when they are first used, so that `runtime.data`, which
needs neither, can be had without them; hence no module here has the name of a public function.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opgraph.runtime.autopsy import Autopsy, perform_autopsy
    from opgraph.runtime.branching import branch, changes_from
    from opgraph.runtime.build_live import describe_opaque
    from opgraph.runtime.builder import Built, build, node_names
    from opgraph.runtime.compiled import compiled_settings
    from opgraph.runtime.config import read_config, to_toml
    from opgraph.runtime.dryrun import Plan, plan
    from opgraph.runtime.evaluation import Evaluation, Prediction, evaluate, predict, restore
    from opgraph.runtime.export import Facts, ModelExport, export_model
    from opgraph.runtime.freezing import freeze
    from opgraph.runtime.heads import Head, Judged
    from opgraph.runtime.live import built_of
    from opgraph.runtime.objective import Objective, choose_objective
    from opgraph.runtime.recipe import Recipe
    from opgraph.runtime.replay import Replay
    from opgraph.runtime.saving import save_keras, start
    from opgraph.runtime.starting import Started, load_weights
    from opgraph.runtime.step import Step
    from opgraph.runtime.tracing import Progress, recipe_of, resume, trace
    from opgraph.runtime.training import Training, prepare
    from opgraph.runtime.verifying import Verified, verify_traced

__all__ = [
    "Autopsy",
    "Built",
    "Evaluation",
    "Facts",
    "Head",
    "Judged",
    "ModelExport",
    "Objective",
    "Plan",
    "Prediction",
    "Progress",
    "Recipe",
    "Replay",
    "Started",
    "Step",
    "Training",
    "Verified",
    "branch",
    "build",
    "built_of",
    "changes_from",
    "choose_objective",
    "compiled_settings",
    "describe_opaque",
    "evaluate",
    "export_model",
    "freeze",
    "load_weights",
    "node_names",
    "perform_autopsy",
    "plan",
    "predict",
    "prepare",
    "read_config",
    "recipe_of",
    "restore",
    "resume",
    "save_keras",
    "start",
    "to_toml",
    "trace",
    "verify_traced",
]

_MODULES = {
    "autopsy": ("Autopsy", "perform_autopsy"),
    "branching": ("branch", "changes_from"),
    "compiled": ("compiled_settings",),
    "live": ("built_of",),
    "verifying": ("Verified", "verify_traced"),
    "heads": (
        "Head",
        "Judged",
    ),
    "freezing": ("freeze",),
    "export": ("Facts", "ModelExport", "export_model"),
    "starting": (
        "Started",
        "load_weights",
    ),
    "config": (
        "read_config",
        "to_toml",
    ),
    "builder": ("Built", "build", "node_names"),
    "build_live": ("describe_opaque",),
    "dryrun": ("Plan", "plan"),
    "evaluation": ("Evaluation", "Prediction", "evaluate", "predict", "restore"),
    "objective": ("Objective", "choose_objective"),
    "recipe": ("Recipe",),
    "replay": ("Replay",),
    "saving": ("save_keras", "start"),
    "step": ("Step",),
    "tracing": ("Progress", "recipe_of", "resume", "trace"),
    "training": ("Training", "prepare"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
