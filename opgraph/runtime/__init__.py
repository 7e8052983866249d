"""Everything that trains: the Keras model of a graph, and the measured step.

The only package that imports TensorFlow and Keras; must not know files of other formats, pictures
or the command line.
"""

from opgraph.runtime.build import Built, build, node_names
from opgraph.runtime.names import NodeNames

__all__ = ["Built", "NodeNames", "build", "node_names"]
