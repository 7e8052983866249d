"""Setting examples aside for validation.

Owns which of the training examples they are; must not know how they are used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.order import stratified
from opgraph.runtime.data.result import Array, Split, Target


def hold_out(
    split: Split, targets: Sequence[Target], share: float, seed: int
) -> tuple[Split, Split]:
    """What is left to train on, and what is set aside: the same share of each class.

    Args:
        split: the examples.
        targets: what each array of labels is; the first one of single classes decides.
        share: of the examples that are set aside, between 0 and 1.
        seed: of the training.

    Raises:
        DataError: there are not two examples.

    >>> examples = Split((np.arange(8),), (np.array([0, 1] * 4),))
    >>> hold_out(examples, [Target("y", "classes", ())], 0.25, seed=0)[1].inputs[0].tolist()
    [1, 6]
    """
    if split.size < 2:
        raise DataError(f"{split.size} examples cannot be divided for validation")
    classes = np.zeros(split.size, np.int32)
    for target, labels in zip(targets, split.labels, strict=False):
        if target.kind == "classes" and labels.ndim == 1:
            classes = labels
            break
    kept, aside = stratified(classes, share, seed)
    return _chosen(split, kept), _chosen(split, aside)


def _chosen(split: Split, indices: Array) -> Split:
    return Split(
        tuple(array[indices] for array in split.inputs),
        tuple(array[indices] for array in split.labels),
    )
