"""Where data enters a graph, and layers that opgraph does not know."""

from __future__ import annotations

from typing import Any

from opgraph.ops.checks import anything, dims, optional
from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Reach, Shape, Weight, attr


@op("InputLayer", "placeholder", "输入层", "输入", category="input")
class Input(Op):
    """Where data enters the network: one array for each example."""

    size: tuple[int | None, ...] = attr(
        doc="shape of one example, without the batch",
        converter=dims,
        rule="input_shape",
        keras="shape",
    )
    dtype: str | None = attr(default=None, doc="type of the numbers", rule="input_dtype")

    def shape(self) -> Shape:
        return self.size

    def flops(self) -> int:
        return 0

    def layer(self, keras: Any, **common: Any) -> Any:
        return keras.layers.InputLayer(shape=self.size, **common)


def _shapes(value: Any) -> tuple[Any, ...]:
    """A row of shapes, None for unknown ones."""
    if not isinstance(value, list | tuple):
        raise ValueError("expected shapes such as [(8, 3), None]")
    return tuple(optional(dims)(shape) for shape in value)


@op(category="opaque")
class Opaque(Op):
    """A layer that opgraph does not know, carried along with its Keras configuration."""

    class_name: str = attr(doc="name of the layer's class")
    settings: dict[str, Any] | None = attr(
        default=None, doc="its Keras configuration", converter=anything
    )
    output: tuple[int | None, ...] | None = attr(
        default=None, doc="output shape, where the file says it", converter=optional(dims)
    )
    more: tuple[Any, ...] = attr(
        default=(), doc="shapes of further outputs, where the file says them", converter=_shapes
    )
    arrays: dict[str, Any] | None = attr(
        default=None, doc="weight shapes by name, where the file says them", converter=anything
    )

    def shape(self, *inputs: Shape | None) -> Any:
        return [self.output, *self.more] if self.more else self.output

    def weights(self, *inputs: Shape | None) -> dict[str, Weight] | None:
        if self.arrays is None:
            return None
        return {name: Weight(tuple(shape)) for name, shape in self.arrays.items()}

    def reach(self, *inputs: Shape | None) -> Reach | None:
        return None
