"""The tellers, one file for each family of the op library."""

from opgraph.story.families import (
    activation,
    convolution,
    dense,
    merge,
    normalization,
    pooling,
    regularization,
    shaping,
    source,
)

__all__ = [
    "activation",
    "convolution",
    "dense",
    "merge",
    "normalization",
    "pooling",
    "regularization",
    "shaping",
    "source",
]
