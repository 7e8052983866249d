"""Rules about normalisation: what it undoes, and what undoes it."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.ops import Op, Shape
from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import LINEAR, Known, View, function_of

BATCH_NORM = "BatchNormalization"


def layer_before(view: View, name: str, op: Op) -> str | None:
    """The linear layer whose channels only this normalisation reads, if there is one."""
    source = view.source(name)
    if source is None or source not in view.ops or not view.is_only_read_by(source, name):
        return None
    layer = view.ops[source]
    is_plain = layer.category in LINEAR and function_of(layer) is None
    return source if is_plain and _same_channels(layer, op, view.shape(source)) else None


def _same_channels(layer: Op, norm: Op, shape: Shape | None) -> bool:
    """Whether the axis that a normalisation keeps apart is that of the layer's channels."""
    if shape is None:
        return True
    channels = 1 if layer.values().get("data_format") == "channels_first" else len(shape)
    return norm.values()["axis"] % (len(shape) + 1) == channels


@rule(
    "OG101",
    "a bias before a batch normalisation",
    severity="info",
    why="Batch normalisation subtracts the mean of each channel, and a constant offset with"
    " it; beta"
    " takes its place. The bias costs memory and an update at every step and changes nothing"
    " (Ioffe & Szegedy 2015, section 3.2).",
    fix="Set use_bias=false on the layer before the normalisation.",
    example=Example(
        bad="image: Input(shape=16x16x3) -> conv[filters=8] -> bn -> relu -> gap -> logits",
        good="image: Input(shape=16x16x3) -> conv[filters=8, use_bias=false] -> bn -> relu -> gap"
        " -> logits",
    ),
)
def bias_before_normalization(view: View) -> Iterator[Hit]:
    """A linear layer with a bias whose only reader normalises each channel and adds beta."""
    for name, op in view.of(BATCH_NORM):
        source = layer_before(view, name, op)
        if source is None or not op.values()["center"]:
            continue
        if view.ops[source].values().get("use_bias"):
            yield Hit(source, f"its bias is subtracted again by {name!r}")


@rule(
    "OG102",
    "an activation between a convolution and its batch normalisation",
    severity="info",
    why="Batch normalisation was made for the sums before the activation, which are nearly normally"
    " distributed; behind a ReLU it centres numbers that are all positive. Such a normalisation"
    " cannot be folded into the convolution for inference either. Networks of this form do train;"
    " the rule is a matter of taste and off by default.",
    fix="Put the normalisation before the activation: convolution, normalisation, activation.",
    is_default=False,
    example=Example(
        bad="image: Input(shape=16x16x3) -> conv[filters=8] -> relu -> bn -> gap -> logits",
        good="image: Input(shape=16x16x3) -> conv[filters=8] -> bn -> relu -> gap -> logits",
    ),
)
def activation_before_normalization(view: View) -> Iterator[Hit]:
    """A normalisation that reads a convolution by way of an activation."""
    for name, _ in view.of(BATCH_NORM):
        source = view.source(name)
        if source is None or not (function := view.function(source)):
            continue
        origin = source
        if view.ops[source].category == "activation":
            origin = view.source(source) or source
        if origin in view.ops and view.ops[origin].category == "convolution":
            yield Hit(name, f"normalises {origin!r} behind its {function}")


@rule(
    "OG103",
    "a frozen batch normalisation behind a layer that is trained",
    severity="warning",
    why="A frozen batch normalisation works with stored statistics. The layer before it is trained,"
    " so what it hands over drifts away from them and nothing brings it back.",
    fix="Freeze the layer before it too, or let the normalisation be trained.",
    example=Example(
        bad="image: Input(shape=16x16x3) -> conv[filters=8] -> bn[trainable=false] -> gap ->"
        " logits",
        good="image: Input(shape=16x16x3) -> conv[filters=8, trainable=false] ->"
        " bn[trainable=false]"
        " -> gap -> logits",
    ),
)
def frozen_normalization(view: View) -> Iterator[Hit]:
    """A frozen normalisation whose nearest layer with weights is trained."""
    for name, op in view.of(BATCH_NORM):
        if op.trainable:
            continue
        before = view.behind(name, lambda op: op.category in ("activation", "pooling", "shape"))
        if before is None or before not in view.ops:
            continue
        params = view.analysis[view.graph.owner(before)].params
        if params and params[0]:
            yield Hit(name, f"is frozen, but {before!r} before it is trained")


@rule(
    "OG104",
    "a batch normalisation that could be folded into the layer before it",
    severity="info",
    why="At inference a batch normalisation is one multiplication and one addition for each"
    " channel."
    " Folded into the kernel and bias of the layer before, they cost nothing; on their own, memory"
    " is read and written once more. Converters fold them; one that is left was hidden from them.",
    fix="Export again with optimisation on, or multiply the kernel by gamma / sqrt(variance +"
    " epsilon) and move the bias accordingly.",
    example=Example(
        bad="image: Input(shape=16x16x3) -> conv[filters=8, use_bias=false] -> bn -> relu",
        good="image: Input(shape=16x16x3) -> conv[filters=8] -> relu",
        known=Known(is_export=True),
        said="the graph is an export for inference",
    ),
)
def unfolded_normalization(view: View) -> Iterator[Hit]:
    """In an export, a normalisation right behind a linear layer that nobody else reads."""
    if not view.known.is_export:
        return
    for name, op in view.of(BATCH_NORM):
        if source := layer_before(view, name, op):
            yield Hit(name, f"could be folded into {source!r}")
