"""Notes: numbers that are written into the boxes of a picture, or colour them.

Takes them from the facts of a graph or from a recorded training, by name. Must not know how boxes
are drawn.
"""

from opgraph.render.notes.choose import make_film_notes, make_notes
from opgraph.render.notes.model import Annotation, Notes, Part

__all__ = ["Annotation", "Notes", "Part", "make_film_notes", "make_notes"]
