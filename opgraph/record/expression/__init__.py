"""Expressions over the tensors, statistics and figures of a step: `conv*.kernel.grad.rms > 5`.

A small language of its own: nothing is ever executed. `parse` reads a text, `needs` says what it is
made from, `evaluate` and `holds` answer it from the full tensors of a step (`StepScope`) or, where
all of it is recorded, from rows (`row_scopes`). Needs NumPy only; must not know TensorFlow.
"""

from opgraph.record.expression.evaluating import Answer, Value, answer, evaluate, holds
from opgraph.record.expression.functions import FUNCTIONS, STATISTICS, Function, statistic_of
from opgraph.record.expression.names import Figure, Names, Tensors, find_all, names_of_survey
from opgraph.record.expression.parser import parse
from opgraph.record.expression.query import Cost, Query, cost, make_query
from opgraph.record.expression.recorded import Needs, joined, needs, row_scopes
from opgraph.record.expression.scope import RowScope, Scope, StepScope, figures_of, names_of_step
from opgraph.record.expression.tree import Expression

__all__ = [
    "FUNCTIONS",
    "STATISTICS",
    "Answer",
    "Cost",
    "Expression",
    "Figure",
    "Function",
    "Names",
    "Needs",
    "Query",
    "RowScope",
    "Scope",
    "StepScope",
    "Tensors",
    "Value",
    "answer",
    "cost",
    "evaluate",
    "figures_of",
    "find_all",
    "holds",
    "joined",
    "make_query",
    "names_of_step",
    "names_of_survey",
    "needs",
    "parse",
    "row_scopes",
    "statistic_of",
]
