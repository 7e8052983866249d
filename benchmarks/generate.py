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


KINDS: dict[str, Callable[[int], str]] = {"resnet": resnet_like, "hub": hub, "dense": dense}

if __name__ == "__main__":
    sys.stdout.write(KINDS[sys.argv[1]](int(sys.argv[2])))
