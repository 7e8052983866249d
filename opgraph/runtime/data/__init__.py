"""The data a network is trained on: read, fitted to its inputs, checked, split and put in batches.

Pure NumPy, no TensorFlow but for `keras.datasets`. Must not know graphs (it is told names, shapes
and types of the inputs), the training loop or the record.
"""

from opgraph.runtime.data.batches import Batch, batch_count, batches, fingerprint, in_order, take
from opgraph.runtime.data.image_file import read_image
from opgraph.runtime.data.load import load, peek, recreate
from opgraph.runtime.data.order import permutation
from opgraph.runtime.data.result import Data, DataFacts, InputSpec, Split

__all__ = [
    "Batch",
    "Data",
    "DataFacts",
    "InputSpec",
    "Split",
    "batch_count",
    "batches",
    "fingerprint",
    "in_order",
    "load",
    "peek",
    "permutation",
    "read_image",
    "recreate",
    "take",
]
