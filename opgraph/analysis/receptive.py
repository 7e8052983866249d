"""How much of the input each node sees.

With window k and stride s on an axis, r' = r + (k - 1) j and j' = j s (Araujo et al. 2019,
Computing Receptive Fields of Convolutional Neural Networks).
"""

from __future__ import annotations

from collections.abc import Sequence

from opgraph.analysis.result import ReceptiveField
from opgraph.ops import POINTWISE, Reach


def receptive_field(
    inputs: Sequence[ReceptiveField | None], reach: Reach | None
) -> ReceptiveField | None:
    """The receptive field of a node from those of its inputs; None where it cannot be said.

    >>> receptive_field([ReceptiveField()], Reach((3, 3), (2, 2)))
    ReceptiveField(size=(3, 3), stride=(2, 2))
    """
    if reach is None or any(field is None for field in inputs):
        return None
    if reach is POINTWISE and len(inputs) == 1:
        return inputs[0]
    before = _merged([field for field in inputs if field is not None])
    if before is None or before.size is None or reach.window is None:
        return None if before is None else ReceptiveField(None)
    if not reach.window:
        return before
    size = before.size or (1,) * len(reach.window)
    stride = before.stride or (1,) * len(reach.window)
    if len(size) != len(reach.window):
        return None
    axes = list(zip(size, stride, reach.window, reach.stride, strict=True))
    return ReceptiveField(
        tuple(r + (k - 1) * j for r, j, k, _ in axes), tuple(j * s for _, j, _, s in axes)
    )


def _merged(fields: list[ReceptiveField]) -> ReceptiveField | None:
    """The smallest field that contains all of them."""
    if len(fields) == 1:
        return fields[0]
    if any(field.size is None for field in fields):
        return ReceptiveField(None)
    shaped = [(field.size, field.stride) for field in fields if field.size]
    if not shaped:
        return ReceptiveField()
    if len({len(size) for size, _ in shaped}) > 1:
        return None
    sizes = tuple(map(max, zip(*(size for size, _ in shaped), strict=True)))
    strides = tuple(map(max, zip(*(stride for _, stride in shaped), strict=True)))
    return ReceptiveField(sizes, strides)
