"""Weights that make rare classes count as much as frequent ones.

Owns this computation only.
"""

from __future__ import annotations

import numpy as np

from opgraph.runtime.data.result import Array


def balanced_weights(labels: Array) -> dict[int, float]:
    """The weight of each class that occurs: labels / (classes that occur x labels of the class).

    All classes together then weigh as much as before, and each as much as any other.

    >>> balanced_weights(np.array([0, 0, 0, 2]))
    {0: 0.6666666666666666, 2: 2.0}
    """
    classes, counts = np.unique(labels, return_counts=True)
    weights = labels.size / (len(classes) * counts)
    return {int(label): float(weight) for label, weight in zip(classes, weights, strict=True)}
