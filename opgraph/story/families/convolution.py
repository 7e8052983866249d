"""Convolutions, plain and depthwise: the window, its products, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from opgraph.record import Array
from opgraph.story.families.activation import applied, before_function, grad_behind
from opgraph.story.families.linear import (
    before_normalisation,
    bias_gradient,
    kernel_gradient,
    pulled_back,
)
from opgraph.story.formula import Expr, Over, Sym, add, times
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, Picture, say
from opgraph.story.numerals import shape_text
from opgraph.story.sliding import Axis, Place, make_axes, reads, seen
from opgraph.story.terms import products
from opgraph.story.view import Index, NodeView, named, wide

KINDS = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D")
LETTERS = "ijk"


class Window(NamedTuple):
    """A convolution with the channels last."""

    view: NodeView
    axes: tuple[Axis, ...]
    source: Array
    kernel: Array
    first: bool
    depthwise: bool

    def apart(self, at: Index) -> tuple[Place, int]:
        """Place and channel of an element without its example."""
        return (at[1:], at[0]) if self.first else (at[:-1], at[-1])

    def together(self, place: Place, channel: int) -> Index:
        """The element at a place and channel."""
        return (channel, *place) if self.first else (*place, channel)

    def last(self, array: Array) -> Array:
        """An array of the node with its channels at the end."""
        return np.moveaxis(array, 1, -1) if self.first else array

    def inputs_of(self, channel: int) -> tuple[slice, Array]:
        """The input channels that an output channel reads, and the weights it reads them with."""
        if self.depthwise:
            many = self.kernel.shape[-1]
            source = channel // many
            return slice(source, source + 1), self.kernel[..., source : source + 1, channel % many]
        size = self.kernel.shape[-2]
        start = channel // (self.kernel.shape[-1] // self.view.op.groups) * size
        return slice(start, start + size), self.kernel[..., channel]

    def outputs_of(self, channel: int) -> tuple[slice, Array]:
        """The output channels that read an input channel, and the weights they read it with."""
        if self.depthwise:
            many = self.kernel.shape[-1]
            return slice(channel * many, (channel + 1) * many), self.kernel[..., channel, :]
        size = self.kernel.shape[-2]
        filters = self.kernel.shape[-1] // self.view.op.groups
        start = channel // size * filters
        return slice(start, start + filters), self.kernel[
            ..., channel % size, start : start + filters
        ]

    def met(self) -> tuple[list[Place], Array, Array]:
        """Offsets in the window of the chosen output, the numbers there, and their weights."""
        place, channel = self.apart(self.view.at)
        cells = reads(self.axes, place)
        inputs, weights = self.inputs_of(channel)
        row = self.source[self.view.step.example]
        left = np.array([row[p][inputs] for _, p in cells], np.float64)
        right = np.array([weights[k] for k, _ in cells], np.float64)
        return [k for k, _ in cells], left, right

    def channels_of(self, at: Index) -> tuple[int, int]:
        """Input and output channel that an element of the kernel connects."""
        if self.depthwise:
            return at[-2], at[-2] * self.kernel.shape[-1] + at[-1]
        group = at[-1] // (self.kernel.shape[-1] // self.view.op.groups)
        return group * self.kernel.shape[-2] + at[-2], at[-1]


def window_of(view: NodeView) -> Window:
    """The convolution of a node."""
    op, first = view.op, view.op.data_format == "channels_first"
    source, output = view.read(), view.output
    spatial = slice(2, None) if first else slice(1, -1)
    window, strides = tuple(op.kernel_size), tuple(op.strides)
    axes = make_axes(
        source.shape[spatial], output.shape[spatial], window, strides, op.padding, op.dilation_rate
    )
    last = np.moveaxis(source, 1, -1) if first else source
    depthwise = view.kind.startswith("Depthwise")
    return Window(view, axes, last, view.weights["kernel"], first, depthwise)


@forward(*KINDS)
def tell_forward(view: NodeView) -> Iterator[Item]:
    """The products of one window."""
    if "kernel" not in view.weights:
        yield say("forward.weights_unknown")
        return
    slide = window_of(view)
    _, channel = slide.apart(view.at)
    cells, left, right = slide.met()
    offset = [float(view.weights["bias"][channel])] if "bias" in view.weights else []
    told = products(left, right, *offset)
    yield from _about(slide, len(cells), told.terms - len(offset))
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest - len(offset), rest=told.rest)
    name = named(view.name, before_function(view), view.here)
    yield from applied(view, name, _formula(slide, bool(offset)), told)


def _about(slide: Window, cells: int, terms: int) -> Iterator[Item]:
    view = slide.view
    place, channel = slide.apart(view.at)
    size = tuple(axis.window for axis in slide.axes)
    per_cell = terms // max(1, cells)
    key = "forward.depthwise.what" if slide.depthwise else "forward.conv.what"
    yield say(
        key,
        window=shape_text(size),
        channels=per_cell,
        filters=view.output.shape[1 if slide.first else -1],
    )
    yield from _pictured(slide, place)
    outside = int(np.prod(size)) - cells
    yield say(
        "forward.conv.one",
        place=place,
        channel=channel,
        cells=cells,
        channels=per_cell,
        terms=terms,
    )
    if outside:
        yield say("forward.conv.outside", outside=outside)


def _pictured(slide: Window, place: Place) -> Iterator[Item]:
    """The window on the map that it reads; the padding is left out."""
    if len(slide.axes) != 2:
        return
    cells = [p for _, p in reads(slide.axes, place)]
    if not cells:
        return
    (top, left), (bottom, right) = np.min(cells, axis=0), np.max(cells, axis=0)
    box = (int(top), int(left), int(bottom - top) + 1, int(right - left) + 1)
    array = slide.source[slide.view.step.example]
    yield Picture(say("picture.window", source=slide.view.reads[0].node), array, box)


def _formula(slide: Window, offset: bool) -> Expr:
    letters = LETTERS[: len(slide.axes)]
    index = ", ".join(letters) if slide.depthwise else ", ".join((*letters, "c"))
    term = Over(index, times(Sym(f"x[{index}]"), Sym(f"kernel[{index}]")))
    return add(term, Sym("bias")) if offset else term


@backward(*KINDS)
def tell_backward(view: NodeView) -> Iterator[Item]:
    """What reaches one input number, and the gradient of one weight."""
    grad = grad_behind(view)
    if grad is None or "kernel" not in view.weights:
        yield say("backward.by_reference")
        return
    slide = window_of(view)
    delta = slide.last(grad)
    if view.input_grad() is not None:
        yield from _input_gradient(slide, delta)
    yield from _kernel_gradient(slide, delta)
    if "bias" in view.weights:
        (channel,) = view.weight_at("bias")
        yield say("backward.conv.bias", channel=channel)
        if before_normalisation(view):
            yield say("backward.bias_before_bn")
        yield from bias_gradient(view, delta[..., channel], (channel,))


def _input_gradient(slide: Window, delta: Array) -> Iterator[Item]:
    view = slide.view
    at = view.input_at()
    place, channel = slide.apart(at[1:])
    cells = seen(slide.axes, place)
    outputs, weights = slide.outputs_of(channel)
    left = np.array([delta[(at[0], *p)][outputs] for _, p in cells])
    right = np.array([weights[k] for k, _ in cells])
    told = products(left, right)
    yield say(
        "backward.conv.input",
        windows=len(cells),
        filters=outputs.stop - outputs.start,
        terms=told.terms,
        source=view.reads[0].node,
    )
    index = ", ".join((*LETTERS[: len(slide.axes)], "f"))
    formula = Over(index, times(Sym(f"grad[{index}]"), Sym(f"kernel[{index}]")))
    yield from pulled_back(view, at, formula, told)


def _kernel_gradient(slide: Window, delta: Array) -> Iterator[Item]:
    view = slide.view
    at = view.weight_at("kernel")
    source, channel = slide.channels_of(at)
    pairs = [axis.pairs(k) for axis, k in zip(slide.axes, at, strict=False)]
    x = wide(slide.source[(slice(None), *(p for p, _ in pairs), source)])
    d = wide(delta[(slice(None), *(p for _, p in pairs), channel)])
    starts = [
        (p.start, o.start, axis.stride) for (p, o), axis in zip(pairs, slide.axes, strict=True)
    ]
    yield from kernel_gradient(view, "kernel", at, x, d, starts)
