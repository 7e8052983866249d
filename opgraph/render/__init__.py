"""Pictures and tables of graphs.

Turns facts into scenes, scenes into SVG, and facts into tables for terminals. Must not compute
anything about networks, nor know TensorFlow.
"""

from opgraph.render.columns import TextTable, text_table
from opgraph.render.diff_table import diff_table
from opgraph.render.differences import draw_diff_scene, draw_diff_svg, params_of, summary
from opgraph.render.draw import (
    Direction,
    EdgeShapes,
    EngineName,
    draw_scene,
    draw_svg,
    draw_volume_svg,
    to_graphviz,
)
from opgraph.render.findings import findings_table
from opgraph.render.notes import Notes, make_notes
from opgraph.render.op_pages import op_page, ops_table
from opgraph.render.printing import checked_suffix, picture_bytes, to_gif
from opgraph.render.rule_pages import rule_page, rules_index
from opgraph.render.table import facts_table
from opgraph.render.theme import ThemeName
from opgraph.render.tiles import Tiles, make_tiles
from opgraph.render.window import mark_window
from opgraph.render.wording import count_text, shape_text, si_text

__all__ = [
    "Direction",
    "EdgeShapes",
    "EngineName",
    "Notes",
    "TextTable",
    "ThemeName",
    "Tiles",
    "checked_suffix",
    "count_text",
    "diff_table",
    "draw_diff_scene",
    "draw_diff_svg",
    "draw_scene",
    "draw_svg",
    "draw_volume_svg",
    "facts_table",
    "findings_table",
    "make_notes",
    "make_tiles",
    "mark_window",
    "op_page",
    "ops_table",
    "params_of",
    "picture_bytes",
    "rule_page",
    "rules_index",
    "shape_text",
    "si_text",
    "summary",
    "text_table",
    "to_gif",
    "to_graphviz",
]
