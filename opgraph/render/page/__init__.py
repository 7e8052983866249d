"""The shell of every HTML page of opgraph: one file that needs nothing else and loads nothing.

Owns the document around a body, its security policy, and the style that all pages share; must not
know what a page tells.
"""

from opgraph.render.page.shell import document, themed
from opgraph.render.svg import escape

__all__ = ["document", "escape", "themed"]
