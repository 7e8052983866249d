"""Models in the formats of other runtimes: of a file or of a run, compared before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opgraph.api.extras import needed_runtime
from opgraph.api.functions import read
from opgraph.api.run import Run
from opgraph.errors import DataError, FormatError

if TYPE_CHECKING:
    from opgraph.runtime import ModelExport

MODEL_FORMATS = ("keras", "saved_model", "tflite", "onnx")
EXAMPLES = 16


def export_model(
    source: Any, to: str, output: str | Path, *, step: int | Literal["best"] | None = None
) -> ModelExport:
    """Write a model for another runtime; it is opened there again and compared at once.

    Args:
        source: a `Run` or the directory of one; or a `Graph`, or whatever `read` takes.
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
        model, inputs, facts = run.model(step), _examples(run), _facts(run)
    else:
        if step is not None:
            raise FormatError("only a run has steps", where=str(source), hint="leave --step out")
        graph = read(source)
        origin = any(node.origin is not None and node.origin.weights for node in graph.inner)
        model = graph.build(seed=0, weights=origin)
        inputs = _random(model)
        facts = runtime.Facts(name=graph.name, source=_called(source))
    return runtime.export_model(model, to, Path(output), inputs, facts)


def _is_run(source: Any) -> bool:
    return isinstance(source, str | Path) and (Path(source) / "run.json").is_file()


def _called(source: Any) -> str:
    return Path(source).name if isinstance(source, str | Path) else str(source)


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
