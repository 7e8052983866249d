"""Rules about exports for inference, and about the runtimes that they are meant for."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.graph import matching
from opgraph.ops import Op
from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.targets import TARGETS, Target
from opgraph.rules.view import Known, View, function_of

HUGE = 64 << 20
LITERT = Known(target=TARGETS["litert"])


@rule(
    "OG701",
    "a node that runs as in training, in an export",
    severity="error",
    why="A batch normalisation in training mode uses the statistics of the batch at hand, so"
    " that an"
    " answer depends on what else is asked; a dropout in training mode answers at random.",
    fix="Export with training=False.",
    example=Example(
        bad="image: Input(shape=8x8x3) -> conv[filters=4] -> bn -> relu -> gap -> logits",
        good="image: Input(shape=8x8x3) -> conv[filters=4] -> bn -> relu -> gap -> logits",
        known=Known(is_export=True, in_training_mode=frozenset({"bn"})),
        good_known=Known(is_export=True),
        said="the graph is an export for inference; `bn` runs as in training",
        good_said="the graph is an export for inference",
    ),
)
def training_mode(view: View) -> Iterator[Hit]:
    """Nodes of which the export says that they run as in training."""
    if not view.known.is_export:
        return
    for name, op in view.ops.items():
        if name in view.known.in_training_mode:
            yield Hit(name, f"{op.kind} runs as in training")


@rule(
    "OG702",
    "a size that is not known, for a runtime that wants it fixed",
    severity="warning",
    why="LiteRT plans its memory once. With a size that may change, delegates (XNNPACK, GPU, NNAPI)"
    " leave the part behind it to slower kernels, and memory is planned anew whenever the size"
    " changes. Recurrent layers are not converted at all while the batch is open.",
    fix="Give the input a fixed shape; convert recurrent layers with a fixed batch size.",
    example=Example(
        bad="image: Input(shape=(None, None, 3)) -> conv[filters=4] -> gap -> logits[units=2]",
        good="image: Input(shape=(32, 32, 3)) -> conv[filters=4] -> gap -> logits[units=2]",
        known=LITERT,
        said="`--target litert`",
    ),
)
def dynamic_shape(view: View) -> Iterator[Hit]:
    """Inputs of unknown sizes, and layers that need a fixed batch."""
    target = view.known.target
    if target is None:
        return
    for name, op in view.ops.items():
        shape = view.shape(name)
        if op.category == "input" and target.wants_static and (shape is None or None in shape):
            yield Hit(name, f"has the shape {shape}; {target.title} wants every size fixed")
        if op.kind in target.needs_fixed_batch:
            yield Hit(name, f"{target.title} takes {op.kind} only with a fixed batch size")


@rule(
    "OG703",
    "an operation that the runtime lacks",
    severity="error",
    why="The network cannot be converted, or the converted file cannot be run. What a runtime lacks"
    " is measured: see [targets](targets.md).",
    fix="Replace the operation; for LiteRT, TensorFlow's kernels can be linked in (Select TF ops),"
    " which makes the runtime larger.",
    example=Example(
        bad="scan: Input(shape=8x8x8x1) -> conv: Conv3D(filters=4) -> pool: MaxPooling3D -> flatten"
        " -> logits",
        good="scan: Input(shape=8x8x8x1) -> conv: Conv3D(filters=4, strides=2) -> flatten ->"
        " logits",
        known=LITERT,
        said="`--target litert`",
    ),
)
def missing_operation(view: View) -> Iterator[Hit]:
    """Ops, functions and classes that the table of the target names."""
    target = view.known.target
    if target is None:
        return
    for name, op in view.ops.items():
        if found := _lacking(op, target):
            yield Hit(name, f"{target.title} lacks {found[0]}: {found[1]}")


def _lacking(op: Op, target: Target) -> tuple[str, str] | None:
    if op.category == "opaque":
        kind = str(op.values()["class_name"])
        globs = (glob for glob in target.lacks_classes if matching(glob, [kind]))
        return next(((kind, target.lacks_classes[glob]) for glob in globs), None)
    if op.kind in target.lacks:
        return op.kind, target.lacks[op.kind]
    function = function_of(op)
    if function is not None and function in target.lacks_functions:
        return function, target.lacks_functions[function]
    return None


@rule(
    "OG704",
    "a huge intermediate tensor",
    severity="warning",
    why="The output of this node takes more than 64 MiB for a single example, and in training it is"
    " kept until the gradients are there: with a batch of 32 more than 2 GiB.",
    fix="Reduce the size before this node (stride, pooling, fewer channels), or multiply smaller"
    " tensors.",
    example=Example(
        bad="image: Input(shape=1024x1024x3) -> conv[filters=64] -> gap -> logits",
        good="image: Input(shape=1024x1024x3) -> conv[filters=64, strides=4] -> gap -> logits",
    ),
)
def huge_tensor(view: View) -> Iterator[Hit]:
    """A node whose outputs are larger than the limit; views of the same numbers count too."""
    for name, fact in view.analysis.facts.items():
        size = fact.activation_bytes
        if size is not None and size > HUGE and fact.node.kind.category != "input":
            yield Hit(name, f"hands on {size / (1 << 20):,.0f} MiB for each example")
