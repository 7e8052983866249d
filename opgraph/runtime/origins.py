"""Weights of the file that a graph was read from, put into the network that is built of it.

Node by node and name by name: each node's origin says where its arrays stand. Must not know forms
of files.
"""

from __future__ import annotations

from opgraph.errors import BuildError
from opgraph.runtime.builder import Built
from opgraph.runtime.starting import NOT_THERE, Kept, Started


def take_weights(built: Built) -> Started:
    """Give a network the weights of the file that its graph was read from.

    Args:
        built: the network; changed in place. Its graph's nodes have origins.

    Returns:
        What was taken; what the file has no array for keeps its initial value.

    Raises:
        BuildError: the graph comes from no file with weights.
        FormatError: the file has gone, or is damaged.
    """
    taken: list[str] = []
    unused: list[str] = []
    for node in built.graph:
        if node.shares is not None or node.origin is None:
            continue
        for name, source in node.origin.weights.items():
            variable = built.weight_names.get(f"{node.name}/{name}")
            if variable is None or tuple(variable.shape) != source.shape:
                unused.append(source.name)
            else:
                variable.assign(source.read())
                taken.append(f"{node.name}/{name}")
    if not taken and built.weight_names:
        raise BuildError(
            "the graph comes from no file with weights that fit",
            where=built.graph.name,
            hint="name a file to take them from: weights='model.keras'",
        )
    done = set(taken)
    kept = [Kept(name, NOT_THERE) for name in built.weight_names if name not in done]
    for layer in {id(layer): layer for layer in built.layers.values()}.values():
        finish = getattr(layer, "finalize_state", None)
        if finish is not None:  # normalisation keeps copies of its weights
            finish()
    return Started(built.graph.name, tuple(taken), tuple(kept), tuple(unused))
