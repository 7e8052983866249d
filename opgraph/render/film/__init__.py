"""The same picture over the steps of a training: stills, woven into one SVG that moves by itself.

Layout, sizes and scale are the same in all stills. Must not know how a number was measured, nor
how a file format packs pictures.
"""

from opgraph.render.film.page import film_page
from opgraph.render.film.stills import Film, make_film
from opgraph.render.film.weave import write_film, write_stills

__all__ = ["Film", "film_page", "make_film", "write_film", "write_stills"]
