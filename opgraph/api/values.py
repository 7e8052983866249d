"""Models side by side by their values: which runtime each is given to, and what they are fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opgraph.api.run import Run
from opgraph.errors import ParityError

if TYPE_CHECKING:
    from opgraph.parity import Comparison, Feeds, Runner
    from opgraph.record import Array

BATCH_SIZE = 8


def compare(
    left: Any,
    right: Any,
    *,
    data: Any = None,
    batch_size: int = BATCH_SIZE,
    batches: int | None = None,
    seed: int = 0,
    step: int | Literal["best"] | None = None,
    tolerance: float = 1.0,
    decibels: float | None = None,
    isolate: bool = False,
    notify: Callable[[str], object] | None = None,
) -> Comparison:
    """Compare two models node by node on the same inputs.

    Args:
        left: the model taken as right: a path (`.keras`, `.h5`, `.onnx`, `.tflite`, a SavedModel
            directory, a run), a `Run`, or a `keras.Model`.
        right: the model that is examined, given likewise.
        data: inputs: an array, a list of arrays in the order of the inputs, a dict by name, or
            a path of a `.npy` or `.npz` file. Drawn from a normal distribution when left out.
        batch_size: examples at once.
        batches: how many; all of the data when left out, one of drawn inputs.
        seed: of drawn inputs.
        step: of a run; the network that it ended with when left out.
        tolerance: a factor on what counts as equal: 1e-4 of a tensor's largest number for float32,
            1e-2 for float16, 5e-2 for bfloat16.
        decibels: the least signal to noise ratio of a quantised tensor; 20 when left out.
        isolate: also feed each node of the second the exact inputs of the first.
        notify: is told what is being done.

    Raises:
        ParityError: one of them cannot be run, or the inputs fit none.
        MissingDependencyError: a runtime is not installed.
    """
    from opgraph.parity import Tolerance
    from opgraph.parity import compare as compare_runners

    runners = as_runner(left, step), as_runner(right, step)
    feeds = _feeds(runners[0], runners[1], data, batch_size, batches, seed)
    limits = Tolerance(tolerance) if decibels is None else Tolerance(tolerance, decibels)
    return compare_runners(
        runners[0], runners[1], feeds, tolerance=limits, isolate=isolate, notify=notify
    )


def as_runner(given: Any, step: int | Literal["best"] | None = None) -> Runner:
    """The model that is meant, in its runtime.

    Raises:
        ParityError: there is none, or it cannot be run.
    """
    from opgraph.parity import open_runner

    if isinstance(given, str | Path) and not (Path(given) / "run.json").is_file():
        return open_runner(Path(given))
    if isinstance(given, str | Path | Run):
        run = given if isinstance(given, Run) else Run(given)
        at = "" if step is None else f" at step {step}"
        return _keras(run.model(step), f"{run.path.name}{at} (Keras)")
    return _keras(given)


def _keras(model: Any, title: str = "") -> Runner:
    from opgraph.api.extras import needed_for

    with needed_for("comparing a Keras model"):
        from opgraph.parity.keras import KerasRunner
    return KerasRunner(model, title)


def _feeds(
    left: Runner, right: Runner, data: Any, size: int, count: int | None, seed: int
) -> Sequence[Feeds]:
    from opgraph.parity import batches_of, drawn, pair

    if data is None:
        made: Iterator[list[Array]] = (
            drawn(left, size, seed + number) for number in range(count or 1)
        )
    else:
        made = batches_of(_arrays(data, [t.name for t in left.inputs]), size, count)
    return [pair(left, right, arrays) for arrays in made]


def _arrays(data: Any, names: Sequence[str]) -> list[Array]:
    """Arrays in the order of the inputs.

    Raises:
        ParityError: the file cannot be read, or its names are not those of the inputs.
    """
    import numpy as np

    if isinstance(data, str | Path):
        data = _file(Path(data))
    if isinstance(data, dict):
        if len(data) == 1 and len(names) == 1:
            return [np.asarray(next(iter(data.values())))]
        missing = [name for name in names if name not in data]
        if missing:
            raise ParityError(
                f"inputs {', '.join(names)} are needed, received {', '.join(data)}", where="data"
            )
        return [np.asarray(data[name]) for name in names]
    if isinstance(data, list | tuple):
        return [np.asarray(array) for array in data]
    return [np.asarray(data)]


def _file(path: Path) -> Any:
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else _named(dict(found))
    except (OSError, ValueError) as error:
        raise ParityError(f"cannot be read as .npy or .npz: {error}", where=str(path)) from None


def _named(arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays by name; any other archive hands out bytes."""
    import numpy as np

    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("it holds no arrays")
    return arrays


def draw_comparison(left: Any, found: Comparison, path: str | Path) -> str:
    """Draw the first model with the first differing node in red and what follows it faint.

    Args:
        left: the first model, as `compare` was given it.
        found: what `compare` says.
        path: an `.svg` file.

    Raises:
        OpgraphError: its graph cannot be read.
    """
    from dataclasses import replace

    from opgraph.api.functions import read
    from opgraph.errors import OpgraphError
    from opgraph.files import write_text
    from opgraph.render import draw_svg

    run = isinstance(left, Run) or (
        isinstance(left, str | Path) and (Path(left) / "run.json").is_file()
    )
    graph = (left if isinstance(left, Run) else Run(left)).graph if run else read(left)
    analysis = graph.analyze()
    facts = dict(analysis.facts)
    name = node_of(found, facts)
    if name is not None and found.first is not None and found.first.measures is not None:
        m = found.first.measures
        words = f"differs from {found.titles[1]}: max {m.max_abs:.3g}, SNR {m.snr:.1f} dB"
        facts[name] = facts[name]._replace(error=OpgraphError(words))
    svg = draw_svg(replace(analysis, facts=facts))
    write_text(Path(path), svg)
    return svg


def node_of(found: Comparison, names: Any) -> str | None:
    """The node of a graph that the first difference is at; None where there is none."""
    if found.first is None:
        return None
    from opgraph.parity import layers_of

    name = found.first.node.name
    if name in names:
        return name
    known = {str(one).replace("_", "-"): str(one) for one in names} | {
        str(o): str(o) for o in names
    }
    spoken = layers_of(name, known)
    return known[spoken[0]] if spoken else None
