"""Statistics of the tensors of a step, by TensorFlow's own reductions, packed into one vector.

Reads what the core makes and changes none of it. Usually all numbers are finite and plain
reductions do; if one is not, all statistics are made again with non-finite elements counted and
left out. Owns the moments; how they are finished into quantities is told by `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import tensorflow as tf

from opgraph.graph import Endpoint
from opgraph.record import Layout, Site
from opgraph.runtime.core import CoreTensors

Tensor = Any
Moments = Mapping[str, Tensor]
Reduce = Callable[[Tensor, Sequence[str]], Moments]

EXACT_IN_FLOAT32 = 1 << 24


def make_sites(core: CoreTensors) -> tuple[Site, ...]:
    """The sites of a step, from its tensors as they are being traced.

    The gradient at an input is not one of them: no update depends on it, and it costs one more
    convolution a step. It is there among the full tensors of a step.
    """
    sites = [Site("steps", "")]
    for end, tensor in core.outputs.items():
        shape, dtype = tuple(tensor.shape[1:]), tensor.dtype.name
        sites.append(Site("output", end.node, end.port, "", shape, dtype))
    for end, grad in core.output_grads.items():
        if end.node in core.inputs:
            continue
        tensor = core.outputs[end]
        shape, dtype = tuple(tensor.shape[1:]), tensor.dtype.name
        sites.append(Site("output_grad", end.node, end.port, "", shape, dtype, grad is not None))
    for name, weight in core.weights.items():
        node, _, own = name.rpartition("/")
        shape, dtype = tuple(weight.before.shape), weight.before.dtype.name
        connected = weight.grad is not None
        sites.append(Site("weight", node, 0, own, shape, dtype, connected))
    for name, bn in core.bn.items():
        dtype = bn.moving_mean.dtype.name
        sites.append(Site("bn", name, 0, "", tuple(bn.moving_mean.shape), dtype))
    return tuple(sites)


def pack_statistics(core: CoreTensors, layout: Layout) -> Tensor:
    """All moments of a step as one float64 vector in the order of the layout."""
    plain = _pack(core, layout, reduce_finite)
    # One call, not inlined: the executor visits every operation of a branch that is not taken.
    again = tf.function(
        lambda: _pack(core, layout, reduce_masked),
        autograph=False,
        experimental_attributes={"_noinline": True},
    )
    return tf.cond(tf.reduce_all(tf.math.is_finite(plain)), lambda: plain, again)


def _pack(core: CoreTensors, layout: Layout, reduce: Reduce) -> Tensor:
    moments = {site: _moments(core, site, reduce) for site in layout.sites}
    tensors = [tf.convert_to_tensor(moments[e.site][e.moment]) for e in layout.entries]
    parts: list[Tensor] = []
    for (dtype, rank), run in groupby(tensors, key=lambda x: (x.dtype, x.shape.rank)):
        join = tf.stack if rank == 0 else tf.concat
        joined = join(list(run), axis=0)
        parts.append(joined if dtype == tf.float64 else tf.cast(joined, tf.float64))
    return tf.concat(parts, 0)


def _moments(core: CoreTensors, site: Site, reduce: Reduce) -> Moments:
    if site.kind == "steps":
        return _step_moments(core)
    if site.kind == "bn":
        return core.bn[site.node]._asdict()
    if site.kind == "weight":
        return _weight_moments(core, site, reduce)
    tensors = core.outputs if site.kind == "output" else core.output_grads
    tensor = tensors[Endpoint(site.node, site.port)]
    return {} if tensor is None else reduce(tensor, site.moments)


def _step_moments(core: CoreTensors) -> Moments:
    return {
        "loss": core.loss,
        "regularization": core.regularization,
        "correct": core.correct,
        "predictions": core.predictions,
        "learning_rate": core.learning_rate,
    }


def _weight_moments(core: CoreTensors, site: Site, reduce: Reduce) -> Moments:
    weight = core.weights[f"{site.node}/{site.weight}"]
    found: dict[str, Tensor] = {}
    for what, tensor in (
        ("value", weight.before),
        ("grad", weight.grad),
        ("update", weight.update),
    ):
        if tensor is None:
            continue
        reduced = reduce(tensor, ("sumsq", "nonfinite"))
        found |= {f"{what}_{name}": value for name, value in reduced.items()}
    return found


def reduce_finite(tensor: Tensor, names: Sequence[str]) -> Moments:
    """Moments of a tensor whose elements are all finite."""
    x = as_number(densify(tensor))
    makers: dict[str, Callable[[], Tensor]] = {
        "count": lambda: tf.size(x, out_type=tf.int64),
        "nonfinite": lambda: tf.zeros((), tf.int64),
        "sum": lambda: tf.reduce_sum(x),
        "sumsq": lambda: 2 * tf.nn.l2_loss(x),
        "min": lambda: tf.reduce_min(x),
        "max": lambda: tf.reduce_max(x),
        "zeros": lambda: count_true(tf.equal(x, 0)),
    }
    return {name: makers[name]() for name in names}


def reduce_masked(tensor: Tensor, names: Sequence[str]) -> Moments:
    """Moments of the finite elements of a tensor, in float64; NaN where none is left."""
    x = tf.cast(densify(tensor), tf.float64)
    finite = tf.math.is_finite(x)
    kept = tf.boolean_mask(x, finite)
    left = tf.size(kept, out_type=tf.int64)
    total = tf.size(x, out_type=tf.int64)
    sumsq = tf.where(left > 0, tf.reduce_sum(kept * kept), _nan(left))
    makers: dict[str, Callable[[], Tensor]] = {
        "count": lambda: total,
        "nonfinite": lambda: total - left,
        "sum": lambda: tf.reduce_sum(kept),
        "sumsq": lambda: sumsq,
        "min": lambda: tf.reduce_min(kept),
        "max": lambda: tf.reduce_max(kept),
        "zeros": lambda: tf.math.count_nonzero(tf.equal(kept, 0)),
    }
    return {name: makers[name]() for name in names}


def densify(tensor: Tensor) -> Tensor:
    """A gradient as a whole array; rows that occur several times are summed."""
    if not isinstance(tensor, tf.IndexedSlices):
        return tensor
    rows = tensor.dense_shape[0] if tensor.dense_shape is not None else None
    if rows is None:
        return tf.convert_to_tensor(tensor)
    return tf.math.unsorted_segment_sum(tensor.values, tensor.indices, rows)


def as_number(x: Tensor) -> Tensor:
    """Wide enough that a square does not overflow and a sum keeps its digits."""
    if x.dtype in (tf.float32, tf.float64):
        return x
    return tf.cast(x, tf.float32 if x.dtype.is_floating else tf.float64)


def count_true(flags: Tensor) -> Tensor:
    """Exact number of true elements: float32 counts up to 2**24, rows are added up beyond."""
    ones = tf.cast(flags, tf.float32)
    size = flags.shape.num_elements()
    if size is not None and size <= EXACT_IN_FLOAT32:
        return tf.cast(tf.reduce_sum(ones), tf.int64)
    return tf.math.count_nonzero(flags, dtype=tf.int64)


def _nan(like: Tensor) -> Tensor:
    return tf.cast(like, tf.float64) * float("nan")
