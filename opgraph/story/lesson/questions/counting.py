"""Questions that need no training: how many numbers, which shape, how large the first ones."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.story.checks import worked
from opgraph.story.families.convolution import KINDS as CONVOLUTIONS
from opgraph.story.families.pooling import LOCAL_MAX, LOCAL_MEAN
from opgraph.story.formula import Call, Expr, Fraction, Minus, Num, Sym, add
from opgraph.story.initial import SCHEMES, count_params, tell_initial
from opgraph.story.lesson.model import Given, Question
from opgraph.story.lesson.nodes import shape_of
from opgraph.story.lesson.questions.asking import Quiz, make, up_to
from opgraph.story.model import Item, Sentence, Worked, say
from opgraph.story.view import NodeView


def ask_params(quiz: Quiz) -> Iterator[Question]:
    """How many numbers does a layer learn? A convolution, a dense layer, one of another kind."""
    for group in ("convolution", "dense", "other"):
        views = [view for view in _owners(quiz) if _group(view) == group]
        if views:
            view = quiz.draw(f"params/{group}").choice(views)
            given: dict[str, Given | None] = {
                f"{name}.shape[{axis}]": size
                for name, weight in (view.facts.weights or {}).items()
                for axis, size in enumerate(weight.shape)
            }
            yield from make(
                "params", view, _about_params(view), given, (count_params(view),), {}, says_all=True
            )


def _group(view: NodeView) -> str | None:
    """What a layer is counted with; None where its weights are a number for each channel."""
    if view.kind in CONVOLUTIONS:
        return "convolution"
    if view.kind == "Dense":
        return "dense"
    weights = (view.facts.weights or {}).values()
    return "other" if any(len(weight.shape) > 1 for weight in weights) else None


def _owners(quiz: Quiz) -> list[NodeView]:
    nodes = quiz.step.nodes.values()
    return [view for view in nodes if view.facts.weights and view.owner == view.name]


def _about_params(view: NodeView) -> Sentence:
    inputs = view.facts.inputs[0] or (0,)
    bias = "bias" in (view.facts.weights or {})
    if view.kind == "Dense":
        return say("ask.params_dense" if bias else "ask.params_dense_alone", node=view.name,
                   inputs=inputs[-1], units=view.op.units)  # fmt: skip
    if view.kind in ("Conv1D", "Conv2D", "Conv3D"):
        channels = inputs[0 if view.op.data_format == "channels_first" else -1] or 0
        return say("ask.params_conv" if bias else "ask.params_conv_alone", node=view.name,
                   window=shape_of(view.op.kernel_size), filters=view.op.filters,
                   channels=channels // view.op.groups)  # fmt: skip
    weights = view.facts.weights or {}
    shapes = [f"{name} {shape_of(w.shape)}" for name, w in weights.items()]
    return say("ask.params", node=view.name, shapes=shapes)


def ask_shape(quiz: Quiz) -> Iterator[Question]:
    """How high is what comes out of a window that slides?"""
    views = quiz.views(*CONVOLUTIONS, *LOCAL_MAX, *LOCAL_MEAN)
    views = [view for view in views if view.op.padding in ("same", "valid")]
    if not views:
        return
    view = quiz.draw("shape").choice(views)
    op, axis = view.op, 2 if view.op.data_format == "channels_first" else 1
    size = view.read().shape[axis]
    window = int((getattr(op, "kernel_size", None) or op.pool_size)[0])
    stride = int((op.strides or op.pool_size)[0])
    dilation = int(getattr(op, "dilation_rate", (1,))[0])
    given: dict[str, Given] = {
        "size": size, "window": window, "stride": stride, "dilation": dilation,
        "padding": op.padding,
    }  # fmt: skip
    asked = say("ask.shape", node=view.name, size=size, window=window, stride=stride,
                padding=op.padding)  # fmt: skip
    line = _places(view, size, dilation * (window - 1) + 1, stride, view.output.shape[axis])
    rest = say("ask.shape_whole", shape=shape_of(view.output.shape[1:]))
    yield from make(
        "shape", view, asked, given, (_padding(op.padding), line, rest), {}, says_all=True
    )


def _padding(padding: str) -> Sentence:
    return say("ask.shape_same" if padding == "same" else "ask.shape_valid")


def _places(view: NodeView, size: int, window: int, stride: int, known: int) -> Worked:
    symbols: Expr
    numbers: Expr
    if view.op.padding == "same":
        symbols = Call("ceil", (Fraction(Sym("size"), Sym("stride")),))
        numbers = Call("ceil", (Fraction(Num(size), Num(stride)),))
    else:
        room = add(Sym("size"), Minus(Sym("window")))
        symbols = add(Call("floor", (Fraction(room, Sym("stride")),)), Num(1))
        left = add(Num(size), Minus(Num(window)))
        numbers = add(Call("floor", (Fraction(left, Num(stride)),)), Num(1))
    name = f"{view.name}.output.shape[0]"
    return worked(name, symbols, numbers, recorded=float(known), scale=0.0, drift=0.0)


def ask_limit(quiz: Quiz) -> Iterator[Question]:
    """How large may the first values of a weight be?"""
    facts = quiz.step.facts
    if facts.started or facts.first_step:
        return
    found = [
        (view, name, weight)
        for view in _owners(quiz)
        for name, weight in (view.facts.weights or {}).items()
        if weight.initializer in SCHEMES and f"{view.name}/{name}" in facts.initial
    ]
    if not found:
        return
    view, name, weight = quiz.draw("limit").choice(found)
    scheme = SCHEMES[str(weight.initializer)]
    blocks = list(tell_initial(quiz.focus(view, ()).step))
    word = "limit" if scheme.uniform else "deviation"
    told = up_to(blocks[0].items, f"{view.name}.{name}.{word}") if blocks else ()
    given: dict[str, Given] = {"initializer": str(weight.initializer)}
    given |= {f"shape[{axis}]": int(size or 0) for axis, size in enumerate(weight.shape)}
    asked = say(f"ask.{word}", node=view.name, weight=name, how=weight.initializer,
                shape=shape_of(weight.shape))  # fmt: skip
    first = {f"{view.name}/{name}.initial": facts.initial[f"{view.name}/{name}"]}
    yield from make("limit", view, asked, given, _last_told(told), first, says_all=True)


def _last_told(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """What is said about the last weight, without that about others before it."""
    starts = [
        at
        for at, item in enumerate(items)
        if isinstance(item, Sentence) and item.key == "initial.fans"
    ]
    return items[starts[-1] :] if starts else ()
