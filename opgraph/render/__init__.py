"""Pictures and tables of graphs.

Turns facts into scenes, scenes into SVG, and facts into tables for terminals. Must not compute
anything about networks, nor know TensorFlow.
"""

from opgraph.render.draw import draw_scene, draw_svg, to_graphviz

__all__ = ["draw_scene", "draw_svg", "to_graphviz"]
