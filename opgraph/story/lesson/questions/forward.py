"""Questions on the way forward: one element of a sum, a pool, a normalisation, a softmax."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.story.families.activation import function_name
from opgraph.story.families.convolution import KINDS as CONVOLUTIONS
from opgraph.story.families.convolution import window_of
from opgraph.story.families.merge import KINDS as MERGES
from opgraph.story.families.merge import stretched
from opgraph.story.families.normalization import parameter
from opgraph.story.families.pooling import (
    GLOBAL_MEAN,
    LOCAL_MAX,
    LOCAL_MEAN,
    averaged,
    competitors,
)
from opgraph.story.functions import FUNCTIONS
from opgraph.story.kinds import FORWARD
from opgraph.story.lesson.model import Given, Question
from opgraph.story.lesson.questions.asking import (
    Quiz,
    behind,
    inputs_of,
    make,
    numbered,
    up_to,
    weights_of,
)
from opgraph.story.model import Item, say
from opgraph.story.view import NodeView, named


def _told(view: NodeView) -> tuple[Item, ...]:
    """What the story tells of the chosen element, up to the line that has it."""
    return up_to(FORWARD[view.kind](view), named(view.name, "output", view.here))


def _place(view: NodeView) -> dict[str, Given]:
    return {f"at[{axis}]": at for axis, at in enumerate(view.at)}


def ask_convolution(quiz: Quiz) -> Iterator[Question]:
    """One number of a convolution, from the products of its window."""
    views = [view for view in quiz.views(*CONVOLUTIONS) if _is_told(view)]
    view = quiz.easiest("convolution", views, _products)
    if view is None:
        return
    view = quiz.on_output("convolution", view)
    cells, left, right = window_of(view).met()
    given: dict[str, Given | None] = {**_place(view), "function": _function(view)}
    for name, numbers in (("x", left), ("kernel", right)):
        for k, row in zip(cells, numbers, strict=True):
            places = (", ".join(map(str, (*k, channel))) for channel in range(len(row)))
            given |= {f"{name}[{place}]": float(x) for place, x in zip(places, row, strict=True)}
    given["bias"] = _bias(view, window_of(view).apart(view.at)[1])
    asked = say("ask.convolution", node=view.name, element=named(view.name, "output", view.here))
    arrays = {**inputs_of(view), **weights_of(view, "kernel", "bias")}
    yield from make("convolution", view, asked, given, _told(view), arrays)


def _products(view: NodeView) -> int:
    window = int(np.prod(view.op.kernel_size))
    return window if view.kind.startswith("Depthwise") else view.weights["kernel"][..., 0].size


def _is_told(view: NodeView) -> bool:
    """Whether the weights are known, and the function behind the sum is."""
    return "kernel" in view.weights and function_name(view) in FUNCTIONS


def _function(view: NodeView) -> str | None:
    """What the layer applies to its sum; None if nothing."""
    return None if function_name(view) == "linear" else function_name(view)


def _bias(view: NodeView, unit: int) -> float | None:
    return float(view.weights["bias"][unit]) if "bias" in view.weights else None


def ask_dense(quiz: Quiz) -> Iterator[Question]:
    """One number of a dense layer, from all that it reads."""
    views = [view for view in quiz.views("Dense") if _is_told(view)]
    view = quiz.easiest("dense", views, lambda one: one.weights["kernel"].shape[0])
    if view is None:
        return
    view = quiz.on_output("dense", view)
    unit = view.at[-1]
    given: dict[str, Given | None] = {
        **_place(view),
        "function": _function(view),
        **numbered("x", view.read()[view.here[:-1]]),
        **numbered("kernel", view.weights["kernel"][:, unit]),
        "bias": _bias(view, unit),
    }
    asked = say("ask.dense", node=view.name, element=named(view.name, "output", view.here))
    arrays = {**inputs_of(view), **weights_of(view, "kernel", "bias")}
    yield from make("dense", view, asked, given, _told(view), arrays)


def ask_winner(quiz: Quiz) -> Iterator[Question]:
    """Which number of a window does a pool keep?"""
    view = quiz.easiest(
        "winner", quiz.views(*LOCAL_MAX), lambda one: int(np.prod(one.op.pool_size))
    )
    if view is None:
        return
    view = quiz.on_output("winner", view)
    cells, values = competitors(view)
    given: dict[str, Given | None] = {
        f"x[{', '.join(map(str, cell))}]": value for cell, value in zip(cells, values, strict=True)
    }
    asked = say("ask.winner", node=view.name, count=len(values),
                element=named(view.name, "output", view.here))  # fmt: skip
    told = tuple(FORWARD[view.kind](view))
    yield from make("winner", view, asked, given, told, inputs_of(view))


def ask_mean(quiz: Quiz) -> Iterator[Question]:
    """The mean that a pool takes."""
    view = quiz.easiest("mean", quiz.views(*GLOBAL_MEAN, *LOCAL_MEAN), _averaged)
    if view is None:
        return
    view = quiz.on_output("mean", view)
    given: dict[str, Given | None] = {**_place(view), **numbered("x", averaged(view, view.at))}
    asked = say("ask.mean", node=view.name, element=named(view.name, "output", view.here),
                count=len(averaged(view, view.at)))  # fmt: skip
    yield from make("mean", view, asked, given, _told(view), inputs_of(view))


def _averaged(view: NodeView) -> int:
    if view.kind in LOCAL_MEAN:
        return int(np.prod(view.op.pool_size))
    return view.read()[0].size // max(1, view.output[0].size)


def ask_batch_norm(quiz: Quiz) -> Iterator[Question]:
    """One number of a batch normalisation, from the statistics of the batch."""
    views = [view for view in quiz.views("BatchNormalization") if is_plain(view)]
    if not views:
        return
    view = quiz.on_output("batch_norm", quiz.draw("batch_norm").choice(views))
    channel = view.here[view.op.axis % view.output.ndim]
    mean, variance = view.own("batch_mean"), view.own("batch_variance")
    assert mean is not None
    assert variance is not None
    given: dict[str, Given | None] = {
        "x": float(view.read()[view.here]),
        "mean": float(mean[channel]),
        "variance": float(variance[channel]),
        **_scaling(view, channel),
    }
    told = behind(_told(view), "forward.normalised")
    asked = say("ask.batch_norm", node=view.name, element=named(view.name, "output", view.here),
                channel=channel)  # fmt: skip
    arrays = {
        **inputs_of(view),
        **weights_of(view, "gamma", "beta"),
        f"{view.name}/batch_mean": mean,
        f"{view.name}/batch_variance": variance,
    }
    yield from make("batch_norm", view, asked, given, told, arrays)


def is_plain(view: NodeView) -> bool:
    """Whether a batch normalisation has one mean of the batch, and no correction of it."""
    mean = view.own("batch_mean")
    return mean is not None and mean.ndim == 1 and not view.op.renorm and not view.is_shared


def _scaling(view: NodeView, channel: int) -> dict[str, Given | None]:
    gamma, beta = parameter(view, "gamma", channel), parameter(view, "beta", channel)
    return {
        "epsilon": float(view.op.epsilon),
        "gamma": 1.0 if gamma is None else gamma,
        "beta": beta or 0.0,
    }


def ask_layer_norm(quiz: Quiz) -> Iterator[Question]:
    """One number of a layer normalisation, from the numbers beside it."""
    views = quiz.views("LayerNormalization")
    view = quiz.easiest("layer_norm", views, lambda one: one.output.shape[-1])
    if view is None:
        return
    view = quiz.on_output("layer_norm", view)
    told = _told(view)
    if not behind(told, "forward.layer_norm"):
        return
    given: dict[str, Given | None] = {
        "at": view.at[-1],
        **numbered("x", view.read()[view.here[:-1]]),
        **_scaling(view, view.at[-1]),
    }
    asked = say("ask.layer_norm", node=view.name, element=named(view.name, "output", view.here))
    arrays = {**inputs_of(view), **weights_of(view, "gamma", "beta")}
    yield from make("layer_norm", view, asked, given, told, arrays)


def ask_dropout(quiz: Quiz) -> Iterator[Question]:
    """What becomes of a number that a dropout keeps?"""
    views = [v for v in quiz.views("Dropout") if v.own("mask") is not None and v.op.rate]
    if not views:
        return
    view = quiz.on_output("dropout", quiz.draw("dropout").choice(views))
    mask = view.own("mask")
    assert mask is not None
    given: dict[str, Given | None] = {
        "x": float(view.read()[view.here]),
        "kept": int(bool(mask[view.here])),
        "rate": float(view.op.rate),
    }
    asked = say("ask.dropout", node=view.name, element=named(view.name, "output", view.here))
    arrays = {**inputs_of(view), f"{view.name}/mask": mask[view.step.example]}
    told = behind(_told(view), "forward.dropout_why")
    yield from make("dropout", view, asked, given, told, arrays)


def ask_merge(quiz: Quiz) -> Iterator[Question]:
    """What do several branches become where they meet?"""
    views = quiz.views(*MERGES)
    if not views:
        return
    view = quiz.on_output("merge", quiz.draw("merge").choice(views))
    arrays = [view.read(slot) for slot in range(len(view.reads))]
    given: dict[str, Given | None] = {"op": view.kind}
    for slot, array in enumerate(arrays):
        given[f"x[{slot}]"] = float(array[stretched(view.here, array)])
    asked = say("ask.merge", node=view.name, element=named(view.name, "output", view.here),
                sources=list(map(str, view.reads)), kind=view.kind)  # fmt: skip
    yield from make("merge", view, asked, given, _told(view), inputs_of(view))


def ask_softmax(quiz: Quiz) -> Iterator[Question]:
    """How probable is a class, from all scores?"""
    views = [view for view in quiz.views("Softmax") if view.output.ndim == 2]
    view = quiz.easiest("softmax", views, lambda one: one.output.shape[-1])
    if view is None:
        return
    classes = view.output.shape[-1]
    view = quiz.focus(view, (quiz.draw("softmax").randrange(classes),))
    names = view.step.facts.class_names
    unit = view.at[-1]
    given: dict[str, Given | None] = {"at": unit, **numbered("z", view.read()[view.here[:-1]])}
    asked = say("ask.softmax", node=view.name, example=view.step.example,
                label=names[unit] if len(names) == classes else str(unit))  # fmt: skip
    yield from make("softmax", view, asked, given, _told(view), inputs_of(view))
