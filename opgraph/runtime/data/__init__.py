"""The data a network is trained on: read, fitted to its inputs, checked, split and put in batches.

Pure NumPy, no TensorFlow but for `keras.datasets`. Must not know graphs (it is told names, shapes
and types of the inputs), the training loop or the record.
"""

from opgraph.runtime.data.arrays import from_arrays, halves, peek_arrays, recreate_from
from opgraph.runtime.data.augment import (
    CHANGES,
    augment_text,
    augmented,
    change_columns,
    is_picture,
    parse_augment,
)
from opgraph.runtime.data.batches import Batch, batch_count, batches, fingerprint, in_order, take
from opgraph.runtime.data.holdout import hold_out
from opgraph.runtime.data.image_file import read_image
from opgraph.runtime.data.load import load, peek, recreate
from opgraph.runtime.data.order import change_words, permutation
from opgraph.runtime.data.result import (
    Change,
    Data,
    DataFacts,
    InputSpec,
    Kind,
    Split,
    Target,
    TargetSpec,
)
from opgraph.runtime.data.weights import balanced_weights

__all__ = [
    "CHANGES",
    "Batch",
    "Change",
    "Data",
    "DataFacts",
    "InputSpec",
    "Kind",
    "Split",
    "Target",
    "TargetSpec",
    "augment_text",
    "augmented",
    "balanced_weights",
    "batch_count",
    "batches",
    "change_columns",
    "change_words",
    "fingerprint",
    "from_arrays",
    "halves",
    "hold_out",
    "in_order",
    "is_picture",
    "load",
    "parse_augment",
    "peek",
    "peek_arrays",
    "permutation",
    "read_image",
    "recreate",
    "recreate_from",
    "take",
]
