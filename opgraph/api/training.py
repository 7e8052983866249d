"""Training in Python: from a graph and some data to a recorded run.

Imports inside the functions, so that reading and drawing never load TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from opgraph.api.data import prepare
from opgraph.api.extras import needed_runtime
from opgraph.api.functions import read
from opgraph.api.graph import Graph
from opgraph.api.run import Run

if TYPE_CHECKING:
    from opgraph.graph import OpGraph
    from opgraph.ops import Shape
    from opgraph.runtime import Plan, Progress, Verified


def trace(
    graph: Any,
    data: Any = "digits",
    *,
    output: str | Path = "runs/latest",
    settings: Sequence[str] = (),
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], object] | None = None,
    overwrite: bool = False,
    command: Sequence[str] = (),
    **recipe: Any,
) -> Run:
    """Train a graph and measure every node at every step.

    Args:
        graph: a `Graph`, or whatever `read` takes. A functional or sequential Keras model is
            trained itself, from the weights it has; the optimizer, loss and metrics it was compiled
            with are used where `recipe` says nothing.
        data: `digits`, a Keras dataset's name, an `.npz`, a CSV file, a folder of images,
            `synthetic:<kind>`, arrays `(x, y)` or `((x, y), (x_test, y_test))`, or a `Data`.
        output: the run directory to make.
        settings: attribute overrides, such as `"batch_norm*.momentum=0.9"`.
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer; what the data say when left out.
        progress: told about each step (`on_step`).
        notify: told what the user should know, one line each.
        overwrite: replace a run that `output` holds.
        command: the words of the command that makes the run again.
        recipe: the fields of `opgraph.runtime.Recipe`: steps or epochs, batch_size, seed,
            optimizer, learning_rate, schedule, loss, metrics, measure, sites, ...

    Returns:
        The recorded run. `run.config["outcome"]` says how it ended.

    Raises:
        OpgraphError: the graph, the data or an option is wrong; nothing is written then.
        TraceError: the loss is no number any more; the run holds every step up to that one.
        MissingDependencyError: TensorFlow is not installed.
    """
    from opgraph.formats import to_json

    runtime = needed_runtime()
    chosen = read(graph).set(*settings)
    live = None if isinstance(graph, str | Path | Graph) else graph
    if live is not None:
        recipe = {**_compiled(live, chosen, recipe, notify), **recipe}
    checked = runtime.Recipe(**recipe).as_dict()
    analysis, loaded = prepare(chosen, data, input_shape, num_classes, {**checked, **recipe})
    network = analysis.graph if live is None else runtime.built_of(live, analysis.graph)
    path = Path(output)
    runtime.trace(
        network,
        loaded,
        run_dir=path,
        graph_json=to_json(analysis.graph),
        progress=progress,
        notify=notify,
        begun=lambda: _write_beside(path, analysis.graph, {**checked, **_named(data)}),
        overwrite=overwrite,
        command=tuple(command),
        **recipe,
    )
    return Run(output)


def _named(data: Any) -> dict[str, Any]:
    """What a file of settings can say about data: their name, if they have one."""
    return {"data": data} if isinstance(data, str) else {}


def _write_beside(path: Path, graph: OpGraph, settings: dict[str, Any]) -> None:
    """What stands beside a run from its beginning: the picture, and the settings as a file."""
    from opgraph.errors import RunError
    from opgraph.files import write_text

    Graph(graph).draw(path / "graph.svg", title=graph.name)
    again = {**settings, "file": str(path / "graph.json"), "output": str(path)}
    write_text(path / "run.toml", needed_runtime().to_toml(again), RunError)


def _compiled(
    model: Any,
    graph: Graph,
    given: dict[str, Any],
    notify: Callable[[str], object] | None,
) -> dict[str, Any]:
    """What a model was compiled with, as far as the user says nothing else."""
    found = needed_runtime().compiled_settings(model, graph.inner, given=given)
    for line in found.left_out:
        if notify is not None:
            notify(line)
    return found.settings


def resume(
    run: Any,
    *,
    steps: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], object] | None = None,
) -> Run:
    """Go on with a training that was interrupted, killed or failed; it ends in the same bits.

    Args:
        run: a `Run`, or the path of one.
        steps: how many steps it is to have, for a run that is finished.
        progress: told about each step (`on_step`).
        notify: told what the user should know, one line each.

    Raises:
        RunError: the run cannot go on, or comes out different from what is on disk.
        DataError: its data cannot be had any more.
    """
    from opgraph.runtime.data import recreate

    run = run if isinstance(run, Run) else Run(run)
    runtime = needed_runtime()
    runtime.recipe_of(run.record.info)
    data = recreate(run.config["data"])
    graph = run.graph
    runtime.resume(
        graph.inner, data, run_dir=run.path, steps=steps, progress=progress, notify=notify
    )
    return Run(run.path)


def verify_traced(
    graph: Any,
    data: Any = "digits",
    *,
    settings: Sequence[str] = (),
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    **recipe: Any,
) -> Verified:
    """Prove that measuring changes no bit: train some steps bare and measured, compare all weights.

    The arguments are those of `trace`; nothing is written.
    """
    runtime = needed_runtime()
    checked = runtime.Recipe(**recipe).as_dict()
    chosen = read(graph).set(*settings)
    analysis, loaded = prepare(chosen, data, input_shape, num_classes, {**checked, **recipe})
    return cast("Verified", runtime.verify_traced(analysis.graph, loaded, **recipe))


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
    runtime = needed_runtime()
    checked = runtime.Recipe(**recipe).as_dict()
    chosen = read(graph).set(*settings)
    analysis, loaded = prepare(chosen, data, input_shape, num_classes, {**checked, **recipe})
    return cast("Plan", runtime.plan(analysis.graph, loaded, **recipe))
