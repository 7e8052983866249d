"""Train a network and record every node at every step in a run directory.

Owns how a run begins, goes on after an interruption, and ends: what is written first, when a
keyframe is taken, and what is left behind when the loss is no number or the user interrupts.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Unpack

import keras

from opgraph.errors import OpgraphError, RunError, TraceError
from opgraph.graph import OpGraph
from opgraph.record import (
    Record,
    RunInfo,
    RunWriter,
    check_free,
    fingerprint_of,
    open_run,
    read_best,
    write_best,
)
from opgraph.runtime.builder import Built
from opgraph.runtime.data import Data
from opgraph.runtime.environment import (
    machine_facts,
    numeric_flags,
    software_versions,
    thread_settings,
)
from opgraph.runtime.evaluation import evaluate
from opgraph.runtime.failures import FAILURES, explain
from opgraph.runtime.recipe import Recipe, Settings, field_names
from opgraph.runtime.state import averages_of
from opgraph.runtime.training import (
    Measured,
    Training,
    batch_like,
    batch_sizes,
    dtype_policy,
    first_nonfinite,
    prepare,
)

IN_MEMORY = "it was trained on arrays in memory, which are not kept"
HAND_OVER = "in Python hand over the same ones: run.at(step, data=(x, y))"


class Progress(Protocol):
    """Who wants to hear about each step."""

    def on_step(
        self, step: int, total: int, loss: float, accuracy: float | None, seconds: float
    ) -> object:
        """A step was taken; `seconds` is the time it took."""


@dataclass
class Interrupts:
    """Whether the user asked to stop."""

    asked: bool = False


def trace(
    network: OpGraph | Built,
    data: Data,
    *,
    run_dir: str | Path,
    graph_json: Mapping[str, Any],
    progress: Progress | None = None,
    notify: Callable[[str], object] | None = None,
    begun: Callable[[], object] | None = None,
    overwrite: bool = False,
    command: str | Sequence[str] = "",
    **settings: Unpack[Settings],
) -> Record:
    """Train a network and measure every node at every step.

    An interrupt (Ctrl-C) ends the training at the next step; the run then says `interrupted`.

    Args:
        network: a completed graph, or what `build` made of one.
        data: what to train and test on.
        run_dir: the directory to record in.
        graph_json: the graph as `formats` writes it, for `graph.json`.
        progress: told about each step.
        notify: told what the user should know, one line each.
        begun: called when the run directory stands, before the first step.
        overwrite: replace a run that the directory holds.
        command: the command that makes the run again.
        settings: the fields of `Recipe`: steps, batch_size, seed, optimizer, ...

    Returns:
        The recorded run.

    Raises:
        TraceError: the loss is no finite number; the run holds everything up to that step.
        RunError: the directory cannot take a run.
        OpgraphError: the network or a setting is wrong; nothing is written then.
    """
    path = Path(run_dir)
    check_free(path, overwrite=overwrite)
    training = prepare(network, data, Recipe(**settings))
    info = describe(training, graph_json, command)
    policy = training.recipe.keyframes
    writer = RunWriter(path, info, graph_json, training.survey, overwrite=overwrite, policy=policy)
    with writer:
        tell(notify, training, writer)
        if begun is not None:
            begun()
        record_steps(training, writer, progress)
    return open_run(path)


def resume(
    network: OpGraph,
    data: Data,
    *,
    run_dir: str | Path,
    steps: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], object] | None = None,
) -> Record:
    """Go on with a training that was interrupted, killed or failed.

    Steps after the last keyframe are computed again and must give the rows that are on disk.

    Args:
        network: the graph of the run.
        data: the data of the run.
        run_dir: the run directory.
        steps: more steps than the run was meant to have, for one that is finished.
        progress: told about each step.
        notify: told what the user should know, one line each.

    Raises:
        RunError: the run cannot go on, or comes out different.
    """
    path = Path(run_dir)
    info = open_run(path).info
    recipe = recipe_of(info)
    if steps is not None:
        recipe = _longer(recipe, info, steps)
    training = prepare(network, data, recipe)
    writer = RunWriter.resume(
        path,
        training.survey,
        extend=steps is not None,
        config=_config(training),
        versions=software_versions(),
        policy=recipe.keyframes,
    )
    tell(notify, training, writer)
    record_steps(training, writer, progress)
    return open_run(path)


def recipe_of(info: RunInfo, *, has_data: bool = False) -> Recipe:
    """How a run was trained.

    Args:
        info: of the run.
        has_data: whether its data are there, so that it does not matter where they came from.

    Raises:
        RunError: it was trained with something that is not on disk.
    """
    in_memory = info.replayable_reason == IN_MEMORY
    if not (info.replayable or (in_memory and has_data)):
        hint = f"{IN_MEMORY}; {HAND_OVER}" if in_memory else info.replayable_reason
        raise RunError("cannot be made again", hint=hint)
    known = {name: value for name, value in info.config.items() if name in field_names()}
    return Recipe.from_dict(known)


def _longer(recipe: Recipe, info: RunInfo, steps: int) -> Recipe:
    planned = int(info.config["total_steps"])
    if steps <= planned:
        raise RunError(
            f"the run has {planned} steps already", where="steps", hint="ask for more of them"
        )
    if "constant" not in (recipe.schedule or "constant"):
        raise RunError(
            f"the schedule {recipe.schedule!r} of the learning rate was made for {planned} steps",
            where="steps",
            hint="begin a new training with --weights of this run",
        )
    return replace(recipe, steps=steps, epochs=None)


def describe(
    training: Training, graph_json: Mapping[str, Any], command: str | Sequence[str] = ""
) -> RunInfo:
    """What `run.json` says about a training before it begins."""
    data = training.data
    signature = tuple(
        [{"shape": list(x.shape), "dtype": x.dtype.name} for x in batch_like(data, size)]
        for size in batch_sizes(training)
    )
    reason = _not_replayable(training)
    known = {"class_names": list(data.class_names), "fingerprint": data.fingerprint}
    return RunInfo(
        config=_config(training),
        command=command,
        graph_fingerprint=fingerprint_of(graph_json),
        data={**known, **data.description},
        seed=training.recipe.seed,
        batch_signature=signature,
        dtype_policy=dtype_policy(training.recipe),
        versions=software_versions(),
        machine=machine_facts(),
        threads=thread_settings(),
        flags={**numeric_flags(), "jit": training.recipe.jit},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        measure=training.step.measure.as_dict(),
        statistics=training.step.reductions.name,
        replayable=not reason,
        replayable_reason=reason,
    )


def _config(training: Training) -> dict[str, Any]:
    return {
        **training.recipe.as_dict(),
        "total_steps": training.total_steps,
        "optimizer_config": keras.optimizers.serialize(training.step.core.optimizer),
        "objective": training.objective.as_dict(),
        "frozen": list(training.frozen),
        "started": None if training.started is None else training.started.as_dict(),
    }


def _not_replayable(training: Training) -> str:
    """Why the training cannot be made again from its files; empty if it can."""
    for head in training.objective.heads:
        if callable(head.loss):
            return f"its loss {head.loss_name!r} is a function, which is not kept"
    in_memory = training.data.description.get("spec") in (None, "arrays")
    return IN_MEMORY if in_memory else ""


def tell(notify: Callable[[str], object] | None, training: Training, writer: RunWriter) -> None:
    """Hand on what the user should know."""
    if notify is None:
        return
    notice = training.step.reductions.notice
    started = None if training.started is None else training.started.summary
    frozen = f"frozen: {', '.join(training.frozen)}" if training.frozen else None
    for line in (notice, started, frozen, _apart(training), *writer.notices):
        if line:
            notify(line)


def _apart(training: Training) -> str | None:
    """Where taking a batch in parts gives another update than the whole batch would."""
    parts, kind = training.recipe.accumulate, keras.layers.BatchNormalization
    layers = training.built.layers.items()
    nodes = [name for name, layer in layers if isinstance(layer, kind) and layer.trainable]
    if parts == 1 or not nodes:
        return None
    named = ", ".join(nodes[:5]) + (f" and {len(nodes) - 5} more" if nodes[5:] else "")
    return (
        f"each of {parts} parts of a batch is normalised by itself at {named}: not the update of"
        " the whole batch"
    )


def record_steps(
    training: Training, writer: RunWriter, progress: Progress | None, begin: int = 0
) -> None:
    """Take all steps and write them down; however it ends, the run can be read.

    Args:
        training: in the state that a new run begins with.
        writer: of a new run, or of one that goes on.
        progress: told about each step.
        begin: the step that the state of a new run is that of.
    """
    started = time.perf_counter()
    done = 0
    status, outcome = "failed", dict[str, Any]()
    try:
        done = _begin(training, writer, begin)
        with _interruptible() as interrupts:
            for measured in () if _is_over(training, writer) else _steps(training, done):
                done = measured.step
                _take(training, writer, progress, measured)
                if interrupts.asked:
                    break
            finished = done == training.total_steps or not interrupts.asked
        status = "finished" if finished else "interrupted"
        outcome = _closing(training, writer, done, finished)
    except OpgraphError as error:
        outcome = {"error": error.headline}
        raise
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    except BaseException as error:
        outcome = {"error": f"{type(error).__name__}: {error}"}
        raise
    finally:
        seconds = round(time.perf_counter() - started, 3)
        writer.end(writer.info.ended(status, steps=done, seconds=seconds, **outcome))


def _begin(training: Training, writer: RunWriter, begin: int) -> int:
    """The first keyframe of a new run, or the state of the last one of an old run; its step."""
    if writer.start is None:
        writer.keyframe(training.keyframe(begin))
        return begin
    training.restore(writer.start)
    return writer.start.step


def _is_over(training: Training, writer: RunWriter) -> bool:
    """Whether a run is taken up at the very step at which early stopping ended it."""
    return writer.start is not None and training.is_over


def _steps(training: Training, done: int) -> Generator[Measured]:
    """The steps behind those that are done; what TensorFlow raises is explained."""
    step = done
    try:
        for measured in training.run(done + 1):
            yield measured
            step = measured.step
    except FAILURES as error:
        raise explain(error, training.built, step + 1) from error


def _take(
    training: Training, writer: RunWriter, progress: Progress | None, measured: Measured
) -> None:
    """Write one step down, tell about it, and see whether the training may go on."""
    row = measured.row
    writer.add(row)
    if progress is not None:
        seconds, total = row.host["step_time"], training.total_steps
        accuracy = measured.figures.get("accuracy")
        progress.on_step(measured.step, total, measured.loss, accuracy, seconds)
    if training.recipe.stop_on_nan and not math.isfinite(measured.loss):
        raise _not_finite(training, measured)
    if measured.is_best:
        write_best(writer.path, training.keyframe(measured.step))
    if _is_keyframe(training, measured.step):
        writer.keyframe(training.keyframe(measured.step))


def _is_keyframe(training: Training, step: int) -> bool:
    return training.recipe.keyframes.is_due(step, training.total_steps)


def _closing(training: Training, writer: RunWriter, done: int, finished: bool) -> dict[str, Any]:
    """The last keyframe, and the test of a training that was finished."""
    if not _is_keyframe(training, done):
        writer.keyframe(training.keyframe(done))
    if not finished:
        return {}
    found: dict[str, Any] = {}
    best = read_best(writer.path)
    if best is not None:
        found["best_step"] = best.step
    stopping = training.controllers.early_stopping
    is_best = best is not None and stopping is not None and stopping.restore_best
    if best is not None and is_best:
        training.restore(best)
    core, averages = training.step.core, dict[str, str]()
    if training.recipe.ema is not None:
        optimizer = core.optimizer
        averages = averages_of(training.built, optimizer, core.slots)
        optimizer.finalize_variable_values(training.built.model.trainable_variables)
    found["network"] = {"best": is_best, "averages": averages}
    if training.data.test.size:
        found["test"] = evaluate(training.built, training.data.test).as_dict()
    return found


def _not_finite(training: Training, measured: Measured) -> TraceError:
    node = first_nonfinite(training.survey, measured.row)
    where = f"; the first node whose output is not finite is {node!r}" if node else ""
    return TraceError(
        f"the loss is {measured.loss}{where}",
        where=f"step {measured.step}",
        node=node,
        hint="try a smaller learning rate; the run holds every step up to this one",
    )


@contextmanager
def _interruptible() -> Generator[Interrupts]:
    """Turn Ctrl-C and SIGTERM into a wish that is granted at the end of the step."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def wish(number: int, _frame: object) -> None:
        if interrupts.asked and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second time, at once
        interrupts.asked = True

    kept = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
