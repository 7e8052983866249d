"""The verbs of opgraph in Python: each calls the package that knows, and wraps the answer.

Imports inside the function, so that reading and drawing never load TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from opgraph.api.extras import needed_for
from opgraph.api.graph import Graph
from opgraph.api.run import Run
from opgraph.errors import FormatError

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.graph import OpGraph
    from opgraph.ops import Shape
    from opgraph.runtime import Evaluation, Plan, Prediction, Progress
    from opgraph.runtime.data import Data

# Anything that makes a text an edge list rather than the name of a file.
_TEXT = re.compile(r"[\n→⟶⇒]|->|=>|-->")


def read(source: Any, *, name: str | None = None, is_path: bool | None = None) -> Graph:
    """Read a graph from a file, from the text of an edge list, or from a Keras model.

    Args:
        source: a path; or a text with at least one arrow or line end; or a `keras.Model`.
        name: what to call the graph; the file's name when left out.
        is_path: say so where a text could be taken for the one or the other.

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
    return _read_file(Path(source), name) if is_path else _read_text(str(source), name)


def _read_file(path: Path, name: str | None) -> Graph:
    from opgraph.formats import read as read_format

    graph = read_format(path)
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
        graph = _runtime().describe_opaque(graph, model)
    return Graph(graph)


def build(graph: Any, *, seed: int | None = None) -> Any:
    """Build the functional `keras.Model` of a graph.

    Args:
        graph: a `Graph`, or whatever `read` takes.
        seed: makes initial weights and dropout masks repeatable, node by node.

    Returns:
        The model. `opgraph.node_names(model)` maps its layers to the nodes of the graph.

    Raises:
        OpgraphError: the graph has faults, or Keras refuses a node.
        MissingDependencyError: TensorFlow is not installed.
    """
    return _runtime().build(_completed(read(graph)), seed=seed).model


def node_names(model: Any) -> dict[str, str]:
    """The node that each layer of a model stands for, by layer name."""
    return cast("dict[str, str]", _runtime().node_names(model))


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


def trace(
    graph: Any,
    data: Any = "digits",
    *,
    output: str | Path = "runs/latest",
    settings: Sequence[str] = (),
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    command: Sequence[str] = (),
    **recipe: Any,
) -> Run:
    """Train a graph and measure every node at every step.

    Args:
        graph: a `Graph`, or whatever `read` takes. A Keras model is taken as a graph: it is built
            anew, with initial weights of its own.
        data: `digits`, a Keras dataset's name, an `.npz`, a CSV file, a folder of images,
            `synthetic:<kind>`, or a `Data`.
        output: the run directory to make.
        settings: attribute overrides, such as `"batch_norm*.momentum=0.9"`.
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer; what the data say when left out.
        progress: told about each step (`on_step`).
        overwrite: replace a run that `output` holds.
        command: the words of the command that makes the run again.
        recipe: steps or epochs, batch_size, seed, optimizer, learning_rate, schedule,
            keyframe_every, stop_on_nan.

    Returns:
        The recorded run. `run.config["outcome"]` says how it ended.

    Raises:
        OpgraphError: the graph, the data or an option is wrong; nothing is written then.
        TraceError: the loss is no number any more; the run holds every step up to that one.
        MissingDependencyError: TensorFlow is not installed.
    """
    from opgraph.formats import to_json

    runtime = _runtime()
    analysis, loaded = prepare(read(graph).set(*settings), data, input_shape, num_classes)
    runtime.trace(
        analysis.graph,
        loaded,
        run_dir=Path(output),
        graph_json=to_json(analysis.graph),
        progress=progress,
        overwrite=overwrite,
        command=tuple(command),
        **recipe,
    )
    Graph(analysis.graph).draw(Path(output) / "graph.svg", title=analysis.graph.name)
    return Run(output)


def dry_run(
    graph: Any,
    data: Any = "digits",
    *,
    settings: Sequence[str] = (),
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    **recipe: Any,
) -> Plan:
    """Say what a training will take: sites, memory, disk and time; nothing is written.

    The arguments are those of `trace`. A few steps are taken with a copy that is thrown away, so
    that time and size are measured.
    """
    runtime = _runtime()
    analysis, loaded = prepare(read(graph).set(*settings), data, input_shape, num_classes)
    return cast("Plan", runtime.plan(analysis.graph, loaded, **recipe))


def prepare(
    graph: Graph, data: Any, input_shape: Shape | None = None, num_classes: int | None = None
) -> tuple[Analysis, Data]:
    """Complete a graph with what the data say, and fit the data to its inputs.

    Raises:
        OpgraphError: the graph is wrong, or the data do not fit it.
    """
    from opgraph.runtime.data import Data, peek

    facts = data if isinstance(data, Data) else peek(data)
    shape = input_shape or (None if isinstance(facts, Data) else facts.shape)
    analysis = graph.analyze(shape, num_classes or facts.num_classes).require()
    return analysis, data if isinstance(data, Data) else _load(data, analysis)


def _load(data: str, analysis: Analysis) -> Data:
    from opgraph.runtime.data import load

    graph = analysis.graph
    return load(
        str(data),
        _inputs(analysis),
        num_classes=_classes(analysis),
        outputs=graph.sinks,
        vocabulary=_vocabulary(graph),
    )


def _inputs(analysis: Analysis) -> list[tuple[str, Shape, str | None]]:
    """Name, shape and type of each input."""
    return [
        (node.name, cast("Shape", analysis[node.name].output), node.op.dtype)
        for node in analysis.graph
        if node.kind.category == "input"
    ]


def _classes(analysis: Analysis) -> int | None:
    """The number of classes that the last node tells apart, where it is a row of scores."""
    shape = analysis[analysis.graph.sinks[0]].output
    if shape is None or len(shape) != 1 or shape[0] is None:
        return None
    return 2 if shape[0] == 1 else shape[0]


def _vocabulary(graph: OpGraph) -> dict[str, int]:
    """The number of tokens that an embedding behind an input knows, by input."""
    return {
        edge.source: int(cast("Any", graph[edge.target].op).input_dim)
        for edge in graph.edges
        if graph[edge.target].kind.kind == "Embedding"
    }


def evaluate(run: Any, data: Any = None, *, step: int | None = None) -> Evaluation:
    """Test a recorded training on held-out data.

    Args:
        run: a `Run`, or the path of one.
        data: as for `trace`; the run's own data when left out.
        step: the network as it was after this step; after the last one when left out.

    Returns:
        Loss, accuracy, accuracy for each class, and the confusion matrix.
    """
    from opgraph.runtime.data import Data, recreate

    run = run if isinstance(run, Run) else Run(run)
    runtime = _runtime()
    if data is None:
        data = recreate(run.config["data"])
    elif not isinstance(data, Data):
        data = _load(data, run.graph.analyze())
    return cast("Evaluation", runtime.evaluate(run.model(step), data.test))


def predict(run: Any, images: Sequence[str | Path], *, step: int | None = None) -> Prediction:
    """Classify image files with a recorded training.

    Args:
        run: a `Run`, or the path of one.
        images: the files; each is enlarged and scaled as the training data were.
        step: the network as it was after this step; after the last one when left out.

    Raises:
        DataError: an image cannot be read, or the run was not trained on images.
    """
    import numpy as np

    from opgraph.runtime.data import read_image

    run = run if isinstance(run, Run) else Run(run)
    shape = _inputs(run.graph.analyze())[0][1]
    pixels = np.stack([read_image(image, shape, run.config["data"]) for image in images])
    return cast("Prediction", _runtime().predict(run.model(step), [pixels]))


def _completed(graph: Graph) -> OpGraph:
    return graph.analyze().require().graph


def _runtime() -> Any:
    """The package that trains, or one line that says what to install."""
    from opgraph import runtime

    with needed_for("training"):
        _ = runtime.build, runtime.trace
    return runtime
