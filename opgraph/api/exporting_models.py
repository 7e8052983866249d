"""Models in the formats of other runtimes: of a file or of a run, compared before it counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opgraph.api.extras import needed_runtime
from opgraph.api.functions import read
from opgraph.api.graph import Graph
from opgraph.api.run import Run
from opgraph.api.saving import has_weights
from opgraph.errors import DataError, FormatError

if TYPE_CHECKING:
    from opgraph.runtime import ModelExport

EXAMPLES = 16


def export_model(
    source: Any, to: str, output: str | Path, *, step: int | Literal["best"] | None = None
) -> ModelExport:
    """Write a model for another runtime; it is opened there again and compared at once.

    Args:
        source: a `Run` or the directory of one; a Keras model; or a `Graph`, or whatever `read`
            takes: its weights are those of the file it was read from, initial values if there are
            none, and the answer says so.
        to: `keras`, `saved_model`, `tflite` (LiteRT) or `onnx`.
        output: the file, or the folder for `saved_model`.
        step: of a run: the network as it was after this step, or `best`; the last when left out.

    Returns:
        What was written, and how far its outputs are from those of the source.

    Raises:
        FormatError: no such format, or it cannot be written.
        BuildError: the format cannot hold the model, or the outputs differ; nothing is written.
        MissingDependencyError: a library of the format is not installed.
    """
    runtime = needed_runtime()
    if isinstance(source, Run) or _is_run(source):
        run = source if isinstance(source, Run) else Run(source)
        model, inputs, facts, note = run.model(step), _examples(run), _facts(run), ""
    else:
        if step is not None:
            raise FormatError(
                "only a run has steps", where=_called(source), hint="leave --step out"
            )
        model, note = _built(source)
        inputs, facts = _random(model), runtime.Facts(name=model.name, source=_called(source))
    done = runtime.export_model(model, to, Path(output), inputs, facts)
    return replace(done, note=note)


def _built(source: Any) -> tuple[Any, str]:
    """The model of a source, and which of its weights are no weights of the source."""
    if not isinstance(source, str | Path | Graph):
        return source, ""
    graph, runtime = read(source).analyze().require().graph, needed_runtime()
    built = runtime.build(graph, seed=0)
    if not built.weight_names:
        return built.model, ""
    if not has_weights(graph):
        return built.model, "the source holds no weights: these are initial values"
    started = runtime.start(built, True)
    kept = ", ".join(item.name for item in started.kept[:5])
    more = ", ..." if len(started.kept) > 5 else ""
    note = f"not in the source, so initial values: {kept}{more}" if started.kept else ""
    return built.model, note


def _is_run(source: Any) -> bool:
    return isinstance(source, str | Path) and (Path(source) / "run.json").is_file()


def _called(source: Any) -> str:
    return Path(source).name if isinstance(source, str | Path) else f"the model {source.name}"


def _examples(run: Run) -> list[Any]:
    """Held-out examples of the run; random ones where its data are not there any more."""
    from opgraph.runtime.data import recreate

    try:
        data = recreate(run.config["data"])
    except DataError:
        return _random(run.model())
    return [array[:EXAMPLES] for array in data.test.inputs]


def _facts(run: Run) -> Any:
    from opgraph.runtime.data import recreate

    description = run.config["data"]
    try:
        names = recreate(description).class_names
    except DataError:
        names = ()
    is_picture = any(note.get("native") for note in description.get("inputs", ()))
    return needed_runtime().Facts(
        name=run.graph.name,
        source=f"the run {run.path.name}",
        class_names=names,
        inputs_are="pixels on a scale from 0 (black) to 1 (white)" if is_picture else "",
        data=description,
    )


def _random(model: Any) -> list[Any]:
    """Numbers of no meaning: between -1 and 1, or small whole numbers."""
    import numpy as np

    chance = np.random.default_rng(0)
    found: list[Any] = []
    for tensor in model.inputs:
        shape = (EXAMPLES, *(size or 8 for size in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            found.append(chance.integers(0, 2, shape).astype(tensor.dtype))
        else:
            found.append(chance.uniform(-1, 1, shape).astype(tensor.dtype))
    return found
