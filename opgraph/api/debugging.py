"""The debugger in Python: a session over a graph that is trained now, or over a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.api.data import prepare
from opgraph.api.extras import needed_runtime
from opgraph.api.functions import read
from opgraph.api.graph import Graph
from opgraph.api.replaying import data_again
from opgraph.api.run import Run
from opgraph.errors import TraceError

if TYPE_CHECKING:
    from opgraph.ops import Shape
    from opgraph.runtime.debugger import Progress as SessionProgress
    from opgraph.runtime.debugger import Session


def debug(
    graph_or_run: Any,
    data: Any = "digits",
    *,
    settings: Sequence[str] = (),
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
    progress: SessionProgress | None = None,
    **recipe: Any,
) -> Session:
    """Debug a training: step, stop where a condition holds, go back, look at any number.

    A graph is trained in memory as far as the session goes; nothing is written. The steps of a run
    are replayed, and compared with what is recorded.

    Args:
        graph_or_run: a `Run` or the path of a run directory; or a graph, as `trace` takes it.
        data: what a graph is trained on, as for `trace`; of a run that was trained on arrays in
            memory, the same arrays once more.
        settings: attribute overrides for a graph, such as `"dropout*.rate=0.1"`.
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer; what the data say when left out.
        unverified: show steps of a run even if they differ from what is recorded.
        notify: told what the user should know, one line each.
        progress: a context that is entered when many steps are computed again; what it gives is
            told how many of them are done, and how many there are.
        recipe: how a graph is trained, as for `trace`.

    Raises:
        OpgraphError: the graph, the data or an option is wrong, or the run cannot be replayed.
    """
    if is_run(graph_or_run):
        handed_over = None if isinstance(data, str) else data
        if recipe or settings or (handed_over is None and data != "digits"):
            names = ", ".join([*recipe, *(["settings"] if settings else [])]) or "data"
            raise TraceError("a run knows how it was trained", where=names)
        return _of_run(graph_or_run, handed_over, unverified, notify, progress)
    from opgraph.runtime.debugger import LiveSource, Session, prepare_steered

    runtime = needed_runtime()
    checked = runtime.Recipe(**recipe)
    graph = read(graph_or_run).set(*settings)
    wanted = {**checked.as_dict(), **recipe}
    analysis, loaded = prepare(graph, data, input_shape, num_classes, wanted)
    training = prepare_steered(analysis.graph, loaded, checked)
    if notify is not None and training.step.reductions.notice:
        notify(training.step.reductions.notice)
    drawing = _drawing(Graph(analysis.graph))
    return Session(LiveSource(training), drawing, notify=notify, progress=progress)


def is_run(source: Any) -> bool:
    """Whether something is a run, or the path of a directory."""
    return isinstance(source, Run) or (isinstance(source, str | Path) and _is_folder(source))


def _is_folder(source: str | Path) -> bool:
    try:
        return Path(source).is_dir()
    except (OSError, ValueError):  # the text of a graph is no path
        return False


def _of_run(
    source: Any,
    data: Any,
    unverified: bool,
    notify: Callable[[str], object] | None,
    progress: SessionProgress | None,
) -> Session:
    run = source if isinstance(source, Run) else Run(source)
    found = data_again(run, data)
    from opgraph.runtime.debugger import Session
    from opgraph.runtime.debugger.recorded import RunSource

    source = RunSource(run.record, run.graph.inner, found, unverified=unverified, notify=notify)
    return Session(source, _drawing(run.graph), notify=notify, progress=progress)


def _drawing(graph: Graph) -> Callable[[str | None], str]:
    return lambda node: graph.draw(mark=node)
