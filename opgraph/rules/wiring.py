"""Rules about what hangs together: what does not fit, leads nowhere, or does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from opgraph.ops import Op
from opgraph.rules.activation import keeps_meaning
from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import Known, View, function_of

ANSWERS = frozenset({"softmax", "sigmoid", "log_softmax", "sparsemax"})
UNFINISHED = frozenset({"normalization", "regularization", "pooling", "convolution"})


@rule(
    "OG501",
    "shapes that do not fit",
    severity="error",
    why="The network cannot be built.",
    fix="Change the sizes, or connect other nodes; `opgraph show` prints the shape of each.",
    example=Example(
        bad="image: Input(shape=8x8x3) -> a: Conv2D(filters=8) -> sum: Add -> gap -> logits\n"
        "image -> b: Conv2D(filters=16) -> sum",
        good="image: Input(shape=8x8x3) -> a: Conv2D(filters=8) -> sum: Add -> gap -> logits\n"
        "image -> b: Conv2D(filters=8) -> sum",
    ),
)
def shape_mismatch(view: View) -> Iterator[Hit]:
    """What the analysis could not make fit."""
    for name, fact in view.analysis.facts.items():
        if fact.error is not None:
            yield Hit(name, fact.error.problem, place=fact.error.place)


@rule(
    "OG502",
    "an input that nothing reads",
    severity="warning",
    why="Data have to be handed over for it and change nothing. Most often an edge was forgotten.",
    fix="Connect it, or take it out.",
    example=Example(
        bad="image: Input(shape=8x8x3) -> conv[filters=8] -> gap -> logits\n"
        "age: Input(shape=(1,)) -> years: Dense(units=4)",
        good="image: Input(shape=8x8x3) -> conv[filters=8] -> gap -> all: Concatenate -> logits\n"
        "age: Input(shape=(1,)) -> years: Dense(units=4) -> all",
        known=Known(outputs=("logits",)),
        said="the only output is `logits`",
    ),
)
def unused_input(view: View) -> Iterator[Hit]:
    """An input without readers, or whose readers all lead nowhere."""
    alive = view.upstream(view.outputs)
    for name, _ in view.of("input"):
        if not view.readers(name):
            yield Hit(name, "is read by nobody")
        elif name not in alive:
            yield Hit(name, "reaches no output")


@rule(
    "OG503",
    "a branch that leads nowhere",
    severity="warning",
    why="It is computed, and trained as an output of its own, but nothing uses it. Most often an"
    " edge was forgotten.",
    fix="Connect its end, or take it out.",
    example=Example(
        bad="image: Input(shape=8x8x3) -> conv[filters=8] -> relu -> gap -> logits -> softmax\n"
        "relu -> side_conv[filters=8] -> side_bn",
        good="image: Input(shape=8x8x3) -> conv[filters=8] -> relu -> sum: Add -> gap -> logits"
        " -> softmax\nrelu -> side_conv[filters=8] -> side_bn -> sum",
    ),
)
def dead_branch(view: View) -> Iterator[Hit]:
    """An end that is no output, or that does not look like one beside others that do."""
    if view.known.outputs is not None:
        alive = view.upstream(view.outputs)
        ends = [name for name in view.graph.sinks if name not in alive and view.sources(name)]
    else:
        sinks = [name for name in view.graph.sinks if name in view.ops]
        has_answer = any(_is_answer(view, name) for name in sinks)
        ends = [name for name in sinks if has_answer and _is_unfinished(view, name)]
    for name in ends:
        yield Hit(name, "is read by nobody and is no output")


def _is_answer(view: View, name: str) -> bool:
    op = view.ops[name]
    last = (view.behind(name, keeps_meaning) or name) if keeps_meaning(op) else name
    return last in view.ops and (
        view.ops[last].category == "dense" or function_of(view.ops[last]) in ANSWERS
    )


def _is_unfinished(view: View, name: str) -> bool:
    op, function = view.ops[name], function_of(view.ops[name])
    if function is not None:
        return op.category in ("activation", "convolution") and "relu" in function
    return op.category in UNFINISHED


@rule(
    "OG504",
    "an output of a layer that nothing reads",
    severity="info",
    why="It is computed and kept, and nothing uses it.",
    fix="Do not ask for it (return_state=false, for instance), or read it.",
    example=Example(
        bad="rows: Input(shape=(8, 4)) -> reader: LSTM(units=8, return_state=true)\n"
        "reader.0 -> logits",
        good="rows: Input(shape=(8, 4)) -> reader: LSTM(units=8) -> logits",
    ),
)
def unused_output(view: View) -> Iterator[Hit]:
    """A port that nobody reads, of a node with several that is read."""
    for name in view.ops:
        ports, read = len(view.analysis[name].outputs), view.graph.edges_from(name)
        unread = sorted(set(range(ports)) - {edge.port for edge in read})
        if read and unread and name not in view.outputs:
            numbers = ", ".join(map(str, unread))
            yield Hit(name, f"has {ports} outputs; nobody reads {numbers}")


def _is_one(*names: str) -> Callable[[Op], bool]:
    """Whether all numbers of these attributes are 1; an attribute that is None does not count."""
    return lambda op: all(
        set(value) == {1} if isinstance(value, tuple) else value == 1
        for value in (op.values()[name] for name in names)
        if value is not None
    )


def _is_zero(*names: str) -> Callable[[Op], bool]:
    return lambda op: all(op.values()[name] == 0 for name in names)


def _no_sides(name: str) -> Callable[[Op], bool]:
    return lambda op: not any(map(any, op.values()[name]))


NO_EFFECT: dict[str, tuple[Callable[[Op], bool], str]] = {
    "Identity": (lambda op: True, "hands on what it gets"),
    "Activation": (lambda op: function_of(op) is None, "applies no function"),
    "ActivityRegularization": (_is_zero("l1", "l2"), "adds nothing to the loss"),
    "GaussianNoise": (_is_zero("stddev"), "adds no noise"),
    "StochasticDepth": (_is_zero("drop_path_rate"), "never leaves a branch out"),
    "Rescaling": (
        lambda op: op.values()["scale"] == 1 and op.values()["offset"] == 0,
        "multiplies by 1 and adds 0",
    ),
    **{
        name: (_is_zero("rate"), "drops nothing")
        for name in (
            "Dropout",
            "AlphaDropout",
            "GaussianDropout",
            "SpatialDropout1D",
            "SpatialDropout2D",
            "SpatialDropout3D",
        )
    },
    **{
        f"{what}Pooling{rank}D": (_is_one("pool_size", "strides"), "pools windows of one number")
        for what in ("Max", "Average")
        for rank in (1, 2, 3)
    },
    **{f"UpSampling{rank}D": (_is_one("size"), "enlarges by 1") for rank in (1, 2, 3)},
    **{f"ZeroPadding{rank}D": (_no_sides("padding"), "adds no zeros") for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": (_no_sides("cropping"), "cuts nothing off") for rank in (1, 2, 3)},
}


@rule(
    "OG505",
    "a layer without effect",
    severity="info",
    why="It hands on what it gets. Either it can go, or an attribute is not what was meant.",
    fix="Take it out, or give the attribute the value that was meant.",
    example=Example(
        bad="x: Input(shape=(8,)) -> hidden: Dense(units=16) -> relu -> dropout[rate=0] -> logits",
        good="x: Input(shape=(8,)) -> hidden: Dense(units=16) -> relu -> dropout[rate=0.1] ->"
        " logits",
    ),
)
def no_effect(view: View) -> Iterator[Hit]:
    """A layer whose attributes leave nothing to do; marks of outputs are no layers."""
    for name, op in view.ops.items():
        known = NO_EFFECT.get(op.kind)
        if known is None or not known[0](op):
            continue
        if op.kind != "Identity" or name not in view.outputs:
            yield Hit(name, known[1])


@rule(
    "OG506",
    "a part that computes the same for every example",
    severity="warning",
    why="It does not depend on any input: it is computed again and again, and if an input was meant"
    " to reach it, it does not.",
    fix="Connect it to an input; or compute it once and store the result.",
    example=Example(
        bad="x: Input(shape=(8,)) -> a: Dense(units=4)\n"
        "a, a -> nothing: Subtract -> logits: Dense(units=2)",
        good="x: Input(shape=(8,)) -> a: Dense(units=4)\nx -> b: Dense(units=4)\n"
        "a, b -> difference: Subtract -> logits: Dense(units=2)",
    ),
)
def constant_part(view: View) -> Iterator[Hit]:
    """Differences of a node and itself, and the last nodes of what no input reaches.

    A stored number by itself is fine.
    """
    constant, differences = set(_constants(view)), [n for n in view.ops if _is_zero_sum(view, n)]
    behind = view.downstream(differences)
    for name in view.analysis.facts:
        if name in differences:
            yield Hit(name, "subtracts a node from itself, which is 0")
        elif name in constant - behind - view.known.constants and view.sources(name):
            readers = view.readers(name)
            if name in view.outputs or not constant.issuperset(readers):
                yield Hit(name, "its value does not depend on any input")


def _constants(view: View) -> Iterator[str]:
    """Nodes whose value is the same for every example, in topological order."""
    found: set[str] = set()
    for name in view.analysis.facts:
        sources = view.sources(name)
        is_start = not sources and _is_stored(view, name)
        if (
            name in view.known.constants
            or is_start
            or (sources and found.issuperset(sources) and not _is_random(view, name))
            or _is_zero_sum(view, name)
        ):
            found.add(name)
            yield name


def _is_stored(view: View, name: str) -> bool:
    return view.node(name).kind.category != "input" and not _is_random(view, name)


def _is_random(view: View, name: str) -> bool:
    op = view.ops.get(name)
    return op is not None and "random" in str(op.values().get("class_name", "")).lower()


def _is_zero_sum(view: View, name: str) -> bool:
    ends = view.graph.inputs(name)
    return view.node(name).kind.kind == "Subtract" and len(ends) == 2 and ends[0] == ends[1]
