"""Quantities of runs over their steps: read by name, drawn as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from opgraph.errors import FormatError, RunError

if TYPE_CHECKING:
    from opgraph.api.run import Run
    from opgraph.record import Quantity
    from opgraph.render.curves import Series

Theme = Literal["light", "dark", "print"]
Log = Literal["auto", "on", "off"]
DEFAULT = ("steps.loss", "weight.grad_norm")


def draw_curves(
    runs: Run | Sequence[Run],
    what: str | Sequence[str] | None = None,
    *,
    node: str | None = None,
    steps: range | None = None,
    output: str | Path | None = None,
    theme: Theme = "light",
    log: Log = "auto",
    smooth: int = 1,
    title: str | None = None,
    size: tuple[int, int] | None = None,
) -> list[list[Series]]:
    """Read quantities over the steps of one or more runs, and draw them where `output` is given.

    Args:
        runs: a run, or several to compare.
        what: names of quantities, such as `loss` or `output.rms`; one panel each. Loss and
            gradient norms when left out.
        node: globs over names of nodes or of weights (`conv*/kernel`), joined by commas.
        steps: which steps; all when left out.
        output: a file to draw: .svg, .png or .pdf. Needs matplotlib.
        theme: light, dark, or print in black and white.
        log: a logarithmic axis: on, off, or by the range of the values.
        smooth: also draw the mean over so many steps.
        title: a heading.
        size: width and height in CSS pixels.

    Returns:
        For each quantity its series: `steps` and `values` as arrays.

    Raises:
        RunError: no such quantity, no node matches, or nothing is recorded.
        FormatError: the suffix of `output` is no picture's, or it cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    from opgraph.render.curves import CurveOptions, check_suffix, render_curves

    opened: Sequence[Run] = runs if isinstance(runs, Sequence) else [runs]
    if output is not None:
        check_suffix(Path(output))
    if smooth < 1:
        raise FormatError(f"smooth is a number of steps from 1, received {smooth}")
    words = [what] if isinstance(what, str) else what or _usual(opened)
    panels = read_panels(opened, words, node, steps)
    if output is not None:
        options = CurveOptions(theme, log, smooth, title, size, _positions(opened[0]))
        render_curves(panels, Path(output), options)
    return panels


def _usual(runs: Sequence[Run]) -> list[str]:
    """What is shown unasked, so far as it was measured."""
    known = [set(quantities_of(run)) for run in runs]
    return [word for word in DEFAULT if all(word in names for names in known)]


def quantities_of(run: Run) -> dict[str, Quantity]:
    """What can be asked of a run, by full name."""
    from opgraph.render.curves import catalogue

    return catalogue(run.record)


def read_panels(
    runs: Sequence[Run], what: Sequence[str], node: str | None, steps: range | None
) -> list[list[Series]]:
    """The series of each quantity, of all runs.

    Raises:
        RunError: no such quantity, no node matches, or nothing is recorded.
    """
    from opgraph.render.curves import find_quantity, read_series

    if not runs:
        raise RunError("no run to read")
    known = quantities_of(runs[0])
    for run in runs[1:]:
        known |= quantities_of(run)
    wanted = [find_quantity(word, known, of_nodes=node is not None) for word in what]
    names = _run_names(runs)
    return [
        [
            series
            for run, name in zip(runs, names, strict=True)
            for series in read_series(run.record, quantity, nodes=node, steps=steps, run=name)
        ]
        for quantity in dict.fromkeys(wanted)
    ]


def _run_names(runs: Sequence[Run]) -> list[str]:
    """What the runs are called: the last part of their paths, or more where that is the same."""
    paths = [run.path.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    raise RunError("the same run is named twice", where=str(runs[0].path))


def _positions(run: Run) -> Mapping[str, float]:
    """How far into the network each node is, from 0 to 1."""
    import networkx

    layers = list(cast("Any", networkx).topological_generations(run.graph.inner.nx))
    last = max(1, len(layers) - 1)
    return {node: depth / last for depth, layer in enumerate(layers) for node in layer}
