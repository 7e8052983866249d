"""A film as a page: the moving picture, held still, with a slider and a button to play it.

The slider sets the time of the picture's own animations; there is nothing else to keep in step.
"""

from __future__ import annotations

import json
from importlib.resources import files

from opgraph.render.film.stills import Film
from opgraph.render.film.weave import write_film
from opgraph.render.page import document, escape
from opgraph.render.theme import ThemeName


def film_page(film: Film, theme: ThemeName = "light") -> str:
    """A film as one HTML file that loads nothing: picture, slider, play button.

    Without scripts it shows the first scene. `#step=120` in the address opens it there.

    Args:
        film: its scenes.
        theme: of the picture, and of the page around it; `print` has a light page.
    """
    title = film.scenes[0].title
    last = len(film.steps) - 1
    body = (
        f"<main>\n{write_film(film, theme, paused=True)}"
        '<form class="player" aria-label="steps of the training">\n'
        '<button type="button" id="play">Play</button>\n'
        f'<input type="range" id="at" min="0" max="{last}" value="0" aria-label="step"'
        f' aria-valuetext="step {film.steps[0]:,}">\n'
        f'<output id="step" for="at">step {film.steps[0]:,}</output>\n'
        f"</form>\n<noscript><p>{escape('The slider needs JavaScript.')}</p></noscript>\n</main>"
    )
    times = {
        "steps": film.steps,
        "starts": [round(start * film.seconds * 1000, 3) for start in film.starts],
        "pause": film.seconds * 1000 * film.starts[1] if last else 0,
    }
    style, code = (_asset(name) for name in ("film.css", "film.js"))
    script = f"const film = {json.dumps(times)};\n{code}"
    ground = "dark" if theme == "dark" else "light"
    page = document(title, body, lang="en", style=style, script=script)
    return page.replace('<html lang="en">', f'<html lang="en" data-theme="{ground}">', 1)


def _asset(name: str) -> str:
    return (files("opgraph.render") / "assets" / name).read_text(encoding="utf-8")
