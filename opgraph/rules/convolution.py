"""Rules about windows: convolutions and poolings that leave something out."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.ops import Op, Shape
from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import View

MUCH = 0.1


def spatial(op: Op, shape: Shape) -> Shape:
    """The axes that a window slides over."""
    first = op.values().get("data_format") == "channels_first"
    return shape[1:] if first else shape[:-1]


def _window(op: Op) -> tuple[int, ...] | None:
    """How many positions a window has along each axis; one with gaps always steps by 1."""
    values = op.values()
    size = values.get("pool_size") or values.get("kernel_size")
    if size is None or op.kind.endswith("Transpose"):
        return None
    return tuple(size)


def _strides(op: Op) -> tuple[int, ...]:
    values = op.values()
    return values.get("strides") or values["pool_size"]


def _windows(view: View) -> Iterator[tuple[str, Op, tuple[int, ...], tuple[int, ...], Shape]]:
    """Nodes with a sliding window: name, op, window, strides, the axes that it slides over."""
    for name, op in view.of("convolution", "pooling"):
        window, shape = _window(op), view.input_shape(name)
        if window is not None and shape is not None and len(shape) == len(window) + 1:
            yield name, op, window, _strides(op), spatial(op, shape)


@rule(
    "OG401",
    "a stride that skips positions",
    severity="warning",
    why="Where the step is larger than the window, no window ever reads what lies between: that"
    " part of the input is computed and thrown away. With a window of 1 it is plain subsampling, as"
    " in the shortcuts of residual networks, and only worth knowing.",
    fix="Make the window at least as large as the stride, or pool before the convolution.",
    example=Example(
        bad="image: Input(shape=17x17x3) -> conv[filters=8, kernel_size=2, strides=3]",
        good="image: Input(shape=17x17x3) -> conv[filters=8, kernel_size=3, strides=3]",
    ),
)
def skipped_positions(view: View) -> Iterator[Hit]:
    """A step larger than the window, on an axis where there is more than one step."""
    for name, _, window, strides, axes in _windows(view):
        rows = zip(window, strides, axes, strict=True)
        skips = [step > side for side, step, axis in rows if axis is None or axis > side]
        if any(skips):
            severity = "info" if set(window) == {1} else None
            yield Hit(name, f"steps by {_by(strides)} with a window of {_by(window)}", severity)


@rule(
    "OG402",
    "a pooling window larger than its input",
    severity="warning",
    why="The window reads the whole input and padding beyond it. Most often the image has shrunk"
    " more than was thought, and the pooling works on a map of one position.",
    fix="Use a smaller window, a global pooling, or fewer strides before it.",
    example=Example(
        bad="image: Input(shape=4x4x3) -> pool: MaxPooling2D(pool_size=8, padding=same) -> flatten"
        " -> logits",
        good="image: Input(shape=8x8x3) -> pool: MaxPooling2D(pool_size=8, padding=same) -> flatten"
        " -> logits",
    ),
)
def pool_larger_than_input(view: View) -> Iterator[Hit]:
    """A window that pads because the input is smaller."""
    for name, op, window, _, axes in _windows(view):
        if op.category != "pooling":
            continue
        if any(axis is not None and side > axis for side, axis in zip(window, axes, strict=True)):
            yield Hit(name, f"has a window of {_by(window)} on an input of {_by(axes)}")


@rule(
    "OG403",
    "a pooling that throws away the last rows",
    severity="info",
    why="Without padding a window that no longer fits is left out, and with it the rows at the end:"
    " nothing after this node ever sees them. From a tenth of an axis on this is a warning. Rows of"
    " zeros that the node before has put there do not count.",
    fix="Use padding=same, or sizes that the stride divides.",
    example=Example(
        bad="image: Input(shape=15x15x3) -> pool: MaxPooling2D(pool_size=2) -> conv[filters=4]",
        good="image: Input(shape=16x16x3) -> pool: MaxPooling2D(pool_size=2) -> conv[filters=4]",
    ),
)
def pool_drops_rows(view: View) -> Iterator[Hit]:
    """A pooling without padding whose steps do not come out even; zeros put at the end are no loss.

    Residual networks put a row of zeros at each side and pool with windows of 3 and steps of 2.
    """
    for name, op, window, strides, axes in _windows(view):
        if op.category != "pooling" or op.values().get("padding") != "valid":
            continue
        zeros = _zeros_at_the_end(view, name, len(axes))
        for side, step, axis, empty in zip(window, strides, axes, zeros, strict=True):
            if axis is None or axis < side or step > side:
                continue
            if (lost := (axis - side) % step) > empty:
                severity = "warning" if lost / axis >= MUCH else None
                rows = "the last one" if lost == 1 else f"the last {lost}"
                yield Hit(name, f"never reads {rows} of {axis} positions", severity)
                break


def _zeros_at_the_end(view: View, name: str, rank: int) -> tuple[int, ...]:
    """How many rows of zeros the node before puts at the end of each axis."""
    source = view.ops.get(view.source(name) or "")
    if source is None or not source.kind.startswith("ZeroPadding"):
        return (0,) * rank
    return tuple(end for _, end in source.values()["padding"])


def _by(sizes: Shape) -> str:
    return "×".join("?" if size is None else str(size) for size in sizes)
