"""The verbs of opgraph in Python: each calls the package that knows, and wraps the answer.

Imports inside the function, so that reading and drawing never load TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from opgraph.api.extras import needed_for, needed_runtime
from opgraph.api.graph import Graph
from opgraph.api.run import Run
from opgraph.errors import FormatError

if TYPE_CHECKING:
    from opgraph.graph import OpGraph
    from opgraph.runtime import Evaluation, Prediction

# Anything that makes a text an edge list rather than the name of a file.
_TEXT = re.compile(r"[\n→⟶⇒]|->|=>|-->")


def read(
    source: Any, *, name: str | None = None, is_path: bool | None = None, raw: bool = False
) -> Graph:
    """Read a graph from a file, from the text of an edge list, or from a Keras model.

    Args:
        source: a path; or a text with at least one arrow or line end; or a `keras.Model`.
        name: what to call the graph; the file's name when left out.
        is_path: say so where a text could be taken for the one or the other.
        raw: of an exported graph, one node for each operation, as it stands in the file.

    Raises:
        OpgraphError: it cannot be read; all findings at once, each with line and column.

    >>> read("a: Input(shape=(4,)) -> fc[units=2]").nodes
    ['a', 'fc']
    """
    if isinstance(source, Graph):
        return source
    if not isinstance(source, str | Path):
        return from_keras(source)
    if is_path is None:
        is_path = isinstance(source, Path) or not _TEXT.search(source)
    return _read_file(Path(source), name, raw) if is_path else _read_text(str(source), name)


def _read_file(path: Path, name: str | None, raw: bool) -> Graph:
    from opgraph.formats import read as read_format

    with needed_for(f"reading {path.name}"):
        graph = read_format(path, raw)
    return Graph(graph.renamed(name) if name else graph)


def _read_text(text: str, name: str | None) -> Graph:
    from opgraph.errors import Source
    from opgraph.text import parse

    return Graph(parse(Source(name or "text", text), name or "graph"))


def from_keras(model: Any) -> Graph:
    """Read a live functional or sequential Keras model through its configuration.

    Args:
        model: a `keras.Model`; its weights are left alone and nothing is run.

    Raises:
        FormatError: the model has no configuration (a subclassed model).
    """
    from opgraph.formats import read_config

    try:
        config = {"class_name": type(model).__name__, "config": model.get_config()}
    except (AttributeError, NotImplementedError):
        raise FormatError(
            f"a {type(model).__name__} has no configuration to read a graph from",
            hint="hand over a functional or sequential keras.Model",
        ) from None
    graph = read_config(config)
    if any(node.kind.category == "opaque" for node in graph):
        graph = needed_runtime().describe_opaque(graph, model)
    return Graph(graph)


def build(graph: Any, *, seed: int | None = None, weights: str | Path | bool | None = None) -> Any:
    """Build the functional `keras.Model` of a graph.

    Args:
        graph: a `Graph`, or whatever `read` takes.
        seed: makes initial weights and dropout masks repeatable, node by node.
        weights: a `.keras`, `.weights.h5`, `.h5` or `.safetensors` file or a run (`runs/a@200`) to
            take weights from, where names and shapes agree; True for those of the file that the
            graph was read from; initial values when left out.

    Returns:
        The model. `opgraph.node_names(model)` maps its layers to the nodes of the graph.

    Raises:
        OpgraphError: the graph has faults, Keras refuses a node, or no weight fits.
        MissingDependencyError: TensorFlow is not installed.
    """
    runtime = needed_runtime()
    built = runtime.build(_completed(read(graph)), seed=seed)
    runtime.start(built, str(weights) if isinstance(weights, Path) else weights)
    return built.model


def node_names(model: Any) -> dict[str, str]:
    """The node that each layer of a model stands for, by layer name."""
    return cast("dict[str, str]", needed_runtime().node_names(model))


def plot(
    model: Any,
    to_file: str | Path = "model.svg",
    *,
    show_shapes: bool = True,
    rankdir: str = "TB",
    **options: Any,
) -> str:
    """Draw a model as SVG: a drop-in for `keras.utils.plot_model` that needs no Graphviz.

    Args:
        model: a Keras model, a graph, or whatever `read` takes.
        to_file: the SVG file to write.
        show_shapes: whether output shapes are shown.
        rankdir: `TB` for top to bottom, `LR` for left to right.
        options: of `Graph.draw`; those of `plot_model` that mean nothing here are ignored.

    Returns:
        The SVG text.
    """
    known = {"theme", "title", "legend", "engine", "show_params", "show_attrs"}
    chosen = {name: value for name, value in options.items() if name in known}
    graph = read(model)
    return graph.draw(to_file, show_shapes=show_shapes, direction=rankdir, **chosen)


def to_graphviz(graph: Any) -> Any:
    """A graph as a `graphviz.Digraph`; needs the package `graphviz`."""
    return read(graph).to_graphviz()


def open_run(path: str | Path) -> Run:
    """Open a recorded training.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    return Run(path)


def evaluate(
    run: Any, data: Any = None, *, step: int | Literal["best"] | None = None
) -> Evaluation:
    """Test a recorded training on held-out data.

    Args:
        run: a `Run`, or the path of one.
        data: as for `trace`; the run's own data when left out.
        step: the network as it was after this step, or at its best (`best`); the one that the run
            ended with when left out.

    Returns:
        Loss, accuracy, accuracy for each class, and the confusion matrix.
    """
    from opgraph.api.data import fit_data
    from opgraph.runtime.data import recreate

    run = run if isinstance(run, Run) else Run(run)
    runtime = needed_runtime()
    if data is None:
        found = recreate(run.config["data"])
    else:
        found = fit_data(run.graph.analyze(), data, run.config["config"])
    return cast("Evaluation", runtime.evaluate(run.model(step), found.test))


def predict(
    run: Any, images: Sequence[str | Path], *, step: int | Literal["best"] | None = None
) -> Prediction:
    """Classify image files with a recorded training.

    Args:
        run: a `Run`, or the path of one.
        images: the files; each is enlarged and scaled as the training data were.
        step: the network as it was after this step, or at its best (`best`); the one that the run
            ended with when left out.

    Raises:
        DataError: an image cannot be read, or the run was not trained on images.
    """
    import numpy as np

    from opgraph.api.data import inputs_of
    from opgraph.runtime.data import read_image

    run = run if isinstance(run, Run) else Run(run)
    shape = inputs_of(run.graph.analyze())[0][1]
    pixels = np.stack([read_image(image, shape, run.config["data"]) for image in images])
    return cast("Prediction", needed_runtime().predict(run.model(step), [pixels]))


def _completed(graph: Graph) -> OpGraph:
    return graph.analyze().require().graph
