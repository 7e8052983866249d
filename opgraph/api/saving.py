"""A graph written in the format that a suffix names; a `.keras` file is built first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from opgraph.api.extras import needed_runtime
from opgraph.errors import FormatError

if TYPE_CHECKING:
    from opgraph.graph import OpGraph


def save(graph: OpGraph, path: Path, weights: str | Path | bool = False) -> str | None:
    """Write a completed graph; an existing file is replaced at once.

    Args:
        graph: the graph.
        path: the file; its suffix names the format.
        weights: for `.keras`: a file or run to take weights from, or True for those of the file
            that the graph was read from.

    Returns:
        What became of the weights, in a line.

    Raises:
        FormatError: no format has this suffix, or it has no place for weights.
        OpgraphError: the model cannot be built, or no weight fits.
    """
    if not is_model(path):
        if weights:
            raise FormatError(
                "only a .keras file has a place for weights", where=str(path), hint="leave them out"
            )
        from opgraph.formats import write

        write(graph, path)
        return None
    source = str(weights) if isinstance(weights, Path) else weights
    started = needed_runtime().save_keras(graph, path, weights=source)
    return None if started is None else str(started.summary)


def is_model(path: Path) -> bool:
    """Whether a file of this name is a model, which has to be built."""
    return path.suffix.lower() == ".keras"


def has_weights(graph: OpGraph) -> bool:
    """Whether the file that a graph was read from holds weights of it."""
    return any(node.origin is not None and node.origin.weights for node in graph)
