"""A lesson as a page: what stands where, and which tables are shown.

Owns the order of the page and the look of questions; how a story is drawn is `render.story`'s to
know. Computes nothing.
"""

from opgraph.render.lesson.page import Sheet, lesson_html

__all__ = ["Sheet", "lesson_html"]
