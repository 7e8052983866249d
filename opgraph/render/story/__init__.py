"""The story of a step as terminal text, as Markdown, and as a page.

Owns how sentences, formulas and checks are laid out; computes nothing.
"""

from opgraph.render.story.html import (
    block_html,
    folded,
    formula_html,
    items_html,
    opening_html,
    to_html,
)
from opgraph.render.story.markdown import to_markdown
from opgraph.render.story.plain import story_data
from opgraph.render.story.text import to_text

__all__ = [
    "block_html",
    "folded",
    "formula_html",
    "items_html",
    "opening_html",
    "story_data",
    "to_html",
    "to_markdown",
    "to_text",
]
