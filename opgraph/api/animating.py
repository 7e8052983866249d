"""The picture of a graph over the steps of a training, as a file that moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.api.run import Run
from opgraph.errors import FormatError

if TYPE_CHECKING:
    from opgraph.render.film import Film

QUANTITIES = ("output_grad.norm", "weight.grad_norm", "output.rms")


def animate(
    run: Any,
    output: str | Path,
    *,
    color_by: str | None = None,
    theme: str = "light",
    **options: Any,
) -> Film:
    """Draw the graph of a recorded training over its steps: one picture that moves.

    Layout and colour scale are the same at all steps; step and loss stand above the graph. The
    moving SVG needs no script, shows its first step where motion is not wanted or not known, and
    stays small since only what changes is in it more than once.

    Args:
        run: a `Run`, or the path of one.
        output: the file: .svg, .gif, or .html, a page with a slider.
        color_by: the quantity that colours the boxes; when left out the norm of the gradient at
            each output, or what else was measured.
        theme: `light`, `dark` or `print`.
        options: `annotate`, `frames` (30), `seconds` (12), `direction`, `title`, `fold`, `opened`:
            see `opgraph.render.film.make_film`.

    Returns:
        The film: its `steps`, and a scene for each.

    Raises:
        FormatError: the suffix is none of these.
        OpgraphError: there is nothing of a name, or it is not a number.
        RunError: nothing of it was measured.
        MissingDependencyError: for .gif, CairoSVG or Pillow is not installed.
    """
    from opgraph.files import write_bytes
    from opgraph.render.film import make_film

    path = Path(output)
    write = _writer(path)
    run = run if isinstance(run, Run) else Run(run)
    chosen = color_by or _usual(run)
    film = make_film(run.graph.analyze(), run.record, color_by=chosen, **options)
    write_bytes(path, write(film, theme))
    return film


def _usual(run: Run) -> str:
    """What is coloured unasked: the first of a few quantities that was measured."""
    from opgraph.render.curves import catalogue

    known = catalogue(run.record)
    return next((name for name in QUANTITIES if name in known), QUANTITIES[0])


def _writer(path: Path) -> Callable[[Film, Any], bytes]:
    suffix = path.suffix.lower()
    if suffix in WRITERS:
        return WRITERS[suffix]
    received = f"{path.suffix!r}" if path.suffix else "no suffix"
    raise FormatError(
        f"films are written as {', '.join(WRITERS)}, received {received}",
        where=str(path),
        hint="write a .gif, then: ffmpeg -i film.gif film.mp4" if suffix == ".mp4" else None,
    )


def _svg(film: Film, theme: Any) -> bytes:
    from opgraph.render.film import write_film

    return write_film(film, theme).encode()


def _gif(film: Film, theme: Any) -> bytes:
    from opgraph.render import to_gif
    from opgraph.render.film import write_stills

    return to_gif(write_stills(film, theme), film.starts, film.seconds)


def _html(film: Film, theme: Any) -> bytes:
    from opgraph.render.film import film_page

    return film_page(film, theme).encode()


WRITERS: Mapping[str, Callable[[Film, Any], bytes]] = {".svg": _svg, ".gif": _gif, ".html": _html}
