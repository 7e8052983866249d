"""Graphs of TensorFlow read as data: SavedModel folders, frozen `.pb`, `.pbtxt`; never executed.

Operations become the ops that they were: a `Conv2D` and its `BiasAdd` one convolution, the `Mul`,
`Rsqrt` and `AddV2` that a batch normalisation is written as one `BatchNormalization`. With `raw`
each operation is a node. TensorFlow is not needed.
"""

from opgraph.formats.graphdef.assemble import read_pb_file, read_saved_model_folder
from opgraph.formats.graphdef.messages import is_saved_model

__all__ = ["is_saved_model", "read_pb_file", "read_saved_model_folder"]
