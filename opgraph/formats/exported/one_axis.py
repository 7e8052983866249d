"""Layers over one axis that a format has only over two: an axis of size 1 comes and goes.

Must not know how a format spells it.
"""

from __future__ import annotations

from opgraph.formats.exported.call import After, Call, Found, Made, Perm
from opgraph.graph import WeightSource
from opgraph.ops import Shape

KINDS = {
    "Conv2D": "Conv1D",
    "DepthwiseConv2D": "DepthwiseConv1D",
    "MaxPooling2D": "MaxPooling1D",
    "AveragePooling2D": "AveragePooling1D",
}
SIZES = ("kernel_size", "strides", "pool_size", "dilation_rate")
FUNCTIONS = ("ReLU", "HardTanh", "Tanh")


def along_one_axis(call: Call) -> Found | None:
    """The layer over one axis that a Reshape ends, with another one before the layer over two."""
    made, after = call.maker(call.input(0)), None
    if made is not None and made.kind.kind in FUNCTIONS and len(made.reads) == 1:
        after = After(made.kind.kind, made.given, made.name)
        made = call.named(made.reads[0].node)
    if made is None or made.kind.kind not in KINDS or made.given.get("data_format"):
        return None
    before = call.named(made.reads[0].node)
    source = _source(call, before)
    flat = all(made.given[name][0] == 1 for name in SIZES if made.given.get(name))
    alone = all(_is_read_once(call, node) for node in (made, before))
    if source is None or len(source) != 2 or before.shapes[0] != (1, *source):
        return None
    if not flat or not alone:
        return None
    given = {n: v[1:] if n in SIZES and v else v for n, v in made.given.items()}
    weights = {n: _without_first(w) if n == "kernel" else w for n, w in made.weights.items()}
    gone = (made.name, before.name, *((after.name,) if after else ()))
    return Found(KINDS[made.kind.kind], given, weights, (), swallows=gone, ends=before.reads,
                 perms=(_without_axis(call.perm),), after=after)  # fmt: skip


def _source(call: Call, before: Made) -> Shape | None:
    """The shape of what a Reshape takes; None if it is none."""
    if before.kind.kind != "Reshape":
        return None
    (end,) = before.reads
    shapes = call.named(end.node).shapes
    return shapes[end.port] if end.port < len(shapes) else None


def _is_read_once(call: Call, made: Made) -> bool:
    return all(call.program.readers.get(tensor, 1) == 1 for tensor in made.names[-1:])


def _without_first(kernel: WeightSource) -> WeightSource:
    shape = kernel.shape[1:]
    return kernel.changed(shape, lambda array: array.reshape(shape))


def _without_axis(perm: Perm | None) -> Perm | None:
    """An order of axes when the first one behind the batch is gone.

    >>> _without_axis((0, 3, 1, 2))
    (0, 2, 1)
    """
    if perm is None:
        return None
    return tuple(axis - (axis > 1) for axis in perm if axis != 1)
