"""Statistics of the tensors of a step, packed into one vector.

Reads what the core makes and changes none of it. Numbers that follow from others are not made
twice: a reshaped output has the numbers of its source, and a ReLU's are made in the pass over its
input. Owns which reductions are asked for and where their results stand; how a tensor is reduced is
known by `kernels`, how a quantity is finished by `record`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from opgraph.graph import Endpoint
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
from opgraph.runtime.core import BatchTensors, BnTensors, UpdateTensors, WeightTensors
from opgraph.runtime.kernels import LARGE, Reductions
from opgraph.runtime.norms import densify, sums_of_squares, sumsq, weight_squares
from opgraph.runtime.packing import Packing
from opgraph.runtime.passes import Pass, plan_passes
from opgraph.runtime.relations import let_read_first, subtraction

Tensor = Any
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
    batch: BatchTensors,
    survey: Survey,
    names: frozenset[str],
    reductions: Reductions,
    share: Tensor | None = None,
) -> tuple[Tensor, Layout]:
    """All moments of a forward and backward pass.

    Args:
        batch: its tensors.
        survey: what is measured where.
        names: full names of the quantities that are due.
        reductions: how a tensor is reduced.
        share: how much of the step's examples these are; None for all of them.
    """
    packing = Packing(reductions)
    _pack_loss(packing, batch, survey, share)
    _pack_tensors(packing, batch, survey, names)
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


def _pack_tensors(
    packing: Packing, batch: BatchTensors, survey: Survey, names: frozenset[str]
) -> None:
    """The outputs of all nodes, and the gradients at them."""
    wanted = {kind: Wanted.of(survey, kind, names) for kind in ("output", "output_grad")}
    grads = (site for site in survey.of("output_grad") if site.connected)
    found = {
        **{site: densify(batch.outputs[_end(site)]) for site in survey.of("output")},
        **{site: densify(batch.output_grads[_end(site)]) for site in grads},
    }
    scalars = {site: tensor for site, tensor in found.items() if wanted[site.kind].scalars}
    norms = {site: tensor for site, tensor in scalars.items() if wanted[site.kind].norms_only}
    _pack_norms(packing, norms, batch.bn)
    _pack_whole(packing, {site: x for site, x in scalars.items() if site not in norms})
    for site, tensor in found.items():
        _pack_vectors(packing, site, tensor, wanted[site.kind].vectors)


def _end(site: Site) -> Endpoint:
    return Endpoint(site.node, site.port)


def _pack_whole(packing: Packing, tensors: Mapping[Site, Tensor]) -> None:
    """All numbers of each tensor."""
    plan = plan_passes(tensors, together=packing.reductions.reads_together)
    for one in plan.passes:
        numbers = _read(packing.reductions, one)
        packing.add(numbers, *((site, TENSOR) for site in one.rows))
    for site, other in plan.shared:
        packing.share(site, other)


def _pack_norms(
    packing: Packing, tensors: Mapping[Site, Tensor], normalisations: Mapping[str, BnTensors]
) -> None:
    plan = plan_passes(tensors, together=False)
    alone = {site: tensors[site] for one in plan.passes for site in one.rows if site is not None}
    for site, squares in sums_of_squares(alone, normalisations).items():
        packing.add(squares.value, (site, NORM), halved=squares.halved)
    for site, other in plan.shared:
        packing.share(site, other)


def _read(reductions: Reductions, one: Pass) -> Tensor:
    """The rows of a pass."""
    if one.gate is not None:
        with_gate = one.rows[0] is not None
        return reductions.moments_of_gate(
            one.gate, one.source, with_gate=with_gate, zeros=one.zeros
        )
    if one.affine is not None:
        relu = len(one.rows) > 2
        return reductions.moments_and_affine(
            one.source, one.affine.scale, one.affine.shift, relu=relu
        )
    if len(one.rows) > 1:
        return reductions.moments_and_relu(one.source)
    return reductions.moments(one.source)


def _pack_vectors(packing: Packing, site: Site, tensor: Tensor, names: frozenset[str]) -> None:
    reductions = packing.reductions
    if names & set(CHANNEL_MOMENTS) and site.shape and site.shape[-1]:
        block = Block(CHANNEL_MOMENTS, site.shape[-1])
        packing.add(reductions.channels(tensor), (site, block))
    if "histogram" in names:
        block = Block(("histogram",), BINS)
        packing.add(reductions.histogram(tensor), (site, block))


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
    groups = [[site] for site in sites if _is_large(site)]
    small = [site for site in sites if not _is_large(site)]
    squares = [
        square
        for group in (*groups, *([small] if small else []))
        if (square := _pack_group(packing, update, group)) is not None
    ]
    return tf.add_n(squares) if squares else None


def _is_large(site: Site) -> bool:
    """Whether a weight is read alone: it is let go soon then, and changes without being copied."""
    return math.prod(size or 1 for size in site.shape) >= LARGE


def _pack_group(packing: Packing, update: UpdateTensors, sites: Sequence[Site]) -> Tensor | None:
    """Moments of some weights that are read together; the sum of squares of their gradients."""
    chosen = [update.weights[_key(site)] for site in sites]
    grads = [None if weight.grad is None else densify(weight.grad) for weight in chosen]
    changes = [subtraction(weight.before) for weight in chosen]
    numbers = packing.reductions.weights(
        [weight.before for weight in chosen],
        grads,
        [weight.after for weight in chosen],
        [None if change is None else change.inputs[1] for change in changes],
    )
    if len(sites) == 1 and changes[0] is not None:
        let_read_first(changes[0], numbers)
    blocks = [
        (site if site.connected or part != "grad" else None, prefixed([part]))
        for site in sites
        for part in WEIGHT_PARTS
    ]
    packing.add(numbers, *blocks)
    known = [place for place, site in enumerate(sites) if site.connected]
    if not known:
        return None
    return _finite_sumsq(tf.gather(numbers[:, WEIGHT_PARTS.index("grad")], known))


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
        squares = weight_squares(weight.before, weight.grad, weight.after)
        for name, square in squares.items():
            packing.add(square, (site, prefixed([name], ["sumsq"])), halved=True)
        total += [squares["grad"]] if "grad" in squares else []
    if len({square.dtype for square in total}) > 1:
        total = [tf.cast(square, tf.float64) for square in total]
    return 2 * tf.reduce_sum(tf.cast(tf.stack(total), tf.float64)) if total else None


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
        sumsq(weight.grad)
        for name, weight in update.weights.items()
        if weight.grad is not None and name not in measured
    ]
    squares = [*others, *([] if known is None else [known])]
    if not squares:
        return
    before = tf.add_n(squares)
    after = before
    if update.clipped is not None:
        after = tf.add_n([sumsq(grad) for grad in update.clipped])
    _pack_named(packing, {"grad_norm_sumsq": before, "clipped_grad_norm_sumsq": after})


def _pack_many(packing: Packing, sites: Sequence[Site], tensors: Sequence[Tensor]) -> None:
    numbers = packing.reductions.moments_of_many(tensors)
    packing.add(numbers, *((site, TENSOR) for site in sites))


def _key(site: Site) -> str:
    return f"{site.node}/{site.weight}"


def _kept(mask: Tensor) -> tuple[Tensor, Tensor]:
    kept = tf.math.count_nonzero(mask, dtype=tf.int64)
    return tf.cast(kept, tf.float64), tf.cast(tf.size(mask, out_type=tf.int64), tf.float64)
