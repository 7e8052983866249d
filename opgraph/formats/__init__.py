"""Other files than edge lists: JSON, Keras models and source, ONNX, TFLite, GraphML, tensors.

Reads and writes graphs, and writes tensors; must not know how they are drawn, built or trained, and
never executes what it reads. TensorFlow is not needed.
"""

from opgraph.formats.archive import read_keras_file
from opgraph.formats.json import from_json, to_json
from opgraph.formats.keras_config import read_config
from opgraph.formats.keras_loss import CompiledLoss, read_loss
from opgraph.formats.keras_source import to_source
from opgraph.formats.table import FORMATS, Format, read, write
from opgraph.formats.tensor_files import check_tensor_file, write_tensors

__all__ = [
    "FORMATS",
    "CompiledLoss",
    "Format",
    "check_tensor_file",
    "from_json",
    "read",
    "read_config",
    "read_keras_file",
    "read_loss",
    "to_json",
    "to_source",
    "write",
    "write_tensors",
]
