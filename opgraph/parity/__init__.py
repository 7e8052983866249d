"""Values side by side: two models on the same inputs, and the first node that differs.

One module for each runtime, none imported before it is needed. Owns what counts as equal, how
nodes are matched and what may have made a difference; must not know how a graph is read or drawn.
"""

from opgraph.parity.compare import compare
from opgraph.parity.feeding import Feeds, batches_of, drawn, pair
from opgraph.parity.measures import Measures, Tolerance, measure
from opgraph.parity.model import Cause, Comparison, Row, Runner, Tensor
from opgraph.parity.names import layers_of
from opgraph.parity.runners import SUFFIXES, open_runner

__all__ = [
    "SUFFIXES",
    "Cause",
    "Comparison",
    "Feeds",
    "Measures",
    "Row",
    "Runner",
    "Tensor",
    "Tolerance",
    "batches_of",
    "compare",
    "drawn",
    "layers_of",
    "measure",
    "open_runner",
    "pair",
]
