"""Layers that let each position look at all others.

FLOPs: 2 for each multiply-add of projections, scores and weighted sums, 1 for each bias and each
scaling, 5 for each number under the softmax.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from opgraph.errors import AttributeValueError
from opgraph.ops.checks import dims, optional, positive, rate
from opgraph.ops.library.axes import axis_or_axes
from opgraph.ops.registry import op
from opgraph.ops.spec import WHOLE, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import volume

OPTIONS = (*for_weights("kernel", "bias"), "activity_regularizer")
CALL = ("use_causal_mask", "return_attention_scores")
SOFTMAX = 5
Sizes = tuple[int, ...] | None
S = TypeVar("S", bound=Shape)


def _whole(self: Op, *inputs: Shape) -> Reach:
    return WHOLE


def _call_arguments(self: Any) -> dict[str, bool]:
    return {name: True for name in CALL if getattr(self, name)}


def _call(self: Any, layer: Any, inputs: list[Any]) -> Any:
    """Apply the layer to query, value and key; a single input looks at itself."""
    inputs = inputs if len(inputs) > 1 else inputs * 2
    return layer(*inputs, **_call_arguments(self))


def _call_with_list(self: Any, layer: Any, inputs: list[Any]) -> Any:
    return layer(inputs if len(inputs) > 1 else inputs * 2, **_call_arguments(self))


def _slots(self: Op, query: S, value: S | None, key: S | None) -> tuple[S, S, S]:
    """Query, value and key, each filled in from the one before it.

    Raises:
        ShapeError: one of them is no sequence, or value and key differ in length.
    """
    value = query if value is None else value
    key = value if key is None else key
    for shape in (query, value, key):
        if len(shape) < 2 or len(shape) != len(query):
            raise self.refuse(f"{self.kind} takes (steps, channels), received {shape}")
    for left, right in zip(value[:-1], key[:-1], strict=True):
        if None not in (left, right) and left != right:
            raise self.refuse(f"value {value} and key {key} differ in length")
    return query, value, key


def _projection(self: Any, name: str, kernel: Shape, inputs: int = 1) -> dict[str, Weight]:
    """Kernel and bias of an inner EinsumDense that takes so many axes."""
    start = self.initializer("kernel", "glorot_uniform")
    arrays = {f"{name}/kernel": Weight(kernel, True, start)}
    if self.use_bias:
        zeros = self.initializer("bias", "zeros")
        arrays[f"{name}/bias"] = Weight(kernel[inputs:], True, zeros)
    return arrays


def _projected(arrays: dict[str, Weight], name: str, rows: int) -> int:
    """Operations of an inner EinsumDense applied to so many rows."""
    kernel = volume(arrays[f"{name}/kernel"].shape)
    bias = volume(arrays[f"{name}/bias"].shape) if f"{name}/bias" in arrays else 0
    return rows * (2 * kernel + bias)


@op(
    "mha",
    "attn",
    "multi_head_self_attention",
    "self_attention",
    "cross_attention",
    "多头注意力",
    "多头自注意力",
    "自注意力",
    category="attention",
)
class MultiHeadAttention(Op):
    """Weighted means of values, the weights by how query and key agree (Vaswani et al. 2017)."""

    num_heads: int = attr(doc="attention heads", converter=positive, rule="heads")
    key_dim: int = attr(doc="numbers of a query in each head", converter=positive, rule="key_size")
    value_dim: int | None = attr(
        default=None, doc="numbers of a value in each head", converter=optional(positive)
    )
    dropout: float = attr(default=0.0, doc="share of attention weights dropped", converter=rate)
    use_bias: bool = attr(default=True, doc="whether the projections have offsets")
    output_shape: tuple[int | None, ...] | None = attr(
        default=None, doc="channels of the output; the query's when None", converter=optional(dims)
    )
    attention_axes: int | tuple[int, ...] | None = attr(
        default=None, doc="axes that are attended over; all when None", converter=axis_or_axes
    )
    sliding_window: int | None = attr(
        default=None, doc="how far a position may look", converter=optional(positive)
    )
    use_gate: bool = attr(default=False, doc="whether a gate scales each head's output")
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    use_causal_mask: bool = attr(default=False, doc="no position looks ahead")
    return_attention_scores: bool = attr(default=False, doc="the weights as a second output")
    options = OPTIONS

    reach, call = _whole, _call

    def config(self, *leave_out: str) -> dict[str, Any]:
        return super().config(*CALL, *leave_out)

    def _axes(self, query: Shape) -> list[int]:
        """Places of the axes that are attended over, in a shape without the batch."""
        if self.attention_axes is None:
            return list(range(len(query) - 1))
        axes = self.attention_axes
        numbers = axes if isinstance(axes, tuple) else (axes,)
        rank = len(query) + 1
        places = [number - 1 if number >= 0 else number + rank - 1 for number in numbers]
        if not all(0 <= place < len(query) - 1 for place in places):
            raise self.refuse(
                f"attention_axes={axes} are not between batch and channels of {query}"
            )
        return places

    def shape(
        self, query: Shape, value: Shape | None = None, key: Shape | None = None
    ) -> Shape | list[Shape]:
        query, value, _ = _slots(self, query, value, key)
        axes = self._axes(query)
        output = (*query[:-1], *(self.output_shape or query[-1:]))
        if not self.return_attention_scores:
            return output
        others = [dim for at, dim in enumerate(query[:-1]) if at not in axes]
        looks = [query[at] for at in axes] + [value[at] for at in axes]
        return [output, (*others, self.num_heads, *looks)]

    def weights(
        self, query: Shape, value: Shape | None = None, key: Shape | None = None
    ) -> dict[str, Weight]:
        query, value, key = _slots(self, query, value, key)
        head, depth = (self.num_heads, self.key_dim), self.value_dim or self.key_dim
        gate = _projection(self, "gate", (query[-1], self.num_heads, depth))
        outputs = self.output_shape or query[-1:]
        return {
            **_projection(self, "query", (query[-1], *head)),
            **_projection(self, "key", (key[-1], *head)),
            **(gate if self.use_gate else {}),
            **_projection(self, "value", (value[-1], self.num_heads, depth)),
            **_projection(self, "attention_output", (self.num_heads, depth, *outputs), inputs=2),
        }

    def flops(self, query: tuple[int, ...], value: Sizes = None, key: Sizes = None) -> int:
        arrays = self.weights(query, value, key)
        query, value, _ = _slots(self, query, value, key)
        rows, others = volume(query[:-1]), volume(value[:-1])
        depth = self.value_dim or self.key_dim
        pairs = self.num_heads * rows * volume(value[at] for at in self._axes(query))
        inputs = {"query": rows, "key": others, "value": others, "attention_output": rows}
        projections = sum(_projected(arrays, name, count) for name, count in inputs.items())
        scaling = rows * self.num_heads * self.key_dim
        gates = rows * self.num_heads * depth * 5  # a sigmoid and a product
        gate = _projected(arrays, "gate", rows) + gates if self.use_gate else 0
        return projections + scaling + gate + pairs * (2 * self.key_dim + SOFTMAX + 2 * depth)


@op("GroupQueryAttention", "gqa", "分组查询注意力", category="attention")
class GroupedQueryAttention(Op):
    """Attention whose queries share keys and values in groups (Ainslie et al. 2023)."""

    head_dim: int = attr(doc="numbers in each head", converter=positive, rule="key_size")
    num_query_heads: int = attr(doc="heads of the query", converter=positive, rule="heads")
    num_key_value_heads: int = attr(
        doc="heads of key and value; divides the query's", converter=positive, rule="heads"
    )
    dropout: float = attr(default=0.0, doc="share of attention weights dropped", converter=rate)
    use_bias: bool = attr(default=True, doc="whether the projections have offsets")
    use_gate: bool = attr(default=False, doc="whether a gate scales each head's output")
    sliding_window: int | None = attr(
        default=None, doc="how far a position may look", converter=optional(positive)
    )
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    use_causal_mask: bool = attr(default=False, doc="no position looks ahead")
    return_attention_scores: bool = attr(default=False, doc="the weights as a second output")
    options = OPTIONS

    reach, call = _whole, _call

    def check(self) -> None:
        if self.num_query_heads % self.num_key_value_heads:
            raise AttributeValueError(
                f"expected a divisor of num_query_heads={self.num_query_heads},"
                f" received {self.num_key_value_heads}",
                where="num_key_value_heads",
            )

    def config(self, *leave_out: str) -> dict[str, Any]:
        return super().config(*CALL, *leave_out)

    def layer(self, keras: Any, **common: Any) -> Any:
        return keras.layers.GroupQueryAttention(**self.config(), **common)

    def shape(
        self, query: Shape, value: Shape | None = None, key: Shape | None = None
    ) -> Shape | list[Shape]:
        query, value, _ = _slots(self, query, value, key)
        if len(query) != 2:
            raise self.refuse(f"{self.kind} takes (steps, channels), received {query}")
        if None not in (query[-1], value[-1]) and query[-1] != value[-1]:
            raise self.refuse(f"query {query} and value {value} differ in channels")
        if not self.return_attention_scores:
            return query
        return [query, (self.num_query_heads, query[0], value[0])]

    def weights(
        self, query: Shape, value: Shape | None = None, key: Shape | None = None
    ) -> dict[str, Weight]:
        query, value, key = _slots(self, query, value, key)
        wide, narrow = (
            (self.num_query_heads, self.head_dim),
            (self.num_key_value_heads, self.head_dim),
        )
        gate = _projection(self, "gate", (query[-1], *wide))
        return {
            **_projection(self, "query", (query[-1], *wide)),
            **_projection(self, "key", (key[-1], *narrow)),
            **(gate if self.use_gate else {}),
            **_projection(self, "value", (value[-1], *narrow)),
            **_projection(self, "attention_output", (*wide, query[-1]), inputs=2),
        }

    def flops(self, query: tuple[int, ...], value: Sizes = None, key: Sizes = None) -> int:
        arrays = self.weights(query, value, key)
        query, value, _ = _slots(self, query, value, key)
        rows, others = query[0], value[0]
        inputs = {"query": rows, "key": others, "value": others, "attention_output": rows}
        projections = sum(_projected(arrays, name, count) for name, count in inputs.items())
        heads = rows * self.num_query_heads
        gate = _projected(arrays, "gate", rows) + heads * self.head_dim * 5 if self.use_gate else 0
        # the scores are scaled, not the query
        return projections + gate + heads * others * (4 * self.head_dim + 1 + SOFTMAX)


def _attended(
    self: Attention | AdditiveAttention, query: Shape, value: Shape | None, key: Shape | None
) -> Shape | list[Shape]:
    query, value, key = _slots(self, query, value, key)
    if None not in (query[-1], key[-1]) and query[-1] != key[-1]:
        raise self.refuse(f"query {query} and key {key} differ in channels")
    output = (*query[:-1], value[-1])
    return [output, (*query[:-1], key[-2])] if self.return_attention_scores else output


@op("dot_attention", "luong_attention", "注意力", category="attention")
class Attention(Op):
    """Weighted means of values by the products of query and key (Luong et al. 2015)."""

    use_scale: bool = attr(
        default=False, doc="whether the scores are multiplied by a learned number"
    )
    score_mode: Literal["dot", "concat"] = attr(default="dot", doc="how query and key are compared")
    dropout: float = attr(default=0.0, doc="share of attention weights dropped", converter=rate)
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    use_causal_mask: bool = attr(default=False, doc="no position looks ahead")
    return_attention_scores: bool = attr(default=False, doc="the weights as a second output")

    reach, call = _whole, _call_with_list

    def config(self, *leave_out: str) -> dict[str, Any]:
        return super().config(*CALL, *leave_out)

    def shape(
        self, query: Shape, value: Shape | None = None, key: Shape | None = None
    ) -> Shape | list[Shape]:
        return _attended(self, query, value, key)

    def weights(self, *inputs: Shape) -> dict[str, Weight]:
        scale = {"scale": Weight((), True, "ones")} if self.use_scale else {}
        mixed = self.score_mode == "concat"
        return scale | ({"concat_score_weight": Weight((), True, "ones")} if mixed else {})

    def flops(self, query: tuple[int, ...], value: Sizes = None, key: Sizes = None) -> int:
        query, value, _ = _slots(self, query, value, key)
        pairs = volume(query[:-1]) * value[-2]
        if self.score_mode == "dot":
            score = 2 * query[-1] + self.use_scale
        else:  # w * sum(tanh(s * (q + k)))
            score = query[-1] * (3 + self.use_scale) + 1
        return pairs * (score + SOFTMAX + 2 * value[-1])


@op("bahdanau_attention", "加性注意力", category="attention")
class AdditiveAttention(Op):
    """Weighted means of values by a learned sum of query and key (Bahdanau et al. 2015)."""

    use_scale: bool = attr(default=True, doc="whether each channel's part of a score is learned")
    dropout: float = attr(default=0.0, doc="share of attention weights dropped", converter=rate)
    seed: int | None = attr(default=None, doc="seed of the dropout masks")
    use_causal_mask: bool = attr(default=False, doc="no position looks ahead")
    return_attention_scores: bool = attr(default=False, doc="the weights as a second output")

    reach, call = _whole, _call_with_list

    def config(self, *leave_out: str) -> dict[str, Any]:
        return super().config(*CALL, *leave_out)

    def shape(
        self, query: Shape, value: Shape | None = None, key: Shape | None = None
    ) -> Shape | list[Shape]:
        return _attended(self, query, value, key)

    def weights(self, query: Shape, *others: Shape) -> dict[str, Weight]:
        return {"scale": Weight(query[-1:], True, "glorot_uniform")} if self.use_scale else {}

    def flops(self, query: tuple[int, ...], value: Sizes = None, key: Sizes = None) -> int:
        query, value, _ = _slots(self, query, value, key)
        score = query[-1] * (4 if self.use_scale else 3)  # sum(s * tanh(q + k))
        return volume(query[:-1]) * value[-2] * (score + SOFTMAX + 2 * value[-1])
