"""Everything that trains: the Keras model of a graph, and the measured step.

The only package that imports TensorFlow and Keras; must not know files of other formats, pictures
or the command line.
"""

from opgraph.runtime.build import Built, build, node_names
from opgraph.runtime.build_live import describe_opaque
from opgraph.runtime.dryrun import Plan, plan
from opgraph.runtime.evaluate import Evaluation, Prediction, evaluate, predict, restore
from opgraph.runtime.objective import Objective, choose_objective
from opgraph.runtime.recipe import Recipe
from opgraph.runtime.step import Step
from opgraph.runtime.trace import Progress, trace
from opgraph.runtime.training import Training, prepare

__all__ = [
    "Built",
    "Evaluation",
    "Objective",
    "Plan",
    "Prediction",
    "Progress",
    "Recipe",
    "Step",
    "Training",
    "build",
    "choose_objective",
    "describe_opaque",
    "evaluate",
    "node_names",
    "plan",
    "predict",
    "prepare",
    "restore",
    "trace",
]
