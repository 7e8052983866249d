"""Where the boxes of a picture go and how the lines between them run.

Knows boxes, wires and their sizes only: not what is drawn in a box, nor networks. `arrange` is the
built-in layered layout; other engines return the same `Layout`.
"""

from opgraph.render.layout.layered import arrange
from opgraph.render.layout.model import Box, Layout, Line, Point, Sketch, Wire
from opgraph.render.layout.ranks import spans

__all__ = ["Box", "Layout", "Line", "Point", "Sketch", "Wire", "arrange", "spans"]
