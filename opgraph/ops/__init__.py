"""What an operation is: its attributes, shapes, weights, cost and Keras layer.

The lowest layer but for errors. Must not know what a graph is, where it came from, or Keras itself.
"""

from opgraph.ops.registry import find, guess, kinds, op, require
from opgraph.ops.spec import (
    POINTWISE,
    REQUIRED,
    WHOLE,
    Attr,
    Category,
    Dim,
    Op,
    Reach,
    Shape,
    Weight,
    attr,
    convert_value,
    describe,
    for_weights,
    freeze,
    unknown_attribute,
)
from opgraph.ops.windows import count

__all__ = [
    "POINTWISE",
    "REQUIRED",
    "WHOLE",
    "Attr",
    "Category",
    "Dim",
    "Op",
    "Reach",
    "Shape",
    "Weight",
    "attr",
    "convert_value",
    "count",
    "describe",
    "find",
    "for_weights",
    "freeze",
    "guess",
    "kinds",
    "op",
    "require",
    "unknown_attribute",
]
