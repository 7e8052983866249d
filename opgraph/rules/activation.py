"""Rules about activations, and about what an output says to its loss."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.ops import Op
from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import DROPOUTS, PASSES_ON, Known, View, function_of

PROBABILITIES = {
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
}
MAKE_PROBABILITIES = frozenset({"softmax", "sigmoid", "hard_sigmoid", "sparsemax"})


def keeps_meaning(op: Op) -> bool:
    """Whether an op hands on what it gets at inference, in whatever shape."""
    return op.kind in PASSES_ON or op.kind in DROPOUTS


@rule(
    "OG201",
    "an activation right after another one",
    severity="warning",
    why="Two functions in a row are rarely meant. A ReLU after a ReLU or a sigmoid does nothing, a"
    " softmax after a ReLU sees no negative scores, a tanh after a ReLU uses half of its range."
    " Most often one of the two stands in the layer (activation=relu) and is written again.",
    fix="Take one of them out, or put a layer with weights between them.",
    example=Example(
        bad="x: Input(shape=(8,)) -> hidden: Dense(units=16, activation=relu) -> relu -> logits",
        good="x: Input(shape=(8,)) -> hidden: Dense(units=16) -> relu -> logits",
    ),
)
def double_activation(view: View) -> Iterator[Hit]:
    """An activation that reads an activation; two softmaxes are another rule's."""
    for name, op in view.of("activation"):
        source = view.behind(name, lambda op: op.kind in PASSES_ON)
        first, second = view.function(source) if source else None, function_of(op)
        if source is None or first is None or second is None:
            continue
        if (first, second) != ("softmax", "softmax"):
            yield Hit(name, f"applies {second} to what {source!r} has passed through {first}")


@rule(
    "OG202",
    "a softmax of a softmax",
    severity="error",
    why="Probabilities lie between 0 and 1, so that a second softmax makes them nearly equal: of 10"
    " classes the surest can get 0.23 at most. The loss cannot fall far and the gradient fades.",
    fix="Take one of the two out.",
    example=Example(
        bad="x: Input(shape=(8,)) -> scores: Dense(units=10, activation=softmax) -> softmax",
        good="x: Input(shape=(8,)) -> scores: Dense(units=10) -> softmax",
    ),
)
def double_softmax(view: View) -> Iterator[Hit]:
    """A softmax whose numbers come out of a softmax, in whatever shape."""
    for name, op in view.of("activation"):
        if function_of(op) != "softmax":
            continue
        source = view.behind(name, keeps_meaning)
        if source is not None and view.function(source) == "softmax":
            yield Hit(name, f"takes the probabilities of {source!r} for scores")


@rule(
    "OG203",
    "an output that does not suit its loss",
    severity="error",
    why="A loss with from_logits=true applies the softmax or sigmoid itself; on probabilities it is"
    " a second one. With from_logits=false it takes the logarithm of what it gets, and scores may"
    " be negative. (Keras notices some of these cases, warns and looks for the scores behind the"
    " output; other tools do not.)",
    fix="Set from_logits=true where the network ends in scores and false where it ends in"
    " probabilities.",
    example=Example(
        bad="x: Input(shape=(8,)) -> scores: Dense(units=10) -> softmax",
        good="x: Input(shape=(8,)) -> scores: Dense(units=10)",
        known=Known(loss="sparse_categorical_crossentropy", from_logits=True),
        said="loss=sparse_categorical_crossentropy, from_logits=true",
    ),
)
def loss_mismatch(view: View) -> Iterator[Hit]:
    """Probabilities where the loss wants scores, or scores where it wants probabilities."""
    loss, from_logits = view.known.loss, view.known.from_logits
    if loss not in PROBABILITIES or from_logits is None:
        return
    for name in sorted(view.outputs):
        if name not in view.ops or view.ops[name].category == "opaque":
            continue
        function = _last_function(view, name)
        if from_logits and function in MAKE_PROBABILITIES:
            yield Hit(
                name, f"is {function} of scores, but {loss} with from_logits=true wants these"
            )
        elif not from_logits and function is None and _is_linear(view, name):
            wanted = PROBABILITIES[loss]
            yield Hit(name, f"hands over scores, but {loss} wants the {wanted} of them")


def _last(view: View, name: str) -> str:
    return (view.behind(name, keeps_meaning) or name) if keeps_meaning(view.ops[name]) else name


def _last_function(view: View, name: str) -> str | None:
    return view.function(_last(view, name))


def _is_linear(view: View, name: str) -> bool:
    last = _last(view, name)
    return last in view.ops and view.ops[last].category in ("dense", "convolution")


@rule(
    "OG204",
    "a softmax over a single number",
    severity="error",
    why="The probabilities of a softmax sum to 1; of a single one that is always 1, whatever goes"
    " in. The gradient is 0 and nothing before it learns.",
    fix="For two classes use Dense(1) with a sigmoid, or two units with a softmax.",
    example=Example(
        bad="x: Input(shape=(8,)) -> answer: Dense(units=1, activation=softmax)",
        good="x: Input(shape=(8,)) -> answer: Dense(units=1, activation=sigmoid)",
    ),
)
def softmax_of_one(view: View) -> Iterator[Hit]:
    """A softmax along axes that hold one number together."""
    for name, op in view.ops.items():
        if function_of(op) not in ("softmax", "log_softmax", "sparsemax"):
            continue
        shape = view.shape(name)
        if shape and _numbers(op, shape) == 1:
            yield Hit(name, f"applies {function_of(op)} along an axis of size 1, of {shape}")


def _numbers(op: Op, shape: tuple[int | None, ...]) -> int | None:
    """How many numbers are brought to a sum of 1."""
    axis = op.values().get("axis", -1) if op.kind == "Softmax" else -1
    total = 1
    for at in axis if isinstance(axis, tuple) else (axis,):
        dim = shape[at if at < 0 else at - 1]
        if dim is None:
            return None
        total *= dim
    return total
