"""A graph written in the format that a suffix names; a `.keras` file is built first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from opgraph.api.extras import needed_runtime
from opgraph.errors import FormatError

if TYPE_CHECKING:
    from opgraph.graph import OpGraph

WITH_WEIGHTS = (".keras", ".h5", ".hdf5")


def save(graph: OpGraph, path: Path, weights: str | Path | None = None) -> str | None:
    """Write a completed graph; an existing file is replaced at once.

    Args:
        graph: the graph.
        path: the file; its suffix names the format.
        weights: for `.keras`: a file or run to take weights from.

    Returns:
        What became of the weights, in a line.

    Raises:
        FormatError: no format has this suffix, or it has no place for weights.
        OpgraphError: the model cannot be built, or no weight fits.
    """
    if path.suffix.lower() != ".keras":
        if weights is not None:
            raise FormatError(
                "only a .keras file has a place for weights", where=str(path), hint="leave them out"
            )
        from opgraph.formats import write

        write(graph, path)
        return None
    source = None if weights is None else str(weights)
    started = needed_runtime().save_keras(graph, path, weights=source)
    return None if started is None else str(started.summary)


def weights_in(graph: OpGraph, path: Path) -> Path | None:
    """The file that a graph was read from, if it holds weights of it."""
    from opgraph.analysis import analyze

    has_weights = analyze(graph).totals.params.value != 0
    return path if has_weights and path.suffix.lower() in WITH_WEIGHTS else None
