"""A graph as a `.keras` file: built, given weights, saved under the names of its nodes.

Must not know how a graph is read or completed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from opgraph.files import write_atomic
from opgraph.graph import OpGraph
from opgraph.runtime.builder import Built, build
from opgraph.runtime.origins import take_weights
from opgraph.runtime.starting import Started, load_weights

_LEGAL = re.compile(r"[A-Za-z0-9][\w.@'+-]*")


def save_keras(
    graph: OpGraph, path: Path, *, weights: str | bool | None = None, seed: int = 0
) -> Started | None:
    """Build the Keras model of a completed graph and save it; an old file is replaced at once.

    Layers are called as their nodes are, where Keras allows it: a `/` becomes a `.`.

    Args:
        graph: a graph whose required attributes are all given or inferred.
        path: a `.keras` file.
        weights: a file or run to take weights from, see `load_weights`; True for those of the file
            that the graph was read from; initial values if left out.
        seed: of the initial values.

    Returns:
        What became of the weights that were taken.

    Raises:
        OpgraphError: Keras refuses a node, or the weights do not fit.
        FormatError: the file cannot be written.
    """
    built = build(graph, seed=seed)
    started = start(built, weights)
    with tempfile.TemporaryDirectory() as folder, _own_names(built):
        inside = Path(folder) / "model.keras"
        built.model.save(inside)
        write_atomic(path, lambda temporary: shutil.copyfile(inside, temporary))
    return started


def start(built: Built, weights: str | bool | None) -> Started | None:
    """Give a network the weights of a file or run, or of the file that its graph was read from.

    Raises:
        OpgraphError: they cannot be read, or none fits.
    """
    if isinstance(weights, str):
        return load_weights(built, weights)
    return take_weights(built) if weights else None


@contextmanager
def _own_names(built: Built) -> Generator[None]:
    """Let layers go by the names of their nodes for a while, where a layer can be called so."""
    layers = {id(layer): layer for layer in built.layers.values()}.values()
    before = [(layer, layer.name) for layer in layers]
    wanted = [built.node_name(name) for _, name in before]
    try:
        for (layer, _), name in zip(before, wanted, strict=True):
            if _LEGAL.fullmatch(name):
                object.__setattr__(layer, "name", name)
        yield
    finally:
        for layer, name in before:
            object.__setattr__(layer, "name", name)
