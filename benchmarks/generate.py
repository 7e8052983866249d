"""Edge lists of any size, for benchmarks and tests.

python benchmarks/generate.py resnet 1000 > resnet.txt
"""

from __future__ import annotations

import sys
from collections.abc import Callable

HEAD = "x: Input(shape=(32, 32, 16))"


def resnet_like(nodes: int) -> str:
    """Residual blocks of two convolutions, in stages with twice the channels each."""
    lines, last, count, block = [HEAD], "x", 2, 0
    per_stage = max(1, nodes // (7 * 6))
    filters = 16
    while count + 7 < nodes:
        block += 1
        down = block % per_stage == 0 and filters < 512
        if down:
            filters *= 2
        last = _block(lines, f"b{block}", last, filters, down)
        count += 8 if down else 7
    lines.append(f"{last} -> gap: GlobalAveragePooling2D()")
    return "\n".join(lines) + "\n"


def _block(lines: list[str], p: str, last: str, filters: int, down: bool) -> str:
    stride = ", strides=2" if down else ""
    skip = last
    lines += [
        f"{last} -> {p}_conv1: Conv2D(filters={filters}, kernel_size=3{stride}, use_bias=false)",
        f"{p}_conv1 -> {p}_bn1: BatchNormalization() -> {p}_relu1: ReLU()",
        f"{p}_relu1 -> {p}_conv2: Conv2D(filters={filters}, kernel_size=3, use_bias=false)",
        f"{p}_conv2 -> {p}_bn2: BatchNormalization()",
    ]
    if down:
        skip = f"{p}_proj"
        lines.append(f"{last} -> {skip}: Conv2D(filters={filters}, kernel_size=1{stride})")
    lines.append(f"{p}_bn2, {skip} -> {p}_add: Add() -> {p}_relu2: ReLU()")
    return f"{p}_relu2"


def hub(nodes: int) -> str:
    """A chain in which every second node also reads one and the same node."""
    lines = [HEAD, "x -> hub: Conv2D(filters=16) -> n0: ReLU()"]
    for index in range(1, (nodes - 3) // 2 + 1):
        lines.append(f"n{index - 1} -> r{index}: ReLU()")
        lines.append(f"r{index}, hub -> n{index}: Add()")
    return "\n".join(lines) + "\n"


def dense(nodes: int) -> str:
    """Every layer reads all layers before it (DenseNet without transitions)."""
    lines = [HEAD, "x -> c1: Conv2D(filters=4)"]
    before = ["x", "c1"]
    for index in range(2, (nodes - 2) // 2 + 2):
        lines.append(f"{', '.join(before)} -> cat{index}: Concatenate()")
        lines.append(f"cat{index} -> c{index}: Conv2D(filters=4)")
        before.append(f"c{index}")
    return "\n".join(lines) + "\n"


def resnet50(_: int = 0) -> str:
    """ResNet-50 with Keras's names: bottleneck blocks in four stages."""
    lines = [
        "input: Input(shape=(224, 224, 3)) -> conv1_conv: Conv2D(filters=64, kernel_size=7,"
        " strides=2) -> conv1_bn: BatchNormalization() -> conv1_relu: ReLU()"
        " -> pool1: MaxPooling2D(pool_size=3, strides=2, padding=same)"
    ]
    last = "pool1"
    for stage, (filters, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for block in range(1, blocks + 1):
            stride = 2 if block == 1 and stage > 2 else 1
            name = f"conv{stage}_block{block}"
            last = _bottleneck(lines, name, last, filters, stride, block == 1)
    lines.append(f"{last} -> avg_pool: GlobalAveragePooling2D() -> predictions: Dense(units=1000)")
    return "\n".join(lines) + "\n"


def _bottleneck(
    lines: list[str], p: str, last: str, filters: int, stride: int, project: bool
) -> str:
    skip = last
    if project:
        skip = f"{p}_0_bn"
        lines.append(
            f"{last} -> {p}_0_conv: Conv2D(filters={4 * filters}, kernel_size=1, strides={stride})"
            f" -> {skip}: BatchNormalization()"
        )
    lines.append(
        f"{last} -> {p}_1_conv: Conv2D(filters={filters}, kernel_size=1, strides={stride})"
        f" -> {p}_1_bn: BatchNormalization() -> {p}_1_relu: ReLU()"
        f" -> {p}_2_conv: Conv2D(filters={filters}) -> {p}_2_bn: BatchNormalization()"
        f" -> {p}_2_relu: ReLU() -> {p}_3_conv: Conv2D(filters={4 * filters}, kernel_size=1)"
        f" -> {p}_3_bn: BatchNormalization()"
    )
    lines.append(f"{skip}, {p}_3_bn -> {p}_add: Add() -> {p}_out: ReLU()")
    return f"{p}_out"


def mobilenet_v3(_: int = 0) -> str:
    """MobileNetV3-Large: inverted residuals, squeeze and excitation, hard-swish as a layer."""
    lines = [
        "input: Input(shape=(224, 224, 3)) -> conv: Conv2D(filters=16, strides=2)"
        " -> conv_bn: BatchNormalization() -> conv_act: Activation(activation=hard_swish)"
    ]
    rows = (
        (3, 16, 16, 0, "relu", 1), (3, 64, 24, 0, "relu", 2), (3, 72, 24, 0, "relu", 1),
        (5, 72, 40, 1, "relu", 2), (5, 120, 40, 1, "relu", 1), (5, 120, 40, 1, "relu", 1),
        (3, 240, 80, 0, "hard_swish", 2), (3, 200, 80, 0, "hard_swish", 1),
        (3, 184, 80, 0, "hard_swish", 1), (3, 184, 80, 0, "hard_swish", 1),
        (3, 480, 112, 1, "hard_swish", 1), (3, 672, 112, 1, "hard_swish", 1),
        (5, 672, 160, 1, "hard_swish", 2), (5, 960, 160, 1, "hard_swish", 1),
        (5, 960, 160, 1, "hard_swish", 1),
    )  # fmt: skip
    last, channels = "conv_act", 16
    for number, (kernel, wide, out, excite, act, stride) in enumerate(rows):
        p = f"block_{number}"
        inner = last
        if wide != channels:
            lines.append(f"{last} -> {p}_expand: Conv2D(filters={wide}, kernel_size=1)"
                         f" -> {p}_expand_bn: BatchNormalization()"
                         f" -> {p}_expand_act: Activation(activation={act})")  # fmt: skip
            inner = f"{p}_expand_act"
        lines.append(f"{inner} -> {p}_dw: DepthwiseConv2D(kernel_size={kernel}, strides={stride})"
                     f" -> {p}_dw_bn: BatchNormalization()"
                     f" -> {p}_dw_act: Activation(activation={act})")  # fmt: skip
        inner = f"{p}_dw_act"
        if excite:
            lines.append(f"{inner} -> {p}_squeeze: GlobalAveragePooling2D(keepdims=true)"
                         f" -> {p}_fc1: Conv2D(filters={wide // 4}, kernel_size=1)"
                         f" -> {p}_fc1_act: ReLU()"
                         f" -> {p}_fc2: Conv2D(filters={wide}, kernel_size=1)"
                         f" -> {p}_fc2_act: Activation(activation=hard_sigmoid)")  # fmt: skip
            lines.append(f"{inner}, {p}_fc2_act -> {p}_scale: Multiply()")
            inner = f"{p}_scale"
        lines.append(f"{inner} -> {p}_project: Conv2D(filters={out}, kernel_size=1)"
                     f" -> {p}_project_bn: BatchNormalization()")  # fmt: skip
        inner = f"{p}_project_bn"
        if stride == 1 and out == channels:
            lines.append(f"{last}, {inner} -> {p}_add: Add()")
            inner = f"{p}_add"
        last, channels = inner, out
    lines.append(f"{last} -> conv_1: Conv2D(filters=960, kernel_size=1)"
                 " -> conv_1_bn: BatchNormalization()"
                 " -> conv_1_act: Activation(activation=hard_swish)"
                 " -> pool: GlobalAveragePooling2D() -> conv_2: Dense(units=1280)"
                 " -> conv_2_act: Activation(activation=hard_swish) -> dropout: Dropout(rate=0.2)"
                 " -> logits: Dense(units=1000)")  # fmt: skip
    return "\n".join(lines) + "\n"


def transformer(blocks: int = 12) -> str:
    """An encoder of pre-norm blocks: attention and a feed-forward part, each with a skip."""
    lines = ["tokens: Input(shape=(128,)) -> embed: Embedding(input_dim=30000, output_dim=256)"]
    last = "embed"
    for number in range(1, blocks + 1):
        p = f"block_{number}"
        lines += [
            f"{last} -> {p}_norm1: LayerNormalization()",
            f"{p}_norm1, {p}_norm1 -> {p}_attention: MultiHeadAttention(num_heads=8, key_dim=32)"
            f" -> {p}_drop1: Dropout(rate=0.1)",
            f"{last}, {p}_drop1 -> {p}_add1: Add() -> {p}_norm2: LayerNormalization()"
            f" -> {p}_up: Dense(units=1024) -> {p}_gelu: GELU() -> {p}_down: Dense(units=256)"
            f" -> {p}_drop2: Dropout(rate=0.1)",
            f"{p}_add1, {p}_drop2 -> {p}_add2: Add()",
        ]
        last = f"{p}_add2"
    lines.append(f"{last} -> norm: LayerNormalization() -> pool: GlobalAveragePooling1D()"
                 " -> logits: Dense(units=2)")  # fmt: skip
    return "\n".join(lines) + "\n"


KINDS: dict[str, Callable[[int], str]] = {
    "resnet": resnet_like,
    "hub": hub,
    "dense": dense,
    "resnet50": resnet50,
    "mobilenet_v3": mobilenet_v3,
    "transformer": transformer,
}

if __name__ == "__main__":
    sys.stdout.write(KINDS[sys.argv[1]](int(sys.argv[2])))
