"""One row or more for every op of the library: attribute grids and the inputs they are tried on.

`SHAPED` rows state the output by hand; all rows are compared with Keras where it is installed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from opgraph.ops.contract import Case

LAST, FIRST = "channels_last", "channels_first"


def grid(inputs: list[tuple[int, ...]], **lists: list[Any]) -> list[Case]:
    """A case for each combination of the listed values."""
    keys = list(lists)
    return [
        Case(dict(zip(keys, values, strict=True)), inputs)
        for values in itertools.product(*lists.values())
    ]


def each(*rows: tuple[dict[str, Any], list[tuple[int, ...]]]) -> list[Case]:
    """A case for each row of attributes and inputs."""
    return [Case(attrs, inputs) for attrs, inputs in rows]


SEQUENCE, IMAGE, VOLUME = (7, 4), (7, 6, 4), (5, 6, 5, 4)
MAPS = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}


def first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The same map with its channels in front."""
    return (shape[-1], *shape[:-1])


def convolution(rank: int, **more: list[Any]) -> list[Case]:
    """Kernels, strides, paddings, gaps, groups and bias of a convolution."""
    padding = ["same", "valid", "causal"] if rank == 1 else ["same", "valid"]
    wide = tuple(range(2, 2 + rank))
    strided = grid(
        [MAPS[rank]],
        filters=[2],
        kernel_size=[1, 3, wide],
        strides=[1, 2, (*(1 for _ in range(rank - 1)), 3)],
        padding=padding,
    )
    gaps = grid([MAPS[rank]], filters=[4], kernel_size=[2], dilation_rate=[2], padding=padding)
    grouped = grid(
        [MAPS[rank]], filters=[6], groups=[1, 2], use_bias=[True, False], activation=[None, "relu"]
    )
    turned = grid([first(MAPS[rank])], filters=[2], data_format=[FIRST], padding=padding)
    return strided + gaps + grouped + turned


def transposed(rank: int) -> list[Case]:
    wide = tuple(range(2, 2 + rank))
    strided = grid(
        [MAPS[rank]],
        filters=[2],
        kernel_size=[1, 3, wide],
        strides=[1, 2, 3],
        padding=["same", "valid"],
        use_bias=[True, False],
    )
    added = grid(
        [MAPS[rank]],
        filters=[2],
        kernel_size=[3],
        strides=[3],
        output_padding=[0, 1, 2],
        padding=["same", "valid"],
    ) + grid([MAPS[rank]], filters=[2], kernel_size=[4], strides=[3], output_padding=[1, 2])
    gaps = grid([MAPS[rank]], filters=[2], dilation_rate=[2], padding=["same", "valid"])
    turned = grid([first(MAPS[rank])], filters=[3], data_format=[FIRST], activation=["elu"])
    return strided + added + gaps + turned


def depthwise(rank: int, **required: list[Any]) -> list[Case]:
    slid = grid(
        [MAPS[rank]],
        **required,
        kernel_size=[2, 3],
        strides=[1, 2],
        padding=["same", "valid"],
        depth_multiplier=[1, 3],
    )
    gaps = grid([MAPS[rank]], **required, dilation_rate=[2], use_bias=[False], activation=["silu"])
    turned = grid([first(MAPS[rank])], **required, data_format=[FIRST], depth_multiplier=[2])
    return slid + gaps + turned


def pools(rank: int) -> list[Case]:
    slid = grid(
        [MAPS[rank]],
        pool_size=[2, 3, tuple(range(1, 1 + rank))],
        strides=[None, 1, 2],
        padding=["same", "valid"],
    )
    return slid + grid([first(MAPS[rank])], data_format=[FIRST], padding=["same", "valid"])


def global_pools(rank: int) -> list[Case]:
    return grid([MAPS[rank]], keepdims=[False, True]) + grid(
        [first(MAPS[rank])], keepdims=[False, True], data_format=[FIRST]
    )


def adaptive_pools(rank: int) -> list[Case]:
    return grid([MAPS[rank]], output_size=[1, 2, 3, tuple(range(2, 2 + rank))]) + grid(
        [first(MAPS[rank])], output_size=[2], data_format=[FIRST]
    )


def merges() -> list[Case]:
    return each(
        ({}, [(4, 3), (4, 3)]),
        ({}, [(4, 3), (1, 3)]),
        ({}, [(1, 1, 3), (4, 5, 3)]),
        ({}, [(4, 5, 3), (3,)]),
        ({}, [(3,), (3,)]),
    )


def more_merges() -> list[Case]:
    return [*merges(), *each(({}, [(4, 3), (4, 1), (1, 3)]), ({}, [(2,), (2,), (2,), (2,)]))]


def plain(*shapes: tuple[int, ...]) -> list[Case]:
    return [Case({}, [shape]) for shape in shapes or ((3,), (4, 3), (5, 4, 3))]


def recurrent(**more: list[Any]) -> list[Case]:
    sizes = grid([(5, 3)], units=[1, 4], use_bias=[True, False], return_sequences=[True, False])
    ports = grid([(5, 3)], units=[2], return_state=[True], return_sequences=[True, False])
    ways = grid([(5, 3)], units=[2], go_backwards=[True], unroll=[True, False], activation=["relu"])
    masks = grid([(5, 3)], units=[2], dropout=[0.5], recurrent_dropout=[0.5], seed=[1])
    return sizes + ports + ways + masks + (grid([(5, 3)], units=[3], **more) if more else [])


def started(states: int) -> list[Case]:
    """With initial states on further slots."""
    return [
        Case({"units": 4, "return_state": back}, [(5, 3), *[(4,)] * states])
        for back in (True, False)
    ]


def attends(**attrs: list[Any]) -> list[Case]:
    ways: list[list[tuple[int, ...]]] = [
        [(6, 8)],
        [(6, 8), (4, 8)],
        [(6, 8), (4, 8), (4, 8)],
    ]
    return [case for inputs in ways for case in grid(inputs, **attrs)]


LSTM = {"class_name": "LSTM", "config": {"units": 3, "return_sequences": True}}
GRU = {"class_name": "GRU", "config": {"units": 3, "return_state": True, "use_bias": False}}
RNN = {"class_name": "SimpleRNN", "config": {"units": 3}}
NORMS = [(6,), (5, 6), (3, 5, 6)]

CASES: dict[str, list[Case]] = {
    "Input": grid([], shape=[(4,), (8, 8, 3), (None, 5), ()]),
    "Opaque": grid([], class_name=["Strange"], output=[(3,), None], arrays=[{"w": [3, 4]}]),
    "Conv1D": convolution(1),
    "Conv2D": convolution(2),
    "Conv3D": convolution(3),
    "Conv1DTranspose": transposed(1),
    "Conv2DTranspose": transposed(2),
    "Conv3DTranspose": transposed(3),
    "DepthwiseConv1D": depthwise(1),
    "DepthwiseConv2D": depthwise(2),
    "SeparableConv1D": depthwise(1, filters=[5]),
    "SeparableConv2D": depthwise(2, filters=[5]),
    "Dense": grid([(6,)], units=[1, 5], use_bias=[True, False], activation=[None, "softmax"])
    + grid([(4, 6)], units=[3])
    + grid([(2, 4, 6)], units=[3], activation=["gelu"]),
    "EinsumDense": each(
        ({"equation": "ab,bc->ac", "output_shape": 5, "bias_axes": "c"}, [(6,)]),
        ({"equation": "ab,bc->ac", "output_shape": 5, "activation": "relu"}, [(6,)]),
        ({"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d"}, [(4, 6)]),
        ({"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"}, [(4, 6)]),
        ({"equation": "abc,cde->abde", "output_shape": (4, 2, 3), "bias_axes": "e"}, [(4, 6)]),
        ({"equation": "abc,cde->abde", "output_shape": (4, 2, 3), "bias_axes": "be"}, [(4, 6)]),
        ({"equation": "abcd,cde->abe", "output_shape": (None, 7), "bias_axes": "e"}, [(4, 6, 5)]),
        ({"equation": "...x,xy->...y", "output_shape": 5, "bias_axes": "y"}, [(4, 6)]),
        ({"equation": "...x,xy->...y", "output_shape": 5}, [(6,)]),
        ({"equation": "ab...,bc->ac...", "output_shape": 5, "bias_axes": "c"}, [(6, 4, 3)]),
        ({"equation": "abc,bd->adc", "output_shape": (5, 6), "bias_axes": "dc"}, [(4, 6)]),
    ),
    "Embedding": grid([(5,)], input_dim=[11], output_dim=[1, 4], mask_zero=[False, True])
    + grid([(3, 5)], input_dim=[7], output_dim=[2]),
    "BatchNormalization": [
        case for shape in NORMS for case in grid([shape], center=[True, False], scale=[True, False])
    ]
    + grid([(3, 5, 6)], axis=[1, 2, 3, -1, -2], momentum=[0.9])
    + grid([(5, 6)], renorm=[True]),
    "LayerNormalization": [
        case for shape in NORMS for case in grid([shape], center=[True, False], scale=[True, False])
    ]
    + grid([(3, 5, 6)], axis=[1, -1, [-1], [1, 2], [-1, -2], [3, 1]]),
    "GroupNormalization": [
        case for shape in [(4, 6), (3, 4, 6)] for case in grid([shape], groups=[1, 2, 6, -1])
    ]
    + grid([(6, 4)], axis=[1], groups=[3], center=[False, True], scale=[False, True]),
    "UnitNormalization": [Case({}, [shape]) for shape in NORMS]
    + grid([(3, 5, 6)], axis=[1, [1, 2]]),
    "RMSNormalization": [Case({}, [shape]) for shape in NORMS]
    + grid([(3, 5, 6)], axis=[-1, [2, 3]], epsilon=[1e-3]),
    "LayerScale": grid([(3, 5, 6)], projection_dim=[6], init_values=[1e-6, 0.5])
    + grid([(6,)], projection_dim=[6]),
    "ReLU": plain() + grid([(4, 3)], max_value=[None, 6.0], negative_slope=[0.0, 0.1]),
    "LeakyReLU": plain() + grid([(4, 3)], negative_slope=[0.01]),
    "PReLU": plain() + grid([(5, 4, 3)], shared_axes=[None, 1, [1, 2], [3]]),
    "ELU": plain() + grid([(4, 3)], alpha=[0.5]),
    "Softmax": plain() + grid([(5, 4, 3)], axis=[-1, 1, 2, [1, 2]]),
    "Activation": grid(
        [(5, 4)],
        activation=[
            *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "sigmoid", "silu", "swish"),
            *("tanh", "gelu", "softplus", "softsign", "mish", "exponential", "hard_sigmoid"),
            *("hard_silu", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus"),
            *("sparse_plus", "sparse_sigmoid", "softmax", "log_softmax", "log_sigmoid", "linear"),
            *("sparsemax",),
        ],
    ),
    **{
        kind: plain()
        for kind in (
            *("Sigmoid", "Tanh", "GELU", "SiLU", "SELU", "CELU", "ReLU6", "Softplus", "Softsign"),
            *("HardSigmoid", "HardSiLU", "HardTanh", "HardShrink", "SoftShrink", "TanhShrink"),
            *("Mish", "Exponential", "Squareplus", "SparsePlus", "SparseSigmoid", "LogSigmoid"),
            *("LogSoftmax", "Sparsemax", "Identity"),
        )
    },
    **{f"{mode}Pooling{rank}D": pools(rank) for mode in ("Max", "Average") for rank in MAPS},
    **{
        f"Global{mode}Pooling{rank}D": global_pools(rank)
        for mode in ("Max", "Average")
        for rank in MAPS
    },
    **{
        f"Adaptive{mode}Pooling{rank}D": adaptive_pools(rank)
        for mode in ("Max", "Average")
        for rank in MAPS
    },
    "Add": more_merges(),
    "Multiply": more_merges(),
    "Average": more_merges(),
    "Maximum": more_merges(),
    "Minimum": more_merges(),
    "Subtract": merges(),
    "Concatenate": each(
        ({}, [(4, 3), (4, 2)]),
        ({"axis": 1}, [(4, 3), (2, 3), (1, 3)]),
        ({"axis": -2}, [(5, 4, 3), (5, 1, 3)]),
        ({"axis": 3}, [(5, 4, 3), (5, 4, 1)]),
        ({}, [(3,), (2,)]),
    ),
    "Dot": each(
        ({"axes": 1}, [(5,), (5,)]),
        ({"axes": -1, "normalize": True}, [(5,), (5,)]),
        ({"axes": (2, 2)}, [(4, 5), (3, 5)]),
        ({"axes": (1, 2)}, [(5, 4), (3, 5)]),
        ({"axes": 2, "normalize": True}, [(4, 5), (3, 5)]),
        ({"axes": (2, 1)}, [(4, 5), (5, 3)]),
    ),
    "Flatten": plain((), (3,), (4, 3), (5, 4, 3)) + grid([(3, 4, 5)], data_format=[FIRST]),
    "Reshape": [
        Case({"target_shape": target}, [(4, 6)])
        for target in [(24,), (-1,), (2, 12), (6, -1), (2, 3, 4), (-1, 2, 2), 24]
    ],
    "Permute": each(
        ({"dims": (2, 1)}, [(4, 6)]), ({"dims": (3, 1, 2)}, [(4, 6, 2)]), ({"dims": (1,)}, [(4,)])
    ),
    "RepeatVector": grid([(4,)], n=[1, 3]),
    "ZeroPadding1D": grid([SEQUENCE], padding=[0, 1, (1, 2)])
    + grid([first(SEQUENCE)], data_format=[FIRST]),
    "ZeroPadding2D": grid([IMAGE], padding=[1, (1, 2), ((0, 1), (2, 3))])
    + grid([first(IMAGE)], data_format=[FIRST]),
    "ZeroPadding3D": grid([VOLUME], padding=[1, (1, 2, 0), ((0, 1), (2, 3), (1, 1))])
    + grid([first(VOLUME)], data_format=[FIRST]),
    "Cropping1D": grid([SEQUENCE], cropping=[0, 1, (1, 2)]),
    "Cropping2D": grid([IMAGE], cropping=[0, 1, (1, 2), ((0, 1), (2, 3))])
    + grid([first(IMAGE)], data_format=[FIRST], cropping=[1]),
    "Cropping3D": grid([VOLUME], cropping=[1, (1, 2, 0), ((0, 1), (2, 3), (1, 1))])
    + grid([first(VOLUME)], data_format=[FIRST], cropping=[1]),
    "UpSampling1D": grid([SEQUENCE], size=[1, 2, 3]),
    "UpSampling2D": grid([IMAGE], size=[2, (1, 3)], interpolation=["nearest", "bilinear"])
    + grid([IMAGE], interpolation=["bicubic", "lanczos3", "lanczos5"])
    + grid([first(IMAGE)], data_format=[FIRST]),
    "UpSampling3D": grid([VOLUME], size=[2, (1, 3, 2)])
    + grid([first(VOLUME)], data_format=[FIRST]),
    "Dropout": plain() + grid([(4, 3)], rate=[0.0, 0.3], noise_shape=[(None, 1, 3)], seed=[1]),
    "AlphaDropout": plain() + grid([(4, 3)], rate=[0.3], noise_shape=[(None, 1, 3)], seed=[1]),
    "GaussianDropout": plain() + grid([(4, 3)], rate=[0.3], seed=[1]),
    "GaussianNoise": grid([(4, 3)], stddev=[0.1, 0], seed=[None, 1]),
    "SpatialDropout1D": plain(SEQUENCE) + grid([SEQUENCE], rate=[0.3]),
    "SpatialDropout2D": plain(IMAGE) + grid([IMAGE], rate=[0.3], data_format=[FIRST, LAST]),
    "SpatialDropout3D": plain(VOLUME) + grid([VOLUME], rate=[0.3], data_format=[FIRST, LAST]),
    "StochasticDepth": grid([(5, 4, 3)], drop_path_rate=[0.0, 0.2]),
    "ActivityRegularization": plain() + grid([(4, 3)], l1=[0.1], l2=[0.0, 0.2]),
    "Masking": plain(SEQUENCE) + grid([SEQUENCE], mask_value=[-1.0]),
    "SimpleRNN": recurrent() + started(1),
    "LSTM": recurrent(unit_forget_bias=[False], recurrent_activation=["hard_sigmoid"]) + started(2),
    "GRU": recurrent(reset_after=[False, True], use_bias=[True, False]) + started(1),
    "Bidirectional": grid([(5, 3)], layer=[LSTM, GRU, RNN], merge_mode=["concat", "sum", None])
    + grid([(5, 3)], layer=[LSTM], merge_mode=["mul", "ave"])
    + each(
        ({"layer": LSTM}, [(5, 3), (3,), (3,), (3,), (3,)]),
        (
            {
                "layer": RNN,
                "backward_layer": {
                    "class_name": "SimpleRNN",
                    "config": {"units": 3, "go_backwards": True, "use_bias": False},
                },
            },
            [(5, 3)],
        ),
    ),
    "TimeDistributed": each(
        ({"layer": {"class_name": "Dense", "config": {"units": 2}}}, [(5, 3)]),
        ({"layer": {"class_name": "Conv2D", "config": {"filters": 2}}}, [(5, 6, 6, 3)]),
        ({"layer": {"class_name": "Flatten", "config": {}}}, [(5, 6, 3)]),
        ({"layer": {"class_name": "BatchNormalization", "config": {}}}, [(5, 6, 3)]),
        ({"layer": {"class_name": "LSTM", "config": {"units": 2}}}, [(5, 6, 3)]),
    ),
    "SpectralNormalization": each(
        ({"layer": {"class_name": "Dense", "config": {"units": 2}}}, [(3,)]),
        ({"layer": {"class_name": "Conv2D", "config": {"filters": 2}}}, [(6, 6, 3)]),
        (
            {"layer": {"class_name": "Conv1D", "config": {"filters": 2, "use_bias": False}}},
            [(6, 3)],
        ),
        ({"layer": {"class_name": "DepthwiseConv2D"}, "power_iterations": 2}, [(6, 6, 3)]),
    ),
    "MultiHeadAttention": attends(num_heads=[1, 2], key_dim=[3], value_dim=[None, 5])
    + attends(num_heads=[2], key_dim=[4], use_bias=[False], output_shape=[None, 7])
    + attends(num_heads=[2], key_dim=[4], return_attention_scores=[True], dropout=[0.1])
    + grid([(6, 8)], num_heads=[2], key_dim=[4], use_gate=[True], use_causal_mask=[True, False])
    + grid([(6, 8)], num_heads=[2], key_dim=[4], sliding_window=[2], seed=[3])
    + grid(
        [(3, 4, 8)],
        num_heads=[2],
        key_dim=[4],
        attention_axes=[None, 1, 2, (1, 2)],
        return_attention_scores=[False, True],
    ),
    "GroupedQueryAttention": attends(
        head_dim=[3], num_query_heads=[4], num_key_value_heads=[1, 2, 4], use_bias=[True, False]
    )
    + grid(
        [(6, 8)],
        head_dim=[3],
        num_query_heads=[4],
        num_key_value_heads=[2],
        use_gate=[True],
        return_attention_scores=[True, False],
    ),
    "Attention": attends(use_scale=[True, False], score_mode=["dot", "concat"])
    + attends(return_attention_scores=[True], use_causal_mask=[True]),
    "AdditiveAttention": attends(use_scale=[True, False], return_attention_scores=[True, False]),
    "Rescaling": grid([(4, 5, 3)], scale=[2, (1.0, 2.0, 3.0)], offset=[-1, 0.5, (1.0, 2.0, 3.0)]),
    "Normalization": plain()
    + grid([(5, 4, 3)], axis=[-1, 1, (1, 2), None], invert=[False, True])
    + grid([(5, 3)], mean=[(1.0, 2.0, 3.0)], variance=[(1.0, 2.0, 3.0)])
    + grid([(5, 3)], mean=[1.0], variance=[2.0]),
    "Resizing": grid([IMAGE], height=[4, 14], width=[3], interpolation=["nearest", "bilinear"])
    + grid([IMAGE], height=[4], width=[4], crop_to_aspect_ratio=[True])
    + grid([IMAGE], height=[4], width=[4], pad_to_aspect_ratio=[True], antialias=[True]),
    "CenterCrop": grid([IMAGE], height=[4, 7, 9], width=[3]),
}


def rows() -> Iterator[tuple[str, Case]]:
    """All cases, with the op that each belongs to."""
    for kind, cases in CASES.items():
        for case in cases:
            yield kind, case
