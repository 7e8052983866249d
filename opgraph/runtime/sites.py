"""The sites of a step: every place where something is measured, from the tensors being traced.

Owns what counts as a site; must not know how anything is reduced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import tensorflow as tf

from opgraph.errors import TraceError, suggest
from opgraph.graph import matching
from opgraph.record import STEPS, Measure, Site
from opgraph.runtime.core import BatchTensors, Core


def make_sites(core: Core, batch: BatchTensors, measure: Measure) -> tuple[Site, ...]:
    """The sites that are measured.

    The gradient at an input is not one of them: no update depends on it, and it costs one more
    convolution a step. It is there among the full tensors of a step.

    Raises:
        TraceError: a glob of the user's matches no node and no weight.
    """
    if measure.preset == "off" and not measure.schedules:
        return (STEPS,)
    found = (*_outputs(core, batch), *_weights(core, batch), *_layers(core, batch))
    _refuse_unknown(measure.sites or "", found)
    return (STEPS, *(site for site in found if measure.covers(*site_names(site))))


def _refuse_unknown(globs: str, sites: Iterable[Site]) -> None:
    names = list(dict.fromkeys(name for site in sites for name in site_names(site)))
    for glob in (part.strip() for part in globs.split(",") if part.strip()):
        if not matching(glob, names):
            hint = suggest(glob.strip("*?"), names)
            raise TraceError(f"no node or weight is called {glob!r}", where="sites", hint=hint)


def site_names(site: Site) -> tuple[str, ...]:
    """The names by which a user may ask for a site: the node, and `node/weight`."""
    return (site.node, f"{site.node}/{site.weight}") if site.weight else (site.node,)


def _outputs(core: Core, batch: BatchTensors) -> Iterator[Site]:
    shapes = {
        end: (tuple(tensor.shape[1:]), tensor.dtype.name) for end, tensor in batch.outputs.items()
    }
    for end, (shape, dtype) in shapes.items():
        yield Site("output", end.node, end.port, shape=shape, dtype=dtype)
    for end, grad in batch.output_grads.items():
        if end.node in core.input_nodes:
            continue
        shape, dtype = shapes[end]
        connected = grad is not None
        yield Site("output_grad", end.node, end.port, shape=shape, dtype=dtype, connected=connected)


def _weights(core: Core, batch: BatchTensors) -> Iterator[Site]:
    for name, variable in core.trainable.items():
        node, _, own = name.rpartition("/")
        connected = batch.grads[name] is not None
        shape, dtype = tuple(variable.shape), tf.as_dtype(variable.dtype).name
        yield Site("weight", node, weight=own, shape=shape, dtype=dtype, connected=connected)
    for (name, slot), variable in core.slots.items():
        node, _, own = name.rpartition("/")
        shape, dtype = tuple(variable.shape), tf.as_dtype(variable.dtype).name
        yield Site("slot", node, weight=own, slot=slot, shape=shape, dtype=dtype)


def _layers(core: Core, batch: BatchTensors) -> Iterator[Site]:
    graph = core.built.graph
    calls = Counter(graph.owner(name) for name, bn in batch.bn.items() if _learns(bn.batch_mean))
    for name, bn in batch.bn.items():
        mean = bn.moving_mean
        yield Site(
            "bn",
            name,
            shape=tuple(mean.shape),
            dtype=mean.dtype.name,
            connected=_learns(bn.batch_mean),
            momentum=float(core.built.layers[name].momentum),
            calls=calls[graph.owner(name)],
        )
    for name, mask in batch.masks.items():
        yield Site("dropout", name, shape=tuple(mask.shape[1:]), dtype="bool")


def _learns(batch_mean: object) -> bool:
    return batch_mean is not None
