"""Layers around another layer.

FLOPs: those of the wrapped op, as often as it runs; merging two directions one for each number.
Spectral normalisation adds none at inference, where the kernel is divided already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from opgraph.errors import AttributeValueError, OpgraphError
from opgraph.ops.checks import optional, positive
from opgraph.ops.registry import find, op
from opgraph.ops.spec import WHOLE, Dim, Op, Reach, Shape, Weight, attr
from opgraph.ops.windows import add, multiply, volume


def nested(value: Any) -> Op:
    """Converter to an op: an op, its name, or Keras's `{"class_name": ..., "config": ...}`."""
    if isinstance(value, Op):
        return value
    if isinstance(value, str):
        value = {"class_name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        raise ValueError("expected an op such as LSTM(units=8)")
    kind = find(value["class_name"])
    if kind is None:
        raise ValueError(f"expected an op, there is none called {value['class_name']!r}")
    config = dict(value.get("config") or {})
    config.pop("name", None)
    config["dtype"] = _policy_name(config.get("dtype"))
    try:
        return kind(**config)
    except OpgraphError as error:
        raise ValueError(f"expected a complete {kind.kind}: {error.headline}") from None


def _policy_name(dtype: Any) -> str | None:
    """The name in one of Keras's serialised dtype policies; its default is none at all."""
    if isinstance(dtype, Mapping):
        dtype = (dtype.get("config") or {}).get("name")
    return None if dtype == "float32" else dtype


def default_name(kind: type[Op]) -> str:
    """The name that Keras gives to a layer that has none.

    >>> from opgraph.ops import require
    >>> default_name(require("SimpleRNN")), default_name(require("Conv2D"))
    ('simple_rnn', 'conv2d')
    """
    spaced = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", kind.kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def _inner_layer(inner: Op, keras: Any, common: Mapping[str, Any], prefix: str = "") -> Any:
    """The wrapped Keras layer, under a name that does not depend on what was made before."""
    options: dict[str, Any] = {"name": prefix + default_name(type(inner))}
    dtype = inner.dtype or common.get("dtype")
    options |= {"dtype": dtype} if dtype else {}
    options |= {} if inner.trainable else {"trainable": False}
    return inner.layer(keras, **options)


def _below(scope: str, arrays: Mapping[str, Weight] | None) -> dict[str, Weight]:
    """Weights of an op inside another one; `nested` lets no op in whose weights are not known."""
    return {f"{scope}/{name}": weight for name, weight in (arrays or {}).items()}


@op("bidirectional_rnn", "双向", "双向循环", category="recurrent")
class Bidirectional(Op):
    """Read a sequence in both directions and merge what comes out."""

    inner: Op = attr(doc="the recurrent op, such as LSTM(units=8)", converter=nested, keras="layer")
    merge_mode: Literal["concat", "sum", "mul", "ave"] | None = attr(
        default="concat", doc="how both directions are merged; two outputs when None"
    )
    backward: Op | None = attr(
        default=None,
        doc="op for the way back; the same as the way there when None",
        converter=optional(nested),
        keras="backward_layer",
    )

    def check(self) -> None:
        for name, inner in (("layer", self.inner), ("backward_layer", self.backward)):
            if inner is not None and inner.kind not in ("SimpleRNN", "LSTM", "GRU"):
                raise AttributeValueError(
                    f"expected SimpleRNN, LSTM or GRU, received {inner}", where=name
                )

    def shape(self, sequence: Shape, *states: Shape) -> Shape | list[Shape]:
        half = len(states) // 2
        forward = self.inner.shape(sequence, *states[:half])
        backward = (self.backward or self.inner).shape(sequence, *states[half:])
        if not isinstance(forward, list):
            merged = self._merged(forward, backward)
            return merged if len(merged) > 1 else merged[0]
        return [*self._merged(forward[0], backward[0]), *forward[1:], *backward[1:]]

    def _merged(self, forward: Shape, backward: Shape) -> list[Shape]:
        if self.merge_mode is None:
            return [forward, backward]
        if self.merge_mode == "concat":
            return [(*forward[:-1], add(forward[-1], backward[-1]))]
        return [forward]

    def weights(self, sequence: Shape, *states: Shape) -> dict[str, Weight]:
        name = default_name(type(self.inner))
        forward = self.inner.weights(sequence)
        backward = (self.backward or self.inner).weights(sequence)
        return _below(f"forward_{name}", forward) | _below(f"backward_{name}", backward)

    def flops(self, sequence: tuple[int, ...], *states: Shape) -> Dim:
        shape = self.inner.shape(sequence)
        output = volume(shape[0] if isinstance(shape, list) else shape)
        merging = {"sum": output, "mul": output, "ave": 2 * output}.get(self.merge_mode or "", 0)
        ways = self.inner, self.backward or self.inner
        return add(merging, *(way.flops(sequence) for way in ways))

    def reach(self, sequence: Shape, *states: Shape) -> Reach:
        return WHOLE

    def layer(self, keras: Any, **common: Any) -> Any:
        back = self.backward and _inner_layer(self.backward, keras, common, "backward_")
        return keras.layers.Bidirectional(
            _inner_layer(self.inner, keras, common),
            merge_mode=self.merge_mode,
            backward_layer=back,
            **common,
        )

    def call(self, layer: Any, inputs: list[Any]) -> Any:
        sequence, *states = inputs
        return layer(sequence, initial_state=states) if states else layer(sequence)


@op("时间分布", category="recurrent")
class TimeDistributed(Op):
    """Apply an op to each step of a sequence by itself: (T, ...) -> (T, ...)."""

    inner: Op = attr(doc="the op, such as Dense(units=8)", converter=nested, keras="layer")

    def _step(self, x: Shape) -> Shape:
        if len(x) < 2:
            raise self.refuse(f"TimeDistributed takes (steps, ...), received {x}")
        return x[1:]

    def shape(self, x: Shape) -> Shape:
        output = self.inner.shape(self._step(x))
        if isinstance(output, list):
            raise self.refuse(f"{self.inner.kind} has {len(output)} outputs, expected one")
        return (x[0], *output)

    def weights(self, x: Shape) -> dict[str, Weight]:
        return _below(default_name(type(self.inner)), self.inner.weights(self._step(x)))

    def flops(self, x: tuple[int, ...]) -> Dim:
        return multiply(self.inner.flops(x[1:]), x[0])

    def reach(self, x: Shape) -> None:
        return None

    def layer(self, keras: Any, **common: Any) -> Any:
        return keras.layers.TimeDistributed(_inner_layer(self.inner, keras, common), **common)


KERNELS = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
NORMALISABLE = (*KERNELS, "DepthwiseConv1D", "DepthwiseConv2D", "Dense", "EinsumDense", "Embedding")


@op("spectral_norm", "谱归一化", category="normalization")
class SpectralNormalization(Op):
    """Divide the kernel of an op by its largest singular value (Miyato et al. 2018)."""

    inner: Op = attr(doc="the op, such as Conv2D(filters=8)", converter=nested, keras="layer")
    power_iterations: int = attr(
        default=1, doc="steps towards that value in each training step", converter=positive
    )

    def check(self) -> None:
        if self.inner.kind not in NORMALISABLE:
            raise AttributeValueError(
                f"expected an op with one kernel, such as Conv2D, received {self.inner}",
                where="layer",
            )

    def shape(self, x: Shape) -> Shape:
        return self.inner.shape(x)

    def weights(self, x: Shape) -> dict[str, Weight]:
        arrays = list(_below(default_name(type(self.inner)), self.inner.weights(x)).items())
        vector = Weight((1, arrays[0][1].shape[-1]), False, "truncated_normal")
        return dict([arrays[0], ("vector_u", vector), *arrays[1:]])

    def flops(self, x: tuple[int, ...]) -> Dim:
        return self.inner.flops(x)

    def reach(self, x: Shape) -> Reach | None:
        return self.inner.reach(x)

    def layer(self, keras: Any, **common: Any) -> Any:
        inner = _inner_layer(self.inner, keras, common)
        return keras.layers.SpectralNormalization(inner, self.power_iterations, **common)
