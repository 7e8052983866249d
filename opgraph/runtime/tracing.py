"""Train a network and record every node at every step in a run directory.

Owns how a run begins and ends: what is written first, when a keyframe is taken, and what is left
behind when the loss is no number or the user interrupts.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Unpack

import keras

from opgraph.errors import OpgraphError, TraceError
from opgraph.graph import OpGraph
from opgraph.record import Record, RunInfo, RunWriter, check_free, fingerprint_of, open_run
from opgraph.runtime.builder import Built
from opgraph.runtime.data import Data
from opgraph.runtime.environment import (
    machine_facts,
    numeric_flags,
    software_versions,
    thread_settings,
)
from opgraph.runtime.evaluation import evaluate
from opgraph.runtime.recipe import Recipe, Settings
from opgraph.runtime.training import (
    Measured,
    Training,
    batch_like,
    batch_sizes,
    dtype_policy,
    first_nonfinite,
    prepare,
)


class Progress(Protocol):
    """Who wants to hear about each step."""

    def on_step(
        self, step: int, total: int, loss: float, accuracy: float, seconds: float
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
    overwrite: bool = False,
    command: str = "",
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
    layout = training.step.layout
    writer = RunWriter(path, info, graph_json, layout, overwrite=overwrite)
    _record(training, writer, progress)
    return open_run(path)


def describe(training: Training, graph_json: Mapping[str, Any], command: str = "") -> RunInfo:
    """What `run.json` says about a training before it begins."""
    objective, data = training.step.core.objective, training.data
    loss = {"name": objective.loss, "from_logits": objective.from_logits}
    signature = tuple(
        [{"shape": list(x.shape), "dtype": x.dtype.name} for x in batch_like(data, size)]
        for size in batch_sizes(training)
    )
    return RunInfo(
        config={
            **training.recipe.as_dict(),
            "total_steps": training.total_steps,
            "optimizer_config": keras.optimizers.serialize(training.step.core.optimizer),
            "loss": {**loss, "output": str(objective.endpoint), "reason": objective.reason},
        },
        command=command,
        graph_fingerprint=fingerprint_of(graph_json),
        data={
            **data.description,
            "class_names": list(data.class_names),
            "fingerprint": data.fingerprint,
        },
        seed=training.recipe.seed,
        batch_signature=signature,
        dtype_policy=dtype_policy(),
        versions=software_versions(),
        machine=machine_facts(),
        threads=thread_settings(),
        flags=numeric_flags(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _record(training: Training, writer: RunWriter, progress: Progress | None) -> None:
    """Take all steps and write them down; however it ends, the run can be read."""
    started = time.perf_counter()
    done = 0
    status, outcome = "failed", dict[str, Any]()
    try:
        writer.keyframe(training.keyframe(0))
        with _interruptible() as interrupts:
            for measured in training.run():
                done = measured.step
                _take(training, writer, progress, measured)
                if interrupts.asked:
                    break
        finished = done == training.total_steps
        status = "finished" if finished else "interrupted"
        outcome = _closing(training, writer, done)
    except OpgraphError as error:
        outcome = {"error": error.headline}
        raise
    except BaseException as error:
        outcome = {"error": f"{type(error).__name__}: {error}"}
        raise
    finally:
        seconds = round(time.perf_counter() - started, 3)
        writer.end(writer.info.ended(status, steps=done, seconds=seconds, **outcome))


def _take(
    training: Training, writer: RunWriter, progress: Progress | None, measured: Measured
) -> None:
    """Write one step down, tell about it, and see whether the training may go on."""
    writer.add(measured.packed, measured.host)
    if progress is not None:
        seconds = measured.host["step_time"]
        total = training.total_steps
        progress.on_step(measured.step, total, measured.loss, measured.accuracy, seconds)
    if training.recipe.stop_on_nan and not math.isfinite(measured.loss):
        raise _not_finite(training, measured)
    interval = training.recipe.keyframe_interval(training.total_steps)
    if measured.step % interval == 0:
        writer.keyframe(training.keyframe(measured.step))


def _closing(training: Training, writer: RunWriter, done: int) -> dict[str, Any]:
    """The last keyframe, and the test of a training that was finished."""
    if done % training.recipe.keyframe_interval(training.total_steps):
        writer.keyframe(training.keyframe(done))
    if done < training.total_steps:
        return {}
    tested = evaluate(training.built, training.data.test)
    return {"test": tested.as_dict()}


def _not_finite(training: Training, measured: Measured) -> TraceError:
    node = first_nonfinite(training.step.layout, measured.packed)
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
