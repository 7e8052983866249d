"""The weights of a graph of TensorFlow, unread: constants of the graph, variables of a SavedModel.

Must not know operations or ops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from opgraph.errors import FormatError
from opgraph.formats.graphdef.bundle import Entry, variables
from opgraph.formats.graphdef.draft import Draft
from opgraph.formats.graphdef.flat import Operation
from opgraph.formats.graphdef.naming import variable_name
from opgraph.formats.graphdef.statics import array, array_shape, dtype_of
from opgraph.graph import WeightSource

_NUMBER = re.compile(r"_\d+$")
ROWS = frozenset({"bias", "gamma", "beta", "moving_mean", "moving_variance", "mean", "variance"})


class Arrays:
    """Where the weights of one file stand.

    Args:
        folder: of the SavedModel; None for a graph without variables.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @cached_property
    def variables(self) -> Mapping[str, list[Entry]]:
        """The variables of the SavedModel by name."""
        return {} if self.folder is None else variables(self.folder)

    def of(self, draft: Draft) -> dict[str, WeightSource]:
        """The weights of a draft by Keras's names; nothing is read."""
        return {
            name: found
            for name, leaf in draft.weights.items()
            if (found := self._source(name, leaf)) is not None
        }

    def _source(self, name: str, leaf: Operation) -> WeightSource | None:
        shape = array_shape(leaf)
        if shape is None:
            return None
        source = WeightSource(
            variable_name(leaf), shape, dtype_of(leaf) or "float32", partial(self._read, leaf)
        )
        if name in ROWS and len(shape) > 1:
            row = (math.prod(shape),)
            return source.changed(row, lambda found: found.reshape(row))
        return source

    def _read(self, leaf: Operation) -> NDArray[Any]:
        if leaf.op == "Const":
            return array(leaf.attr["value"].tensor, array_shape(leaf) or ())
        name = variable_name(leaf)
        bare = _NUMBER.sub("", name)  # the copy that a signature reads is `kernel_1`
        found = [entry.read() for entry in self.variables.get(name) or self.variables.get(bare, [])]
        if not found or any(not _same(found[0], other) for other in found[1:]):
            what = "several arrays" if found else "no array"
            where = None if self.folder is None else str(self.folder)
            raise FormatError(f"the variable {name!r} has {what}", where=where)
        return found[0]


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()
