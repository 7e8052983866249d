"""Statistics of the tensors of a step, packed into one vector.

Reads what the core makes and changes none of it. Numbers that follow from others are not made
twice: a reshaped output has the numbers of its source, and a ReLU's are made in the pass over its
input. Owns which reductions are asked for and where their results stand; how a tensor is reduced is
known by `kernels`, how a quantity is finished by `record`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from opgraph.graph import Endpoint, OpGraph
from opgraph.record import (
    BINS,
    BN_MOMENTS,
    CHANNEL_MOMENTS,
    DROPOUT,
    NORM,
    STEPS,
    TENSOR,
    WEIGHT_PARTS,
    Block,
    Layout,
    Quantity,
    Site,
    SiteKind,
    Survey,
    prefixed,
)
from opgraph.runtime.core import BatchTensors, BnTensors, Core, UpdateTensors, WeightTensors
from opgraph.runtime.kernels import Reductions, TensorFlowReductions
from opgraph.runtime.packing import Packing

Tensor = Any
SAME_NUMBERS = frozenset(["Flatten", "Reshape", "Identity"])
ALL_BUT_BATCH = BN_MOMENTS[2:]


@dataclass(frozen=True)
class Wanted:
    """Which moments of one kind of site are needed."""

    scalars: frozenset[str]
    vectors: frozenset[str]

    @classmethod
    def of(cls, survey: Survey, kind: SiteKind, names: frozenset[str]) -> Wanted:
        """What the chosen quantities of a kind need."""
        chosen = [q for q in survey.measure.quantities(kind) if q.full_name in names]
        return cls(
            _moments(q for q in chosen if not q.vector), _moments(q for q in chosen if q.vector)
        )

    @property
    def norms_only(self) -> bool:
        """Whether sums of squares are all that is asked for."""
        return all(name.endswith("sumsq") for name in self.scalars)


def _moments(chosen: Iterable[Quantity]) -> frozenset[str]:
    return frozenset(name for quantity in chosen for name in quantity.moments)


def pack_batch(
    core: Core,
    batch: BatchTensors,
    survey: Survey,
    names: frozenset[str],
    reductions: Reductions,
    share: Tensor | None = None,
) -> tuple[Tensor, Layout]:
    """All moments of a forward and backward pass.

    Args:
        core: what made it.
        batch: its tensors.
        survey: what is measured where.
        names: full names of the quantities that are due.
        reductions: how a tensor is reduced.
        share: how much of the step's examples these are; None for all of them.
    """
    packing = Packing(reductions)
    _pack_loss(packing, batch, survey, share)
    _Tensors(packing, core.built.graph, batch.outputs, survey, "output", names).pack()
    _Tensors(packing, core.built.graph, batch.output_grads, survey, "output_grad", names).pack()
    _pack_bn(packing, batch.bn, survey, Wanted.of(survey, "bn", names))
    if Wanted.of(survey, "dropout", names).scalars:
        for site in survey.of("dropout"):
            mask = batch.masks[site.node]
            packing.add(tf.stack(_kept(mask)), (site, DROPOUT))
    return packing.packed()


def pack_update(
    update: UpdateTensors, survey: Survey, names: frozenset[str], reductions: Reductions
) -> tuple[Tensor, Layout]:
    """All moments of an update; the arguments are those of `pack_batch`."""
    packing = Packing(reductions)
    rate = {"learning_rate": update.learning_rate}
    if update.loss_scale is not None:
        rate |= {"loss_scale": update.loss_scale, "skipped": update.skipped}
    _pack_named(packing, rate)
    wanted = Wanted.of(survey, "weight", names)
    if wanted.scalars:
        known = _pack_weights(packing, update, survey, wanted)
        _pack_grad_norms(packing, update, known, survey.of("weight"))
    for site in survey.of("weight"):
        _pack_weight_histograms(packing, site, update.weights[_key(site)], wanted.vectors)
    slots = survey.of("slot") if Wanted.of(survey, "slot", names).scalars else ()
    if slots:
        tensors = [update.slots[_key(site), site.slot] for site in slots]
        _pack_many(packing, slots, tensors)
    return packing.packed()


@dataclass(frozen=True)
class _Tensors:
    """The outputs of all nodes, or the gradients at them."""

    packing: Packing
    graph: OpGraph
    tensors: Mapping[Endpoint, Any]
    survey: Survey
    kind: SiteKind
    names: frozenset[str]

    def pack(self) -> None:
        wanted = Wanted.of(self.survey, self.kind, self.names)
        sites = {Endpoint(s.node, s.port): s for s in self.survey.of(self.kind) if s.connected}
        if wanted.scalars:
            self._pack_scalars(sites, wanted)
        for end, site in sites.items():
            self._pack_vectors(site, self.tensors[end], wanted.vectors)

    def _pack_scalars(self, sites: Mapping[Endpoint, Site], wanted: Wanted) -> None:
        """Numbers of each tensor; sources come before those whose numbers follow from them."""
        relus = self._relus(sites) if self._fuses(wanted) else {}
        fused = set(relus.values())
        for end, site in sites.items():
            if end in fused:
                continue
            source = self._same_numbers(end, sites)
            if source is not None:
                self.packing.share(site, sites[source])
            elif end in relus:
                both = self.packing.reductions.moments_and_relu(self.tensors[end])
                self.packing.add(both, (site, TENSOR), (sites[relus[end]], TENSOR))
            else:
                self._pack_one(site, self.tensors[end], wanted)

    def _pack_one(self, site: Site, tensor: Tensor, wanted: Wanted) -> None:
        reductions = self.packing.reductions
        if wanted.norms_only:
            self.packing.add(_sumsq(tensor), (site, NORM))
        else:
            self.packing.add(reductions.moments(densify(tensor)), (site, TENSOR))

    def _pack_vectors(self, site: Site, tensor: Tensor, names: frozenset[str]) -> None:
        reductions = self.packing.reductions
        if names & set(CHANNEL_MOMENTS) and site.shape and site.shape[-1]:
            block = Block(CHANNEL_MOMENTS, site.shape[-1])
            self.packing.add(reductions.channels(tensor), (site, block))
        if "histogram" in names:
            block = Block(("histogram",), BINS)
            self.packing.add(reductions.histogram(tensor), (site, block))

    def _fuses(self, wanted: Wanted) -> bool:
        outputs = self.kind == "output" and not wanted.norms_only
        return outputs and _is_kernel(self.packing.reductions)

    def _relus(self, sites: Mapping[Endpoint, Site]) -> dict[Endpoint, Endpoint]:
        """Outputs that a ReLU reads, and the output of one such ReLU."""
        found: dict[Endpoint, Endpoint] = {}
        for end in sites:
            if not _is_relu(self.graph, end.node):
                continue
            source = self.graph.inputs(end.node)[0]
            measured = source in sites and self._same_numbers(source, sites) is None
            if measured and self.tensors[source].dtype == self.tensors[end].dtype:
                found.setdefault(source, end)
        return {source: end for source, end in found.items() if end not in found}

    def _same_numbers(self, end: Endpoint, sites: Mapping[Endpoint, Site]) -> Endpoint | None:
        """The site before, if a tensor has the very same numbers in another shape."""
        if self.graph[end.node].kind.kind not in SAME_NUMBERS:
            return None
        source = self.graph.inputs(end.node)[0]
        alone = self.kind == "output" or len(self._readers(source)) == 1
        if source not in sites or not alone:
            return None
        same = self.tensors[source].dtype == self.tensors[end].dtype
        return source if same else None

    def _readers(self, end: Endpoint) -> list[Any]:
        edges = self.graph.edges_from(end.node)
        return [edge for edge in edges if edge.port == end.port]


def _is_relu(graph: OpGraph, name: str) -> bool:
    node = graph[name]
    values = node.op.values()
    if node.kind.kind == "Activation":
        return values.get("activation") == "relu"
    plain = not values.get("negative_slope") and not values.get("threshold")
    return node.kind.kind == "ReLU" and plain and values.get("max_value") is None


def _pack_loss(packing: Packing, batch: BatchTensors, survey: Survey, share: Tensor | None) -> None:
    parts = {
        "loss": batch.loss,
        "data_loss": _shared(batch.judged.loss, share),
        "regularization": _shared(batch.regularization, share),
    }
    parts |= {f"loss:{name}": _shared(batch.judged.parts[name], share) for name in survey.heads}
    for name in survey.metrics:
        total, count = batch.judged.metrics[name]
        parts |= {f"{name}:total": total, f"{name}:count": count}
    _pack_named(packing, parts)


def _shared(value: Tensor, share: Tensor | None) -> Tensor:
    return value if share is None else value * tf.cast(share, value.dtype)


def _pack_named(packing: Packing, numbers: Mapping[str, Tensor]) -> None:
    values = tf.stack([tf.cast(value, tf.float64) for value in numbers.values()])
    packing.add(values, (STEPS, Block(tuple(numbers))))


def _pack_bn(
    packing: Packing, tensors: Mapping[str, BnTensors], survey: Survey, wanted: Wanted
) -> None:
    sites = survey.of("bn")
    if wanted.scalars and sites:
        blocks = [(site, prefixed(_bn_names(site))) for site in sites]
        vectors = [getattr(tensors[site.node], n) for site in sites for n in _bn_names(site)]
        packing.add(
            packing.reductions.moments_of_many(vectors),
            *blocks,
        )
    if wanted.vectors:
        for site in sites:
            names = _bn_names(site)
            block = Block(names, int(site.shape[0] or 0))
            values = tf.concat([getattr(tensors[site.node], name) for name in names], 0)
            packing.add(values, (site, block))


def _bn_names(site: Site) -> tuple[str, ...]:
    return BN_MOMENTS if site.connected else ALL_BUT_BATCH


def _pack_weights(
    packing: Packing, update: UpdateTensors, survey: Survey, wanted: Wanted
) -> Tensor | None:
    """Moments of weights, gradients and updates; the sum of all squares of these gradients."""
    sites = survey.of("weight")
    if wanted.norms_only:
        return _pack_weight_norms(packing, [(s, update.weights[_key(s)]) for s in sites])
    if not sites:
        return None
    chosen = [update.weights[_key(site)] for site in sites]
    grads = [None if weight.grad is None else densify(weight.grad) for weight in chosen]
    numbers = packing.reductions.weights(
        [weight.before for weight in chosen], grads, [weight.after for weight in chosen]
    )
    blocks = [
        (site if site.connected or part != "grad" else None, prefixed([part]))
        for site in sites
        for part in WEIGHT_PARTS
    ]
    packing.add(numbers, *blocks)
    known = [place for place, site in enumerate(sites) if site.connected]
    return (
        _finite_sumsq(tf.gather(numbers[:, WEIGHT_PARTS.index("grad")], known)) if known else None
    )


def _finite_sumsq(moments: Tensor) -> Tensor:
    """Sum of all squares of several tensors, (n, 8); NaN if an element is not finite."""
    column = {name: moments[:, place] for place, name in enumerate(TENSOR.names)}
    lost = column["nan"] + column["inf"]
    return tf.reduce_sum(tf.where(lost > 0, tf.cast(float("nan"), tf.float64), column["sumsq"]))


def _pack_weight_norms(
    packing: Packing, weights: Sequence[tuple[Site, WeightTensors]]
) -> Tensor | None:
    total: list[Tensor] = []
    for site, weight in weights:
        squares = {name: _sumsq(x) for name, x in _weight_parts(weight).items()}
        for name, square in squares.items():
            packing.add(square, (site, prefixed([name], ["sumsq"])))
        total += [squares["grad"]] if "grad" in squares else []
    return tf.add_n(total) if total else None


def _weight_parts(weight: WeightTensors) -> dict[str, Tensor]:
    found = {"value": weight.before, "grad": weight.grad, "update": weight.after - weight.before}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _pack_weight_histograms(
    packing: Packing, site: Site, weight: WeightTensors, names: frozenset[str]
) -> None:
    wanted = [part for part in WEIGHT_PARTS if f"{part}_histogram" in names]
    if not wanted:
        return
    for part, tensor in _weight_parts(weight).items():
        if part in wanted:
            numbers = packing.reductions.histogram(densify(tensor))
            packing.add(numbers, (site, Block((f"{part}_histogram",), BINS)))


def _pack_grad_norms(
    packing: Packing, update: UpdateTensors, known: Tensor | None, sites: Sequence[Site]
) -> None:
    """Sums of squares of all weight gradients together, before and after clipping.

    Those of the measured sites are known already.
    """
    measured = {_key(site) for site in sites}
    others = [
        _sumsq(weight.grad)
        for name, weight in update.weights.items()
        if weight.grad is not None and name not in measured
    ]
    squares = [*others, *([] if known is None else [known])]
    if not squares:
        return
    before = tf.add_n(squares)
    after = before
    if update.clipped is not None:
        after = tf.add_n([_sumsq(grad) for grad in update.clipped])
    _pack_named(packing, {"grad_norm_sumsq": before, "clipped_grad_norm_sumsq": after})


def _pack_many(packing: Packing, sites: Sequence[Site], tensors: Sequence[Tensor]) -> None:
    numbers = packing.reductions.moments_of_many(tensors)
    packing.add(numbers, *((site, TENSOR) for site in sites))


def _sumsq(tensor: Tensor) -> Tensor:
    """Sum of squares by TensorFlow's fastest way; not finite if an element or a square is not."""
    x = densify(tensor)
    wide = x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)
    return 2 * tf.cast(tf.nn.l2_loss(wide), tf.float64)


def _is_kernel(reductions: Reductions) -> bool:
    """Whether all moments of a tensor cost no more than one."""
    return not isinstance(reductions, TensorFlowReductions)


def _key(site: Site) -> str:
    return f"{site.node}/{site.weight}"


def densify(tensor: Tensor) -> Tensor:
    """A gradient as a whole array; rows that occur several times are summed."""
    if not isinstance(tensor, tf.IndexedSlices):
        return tensor
    rows = tensor.dense_shape[0] if tensor.dense_shape is not None else None
    if rows is None:
        return tf.convert_to_tensor(tensor)
    return tf.math.unsorted_segment_sum(tensor.values, tensor.indices, rows)


def _kept(mask: Tensor) -> tuple[Tensor, Tensor]:
    kept = tf.math.count_nonzero(mask, dtype=tf.int64)
    return tf.cast(kept, tf.float64), tf.cast(tf.size(mask, out_type=tf.int64), tf.float64)
