"""An independent opinion: forward, backward and update of the op library, in NumPy and float64.

Written to be read; each formula says where it comes from. Knows ops, but neither graphs nor records
nor TensorFlow, against which it is tested.
"""

from opgraph.reference import losses, optimizers
from opgraph.reference.computed import Array, Computed, Given, Pulled
from opgraph.reference.losses import Loss, compute_loss, penalty
from opgraph.reference.optimizers import (
    Update,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    update,
)
from opgraph.reference.registry import compute, has_reference, missing, reference

__all__ = [
    "Array",
    "Computed",
    "Given",
    "Loss",
    "Pulled",
    "Update",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "compute",
    "compute_loss",
    "has_reference",
    "losses",
    "missing",
    "optimizers",
    "penalty",
    "reference",
    "update",
]
