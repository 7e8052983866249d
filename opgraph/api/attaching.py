"""Measuring inside `model.fit`, for those who keep it.

Imports inside the functions, so that reading and drawing never load TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from opgraph.api.extras import needed_runtime
from opgraph.api.functions import from_keras
from opgraph.api.run import Run

if TYPE_CHECKING:
    from opgraph.graph import OpGraph
    from opgraph.runtime.fit_record import Statistics


class Attached:
    """A model whose `fit` writes a run; made by `opgraph.attach`.

    Leaving it as a context manager detaches the model.

    Attributes:
        model: the user's model.
        path: the run directory.
    """

    def __init__(self, model: Any, path: Path, inner: Any) -> None:
        self.model = model
        self.path = path
        self._inner = inner

    @property
    def run(self) -> Run:
        """The recorded training so far; of a `fit` that goes on, what is on disk.

        Raises:
            RunError: no step was taken yet.
        """
        return Run(self.path)

    def detach(self) -> None:
        """Give the model its own methods back; nothing is recorded any more."""
        self._inner.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __repr__(self) -> str:
        return f"<opgraph.Attached {self.model.name!r} to {str(self.path)!r}>"


def attach(
    model: Any,
    path: str | Path,
    *,
    measure: str | Sequence[str] = "default",
    sites: str | None = None,
    keyframe_every: int | None = None,
    keep_keyframes: int | None = None,
    overwrite: bool = False,
    statistics: Statistics = "auto",
    notify: Callable[[str], object] | None = None,
) -> Attached:
    """Make `model.fit` measure every node at every step and write a run.

    Weights come out as those of plain `fit` with opgraph's Grappler switches, bit for bit.

    Args:
        model: a Keras model; it may be compiled later. Of a subclassed model, or one with a
            `train_step` of its own, only weights are measured.
        path: the run directory to make.
        measure: a preset (`norms`, `default`, `full`), and changes to it.
        sites: globs of nodes and `node/weight` that are measured; all when left out.
        keyframe_every: steps between two full states; a tenth of a `fit` when left out.
        keep_keyframes: how many full states are kept; all when left out.
        overwrite: replace a run that `path` holds.
        statistics: what computes the numbers: `auto`, `kernel` or `tensorflow`.
        notify: told what the user should know, one line each.

    Returns:
        A handle: `.run` after `fit`, `.detach()`; it can stand in a `with`.

    Raises:
        RunError: the directory cannot take a run.
        TraceError: the model is attached already, or `measure` cannot be read. What cannot be
            measured (XLA, `steps_per_execution`, distribution) is refused when `fit` begins.
        MissingDependencyError: TensorFlow is not installed.
    """
    needed_runtime()
    from opgraph.runtime.attach import Attachment
    from opgraph.runtime.fit_record import Choices

    words = measure if isinstance(measure, str) else tuple(measure)
    choices = Choices(
        Path(path), words, sites, keyframe_every, keep_keyframes, overwrite, statistics
    )
    return Attached(model, Path(path), Attachment(model, choices, _graph_of, notify))


def _graph_of(model: Any, functional: bool) -> tuple[OpGraph, Mapping[str, Any]]:
    """The graph of a live model and its JSON form; a subclassed model is one opaque node."""
    from opgraph.formats import to_json

    graph = from_keras(model).analyze().require().graph if functional else _one_node(model)
    return graph, to_json(graph)


def _one_node(model: Any) -> OpGraph:
    """A model as a single node that knows its weights."""
    from opgraph.graph import Edge, Node, OpGraph
    from opgraph.ops import require
    from opgraph.runtime.live import arrays_of

    data = "input" if model.name != "input" else "data"
    given = {"class_name": type(model).__name__, "arrays": arrays_of(model)}
    nodes = [Node(data, require("Input")), Node(model.name, require("Opaque"), given)]
    return OpGraph(nodes, [Edge(data, model.name, 0, 0)], model.name)
