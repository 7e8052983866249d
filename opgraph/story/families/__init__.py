"""The tellers, one file for each family of the op library."""

from opgraph.story.families import (
    activation,
    attention,
    attention_backward,
    convolution,
    dense,
    merge,
    normalization,
    pooling,
    recurrent,
    recurrent_backward,
    regularization,
    shaping,
    source,
)

__all__ = [
    "activation",
    "attention",
    "attention_backward",
    "convolution",
    "dense",
    "merge",
    "normalization",
    "pooling",
    "recurrent",
    "recurrent_backward",
    "regularization",
    "shaping",
    "source",
]
