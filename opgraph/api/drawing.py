"""Pictures of a graph, with numbers out of its facts or out of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.record import Record

Reduce = Literal["mean", "max", "last"]
OF_VOLUMES = ("theme", "title", "legend")


def draw(
    analysis: Analysis,
    path: str | Path | None = None,
    *,
    annotate: str | Sequence[str] | None = None,
    color_by: str | None = None,
    record: Record | None = None,
    step: int | None = None,
    reduce: Reduce | None = None,
    style: Literal["boxes", "volume"] = "boxes",
    **options: Any,
) -> str:
    """Draw a graph as SVG.

    Args:
        analysis: the graph and its facts.
        path: where to write it, if anywhere: .svg, .png (two pixels a unit) or .pdf.
        annotate: what stands in the boxes, by name; see `opgraph.render.make_notes`.
        color_by: what colours them, by name.
        record: the run whose quantities are asked for.
        step: at which step of the run.
        reduce: the `last` value, the `mean` or the `max` over its steps; `last` when left out.
        style: `boxes`, or `volume` for stacked volumes from left to right, which have no numbers.
        options: of `opgraph.render.draw_svg`; for volumes theme, title and legend.

    Raises:
        OpgraphError: there is nothing of that name, or both step and reduce are given.
        RunError: the step is not recorded, or the quantity was not measured.
    """
    from opgraph.errors import OpgraphError
    from opgraph.files import write_bytes
    from opgraph.render import checked_suffix, draw_volume_svg, picture_bytes

    if style == "volume" and (annotate or color_by or record):
        raise OpgraphError("volumes have no room for numbers", where="--style volume",
                           hint="leave out --annotate, --color-by and --run")  # fmt: skip
    if step is not None and reduce is not None:
        raise OpgraphError("a single step has nothing to reduce", where="--reduce",
                           hint="give --step or --reduce")  # fmt: skip
    if record is None and (step is not None or reduce is not None):
        raise OpgraphError("a graph has no steps", where="--step" if step else "--reduce",
                           hint="name a recorded training: --run RUN")  # fmt: skip
    if path is not None:
        checked_suffix(Path(path))
    if style == "volume":
        svg = draw_volume_svg(analysis, **{k: v for k, v in options.items() if k in OF_VOLUMES})
    else:
        svg = _boxes(analysis, annotate, color_by, record, step, reduce, options)
    if path is not None:
        write_bytes(Path(path), picture_bytes(svg, Path(path)))
    return svg


def _boxes(
    analysis: Analysis,
    annotate: str | Sequence[str] | None,
    color_by: str | None,
    record: Record | None,
    step: int | None,
    reduce: Reduce | None,
    options: dict[str, Any],
) -> str:
    from opgraph.render import draw_svg, make_notes

    notes = make_notes(
        analysis, annotate, color_by, record=record, step=step, reduce=reduce or "last"
    )
    return draw_svg(analysis, notes=notes, **options)
