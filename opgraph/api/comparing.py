"""Two graphs or two recorded runs side by side: where they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.api.curves import draw_curves, quantities_of
from opgraph.api.extras import needed_for
from opgraph.api.run import Run
from opgraph.errors import RunError

if TYPE_CHECKING:
    from opgraph.analysis import GraphDiff
    from opgraph.api.graph import Graph
    from opgraph.ops import Shape
    from opgraph.record import RunDiff
    from opgraph.render.curves import Series

MOST_CURVES = 6


def diff(
    left: Any, right: Any, *, output: str | Path | None = None, **options: Any
) -> GraphDiff | RunDiff:
    """Say how two graphs differ in structure, or where two recorded runs begin to differ.

    Args:
        left: a graph or whatever `read` takes; or a `Run`, or the path of one.
        right: another one. A run beside a graph stands for the graph that was trained.
        output: a picture (.svg, .png or .pdf): of graphs both in one; of runs loss and metrics of
            both, which needs matplotlib.
        options: for graphs: `input_shape` and `num_classes` as `Graph.analyze` takes them, `theme`,
            `title` and `fold` of the picture as `opgraph.render.draw_diff_svg` takes them.

    Returns:
        Of graphs, `nodes` with the `changes` of each, `counts` and `equal`. Of runs, `settings`,
        `deviations` (the first differing number of each table, the earliest first), `first`,
        `equal`, and `left_out`, what only one of the two has.

    Raises:
        RunError: one of them is no run, or both are the same.
        OpgraphError: a graph cannot be read.

    >>> from opgraph.api import diff
    >>> found = diff("x: Input(shape=(4,)) -> a: ReLU", "x: Input(shape=(4,)) -> a: ELU")
    >>> [(node.name, change.left, change.right) for node in found.nodes for change in node.changes]
    [('a', 'ReLU', 'ELU')]
    """
    if is_run(left) and is_run(right):
        return _diff_runs(as_run(left), as_run(right), output)
    return diff_of_graphs(graph_of(left), graph_of(right), output=output, **options)


def _diff_runs(left: Run, right: Run, output: str | Path | None) -> RunDiff:
    with needed_for("comparing runs"):
        from opgraph.record import diff_runs

    if left.path.resolve() == right.path.resolve():
        raise RunError("the same run is named twice", where=str(left.path))
    if output is not None:
        figures_of_both(left, right, output)
    return diff_runs(left.record, right.record)


def diff_of_graphs(
    left: Graph,
    right: Graph,
    *,
    output: str | Path | None = None,
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> GraphDiff:
    """How two graphs differ, drawn if `output` is given; see `diff`."""
    from opgraph.analysis import diff_graphs
    from opgraph.files import write_bytes
    from opgraph.render import checked_suffix, draw_diff_svg, picture_bytes

    if output is not None:
        checked_suffix(Path(output))
    found = diff_graphs(*(side.analyze(input_shape, num_classes) for side in (left, right)))
    if output is not None:
        svg = draw_diff_svg(found, **options)
        write_bytes(Path(output), picture_bytes(svg, Path(output)))
    return found


def is_run(given: Any) -> bool:
    """Whether a run is meant: one that is open, or a directory."""
    return isinstance(given, Run) or (isinstance(given, str | Path) and _is_directory(given))


def _is_directory(given: str | Path) -> bool:
    try:
        return Path(given).is_dir()
    except (OSError, ValueError):  # the text of a graph is no path
        return False


def graph_of(given: Any) -> Graph:
    """The graph that is meant, of a run the one that was trained."""
    from opgraph.api.functions import read

    return as_run(given).graph if is_run(given) else read(given)


def as_run(given: Any) -> Run:
    """The run that is meant.

    Raises:
        RunError: no run is recorded there.
    """
    return given if isinstance(given, Run) else Run(given)


def figures_of_both(left: Run, right: Run, output: str | Path | None = None) -> list[list[Series]]:
    """Loss and metrics of two runs, one panel a quantity; drawn if `output` is given.

    They go over the steps that both have.
    """
    found = [run.record.survey.quantities("steps") for run in (left, right)]
    metrics = [{f"steps.{name}" for name in _figures(run)} for run in (left, right)]
    wanted = [
        quantity.full_name
        for quantity in found[0]
        if quantity.full_name in metrics[0] & metrics[1] & set(quantities_of(right))
    ]
    first = max(run.record.info.first_step for run in (left, right)) + 1
    last = min(run.record.last_step for run in (left, right))
    if first > last:
        return []
    steps = range(first, last + 1)
    return draw_curves([left, right], wanted[:MOST_CURVES], steps=steps, output=output)


def _figures(run: Run) -> tuple[str, ...]:
    survey = run.record.survey
    return ("loss", *survey.metrics, *(f"val_{name}" for name in survey.validated))
