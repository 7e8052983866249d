"""Rules about dropout."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.ops import Op
from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import DROPOUTS, LINEAR, PASSES_ON, View


def _drops(op: Op) -> bool:
    return op.kind in DROPOUTS and bool(op.values()["rate"])


def _between(op: Op) -> bool:
    return op.category in ("activation", "pooling") or op.kind in PASSES_ON


@rule(
    "OG301",
    "a dropout before a batch normalisation",
    severity="warning",
    why="Dropout changes the variance of what comes after it in training but not at inference. The"
    " batch normalisation stores the variance of training and divides by it at inference, where it"
    " is another one (Li et al. 2019, arXiv:1801.05134).",
    fix="Put the dropout behind the last batch normalisation, or leave it out: batch normalisation"
    " regularises too.",
    example=Example(
        bad="image: Input(shape=16x16x3) -> conv[filters=8, use_bias=false] -> dropout -> bn"
        " -> relu"
        " -> gap -> logits",
        good="image: Input(shape=16x16x3) -> conv[filters=8, use_bias=false] -> bn -> relu -> gap"
        " -> dropout -> logits",
    ),
)
def dropout_before_normalization(view: View) -> Iterator[Hit]:
    """A normalisation that reads a dropout, at most one linear layer between them."""
    for name, _ in view.of("BatchNormalization"):
        source = view.behind(name, _between)
        if source is not None and source in view.ops and view.ops[source].category in LINEAR:
            source = view.behind(source, _between)
        if source is not None and source in view.ops and _drops(view.ops[source]):
            yield Hit(source, f"shifts the variance that {name!r} stores")


@rule(
    "OG302",
    "a dropout after the last layer",
    severity="warning",
    why="No weights come after it that could learn to do without single numbers: it only sets"
    " answers to 0 at random in training, and the loss with them.",
    fix="Put the dropout before the last layer with weights.",
    example=Example(
        bad="x: Input(shape=(8,)) -> hidden: Dense(units=16) -> relu -> logits: Dense(units=10)"
        " -> dropout -> softmax",
        good="x: Input(shape=(8,)) -> hidden: Dense(units=16) -> relu -> dropout"
        " -> logits: Dense(units=10) -> softmax",
    ),
)
def dropout_at_the_end(view: View) -> Iterator[Hit]:
    """A dropout behind which there is nothing but functions and changes of shape."""
    for name, op in view.of("regularization"):
        if not _drops(op):
            continue
        after = view.downstream([name]) - {name}
        before = view.upstream([name]) - {name}
        if all(_is_light(view, other) for other in after) and any(
            not _is_light(view, other) and view.node(other).kind.category != "input"
            for other in before
        ):
            yield Hit(name, "drops numbers of the answer: no layer with weights comes after it")


def _is_light(view: View, name: str) -> bool:
    op = view.ops.get(name)
    return op is not None and (
        op.category == "activation" or op.kind in PASSES_ON or op.kind in DROPOUTS
    )
