"""Whole numbers of a file that stand for others, as those others: (q - zero point) * scale.

A scale for all, or one for each index of an axis. See
https://ai.google.dev/edge/litert/models/quantization_spec
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opgraph.graph import WeightSource


def dequantized(
    source: WeightSource, scales: Sequence[float], zeros: Sequence[int], axis: int
) -> WeightSource:
    """The array as float32, computed when it is read.

    Args:
        source: whole numbers.
        scales: one, or one for each index of the axis.
        zeros: what stands for 0, as many; none at all is 0.
        axis: the axis along which scales differ.

    >>> import numpy as np
    >>> whole = WeightSource("w", (2, 2), "int8", lambda: np.array([[1, 2], [3, 5]], "int8"))
    >>> dequantized(whole, [0.5, 2.0], [1, 0], 0).read().tolist()
    [[0.0, 0.5], [6.0, 10.0]]
    """

    def change(array: Any) -> Any:
        import numpy as np

        shape = [1] * array.ndim
        if len(scales) > 1:
            shape[axis] = len(scales)
        scale = np.asarray(scales, np.float32).reshape(shape)
        zero = np.asarray(zeros or [0] * len(scales), np.float32).reshape(shape)
        return (array.astype(np.float32) - zero) * scale

    return replace(source.changed(source.shape, change), dtype="float32")
