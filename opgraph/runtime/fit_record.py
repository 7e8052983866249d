"""The run that `model.fit` writes: rows as they come, keyframes, and how it ended.

Owns the directory from the first step of a `fit` to its end, and what the run says about itself;
must not know how a step is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from opgraph.errors import RunError
from opgraph.record import (
    Array,
    Keyframe,
    KeyframePolicy,
    RunInfo,
    RunWriter,
    StepRow,
    fingerprint_of,
    open_run,
)
from opgraph.runtime.environment import (
    machine_facts,
    numeric_flags,
    software_versions,
    thread_settings,
)
from opgraph.runtime.fit_step import FitStep, Taken
from opgraph.runtime.state import averages_of, named_variables

Statistics = Literal["auto", "kernel", "tensorflow"]
NOT_REPLAYABLE = "its batches came from model.fit, which keeps no data"


@dataclass(frozen=True)
class Choices:
    """What a user may choose about an attachment.

    Attributes:
        path: the run directory.
        measure: presets and quantities that are measured.
        sites: globs of nodes that are measured; all when left out.
        keyframe_every: steps between two full states; a tenth of a `fit` when left out.
        keep_keyframes: how many full states are kept; all when left out.
        overwrite: replace a run that the directory holds.
        statistics: what computes them: `auto`, `kernel` or `tensorflow`.
    """

    path: Path
    measure: str | tuple[str, ...] = "default"
    sites: str | None = None
    keyframe_every: int | None = None
    keep_keyframes: int | None = None
    overwrite: bool = False
    statistics: Statistics = "auto"

    @property
    def policy(self) -> KeyframePolicy:
        """Which keyframes are kept."""
        return KeyframePolicy(self.keyframe_every, self.keep_keyframes)


class FitRecord:
    """One run, over any number of calls of `fit`.

    Attributes:
        step: the last step that was taken.
        started: whether the run directory is there.
    """

    def __init__(
        self,
        choices: Choices,
        step: FitStep,
        graph_json: Mapping[str, Any],
        reason: str | None,
    ) -> None:
        self._choices = choices
        self._fit_step = step
        self._graph_json = graph_json
        self._reason = reason
        self._writer: RunWriter | None = None
        self._pending: tuple[StepRow, Keyframe | None] | None = None
        self._state_of = -1  # the step of the last keyframe
        self._seconds = 0.0
        self.step = 0
        self.started = False
        self._cursor = {"epoch": 0, "index": 0}

    @property
    def is_open(self) -> bool:
        """Whether the run is being written."""
        return self._writer is not None

    def first_state(self) -> Keyframe | None:
        """The state before the first step; None if the run has begun."""
        return None if self.started else self._state()

    def add(self, taken: Taken, host: Mapping[str, Any], first: Keyframe | None) -> None:
        """Take the numbers of a step; they are written when the next one comes."""
        if self._writer is None:
            self._open(first)
        self._let_go()
        self.step += 1
        self._seconds += host["step_time"]
        self._cursor = {"epoch": host["epoch"] or 0, "index": (host["index"] or 0) + 1}
        row = StepRow(taken.packed, taken.layout, {"step": self.step, **host})
        self._pending = row, None

    def keep_state(self) -> None:
        """Keep the full state after the step that was taken last."""
        if self._pending is not None and self._state_of != self.step:
            self._state_of = self.step
            self._pending = self._pending[0], self._state()

    def validated(self, logs: Mapping[str, Any]) -> None:
        """Note the figures of a validation with the step before it."""
        if self._pending is None:
            return
        row, keyframe = self._pending
        names = [f"val_{name}" for name in self._fit_step.survey.validated]
        found = {name: float(logs[name]) for name in names if name in logs}
        self._pending = StepRow(row.packed, row.layout, {**row.host, **found}), keyframe

    def end(self, status: Any, **outcome: Any) -> None:
        """Write what is left, and how it ended."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        if status == "finished":
            outcome |= self._averages()
        try:
            if self._state_of != self.step and status != "failed":
                self.keep_state_now(writer)
            self._let_go(writer)
        finally:
            seconds = round(self._seconds, 3)
            writer.end(writer.info.ended(status, steps=self.step, seconds=seconds, **outcome))

    def _averages(self) -> dict[str, Any]:
        """Where the moving averages are that `fit` gives the weights at its end, if it does."""
        core = self._fit_step.core
        averages = averages_of(core.built, core.optimizer, core.slots)
        return {"network": {"best": False, "averages": averages}} if averages else {}

    def keep_state_now(self, writer: RunWriter) -> None:
        """Keep the last state, also where its row is written already."""
        if self._pending is not None:
            self.keep_state()
        else:
            self._state_of = self.step
            writer.keyframe(self._state())

    def _let_go(self, writer: RunWriter | None = None) -> None:
        writer = writer or self._writer
        if self._pending is None or writer is None:
            return
        (row, keyframe), self._pending = self._pending, None
        writer.add(row)
        if keyframe is not None:
            writer.keyframe(keyframe)

    def _open(self, first: Keyframe | None) -> None:
        choices = self._choices
        if self.started:
            self._writer = self._reopened()
            return
        self._writer = RunWriter(
            choices.path,
            self._info(),
            self._graph_json,
            self._fit_step.survey,
            overwrite=choices.overwrite,
            policy=choices.policy,
        )
        self.started = True
        if first is not None:
            self._writer.keyframe(first)
            self._state_of = 0

    def _reopened(self) -> RunWriter:
        """The same run, for another `fit`."""
        path = self._choices.path
        if self._state_of != self.step or open_run(path).keyframe_steps[-1] != self.step:
            raise RunError(
                f"the run failed after step {self.step}, and the model has changed since",
                where=str(path),
                hint="detach, and attach to another directory",
            )
        survey = self._fit_step.survey
        return RunWriter.resume(
            path, survey, extend=True, versions=software_versions(), policy=self._choices.policy
        )

    def _state(self) -> Keyframe:
        return Keyframe(self.step, self.arrays(), dict(self._cursor))

    def arrays(self) -> dict[str, Array]:
        """Copies of all variables of model and optimizer, by name."""
        core = self._fit_step.core
        known = named_variables(core.built, core.optimizer)
        mine = {id(variable) for variable in known.values()}
        more = [v for v in core.model.variables if id(v) not in mine]
        known |= {f"more/#{number:04d}/{v.path}": v for number, v in enumerate(more)}
        return {name: np.array(variable.numpy()) for name, variable in known.items()}

    def _info(self) -> RunInfo:
        step, core = self._fit_step, self._fit_step.core
        return RunInfo(
            config=self._config(),
            command="",
            graph_fingerprint=fingerprint_of(self._graph_json),
            data={"spec": None, "origin": "model.fit"},
            seed=0,
            batch_signature=tuple(step.signatures),
            dtype_policy=str(core.model.dtype_policy.name),
            versions=software_versions(),
            machine=machine_facts(),
            threads=thread_settings(),
            flags={**numeric_flags(), "eager": bool(core.model.run_eagerly)},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            measure=step.measure.as_dict(),
            statistics=step.reductions.name,
            replayable=False,
            replayable_reason=NOT_REPLAYABLE,
        )

    def _config(self) -> dict[str, Any]:
        core, survey = self._fit_step.core, self._fit_step.survey
        return {
            "attached": True,
            "level": "nodes" if core.whole else "weights",
            "level_reason": self._reason,
            "compile": plain(core.model.get_compile_config()),
            "optimizer_config": plain(keras.optimizers.serialize(core.optimizer)),
            "metrics": list(survey.metrics),
            "logs": list(self._fit_step.log_names),
        }


def plain(value: Any) -> Any:
    """A configuration as JSON can hold it; what it has no word for is named."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return getattr(value, "__qualname__", None) or type(value).__name__
