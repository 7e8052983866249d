"""What if: a run that begins with the exact state of another one after a step, and goes on changed.

Owns what may be changed in the middle of a training, and how the state of the one becomes that of
the other. A branch is a run like any other: it is resumed and replayed from its own directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opgraph.errors import RunError, TraceError, suggest
from opgraph.graph import OpGraph, zeroed
from opgraph.record import (
    Array,
    Keyframe,
    Record,
    RunInfo,
    RunWriter,
    check_free,
    open_run,
)
from opgraph.runtime.data import Data
from opgraph.runtime.environment import adopt_threads, differences
from opgraph.runtime.recipe import Recipe
from opgraph.runtime.replay import Replay, replayed_recipe
from opgraph.runtime.state import named_variables
from opgraph.runtime.tracing import Progress, describe, recipe_of, record_steps, tell
from opgraph.runtime.training import Training, prepare

Notify = Callable[[str], object]
SECTION = "branch"
ALIASES = {"lr": "learning_rate"}
CHANGEABLE = (
    *("learning_rate", "schedule", "optimizer", "weight_decay", "clip_value", "clip_norm"),
    *("clip_global_norm", "order_seed", "freeze", "augment", "label_smoothing", "steps"),
)
OF_THE_RATE = ("learning_rate", "schedule")
RATE = "learning_rate"
# What a new optimizer takes over: how many updates there were, and the scale of the loss.
COUNTERS = ("iteration", "step_counter", "dynamic_scale")


@dataclass(frozen=True)
class Changes:
    """What a branch does otherwise than its parent.

    Attributes:
        settings: fields of the recipe, with their new values.
        zero: globs of nodes whose outputs are multiplied by 0.
    """

    settings: Mapping[str, Any]
    zero: str | None = None

    @property
    def new_optimizer(self) -> bool:
        """Whether the optimizer begins anew."""
        return "optimizer" in self.settings

    @property
    def new_rate(self) -> bool:
        """Whether the learning rate is another one."""
        return any(name in self.settings for name in OF_THE_RATE)

    def recipe(self, parent: Recipe) -> Recipe:
        """The recipe of the branch; nodes that the parent froze stay frozen."""
        given = dict(self.settings)
        if parent.freeze and given.get("freeze"):
            given["freeze"] = f"{parent.freeze}, {given['freeze']}"
        if "steps" in given:
            given["epochs"] = None
        return replace(parent, **given)

    def as_dict(self, parent: Recipe) -> dict[str, Any]:
        """Old and new values, for `run.json`."""
        old, new = parent.as_dict(), self.recipe(parent).as_dict()
        found: dict[str, Any] = {name: [old[name], new[name]] for name in self.settings}
        return found if self.zero is None else {**found, "zero": [None, self.zero]}


def changes_from(settings: Mapping[str, Any], zero: str | None = None) -> Changes:
    """Check what is to be changed.

    Raises:
        TraceError: it cannot be changed in the middle of a training.
    """
    named = {ALIASES.get(name, name): value for name, value in settings.items()}
    for name in named:
        if name not in CHANGEABLE:
            raise TraceError(
                f"{name!r} cannot be changed in the middle of a training",
                where=SECTION,
                hint=suggest(name, CHANGEABLE) or f"what can: {', '.join(CHANGEABLE)}",
            )
    return Changes(named, zero)


def branch(
    record: Record,
    network: OpGraph,
    data: Data,
    *,
    step: int,
    changes: Changes,
    run_dir: str | Path,
    to_json: Callable[[OpGraph], Mapping[str, Any]],
    progress: Progress | None = None,
    notify: Notify | None = None,
    begun: Callable[[OpGraph], object] | None = None,
    overwrite: bool = False,
    command: str | Sequence[str] = "",
) -> Record:
    """Train on from the state of a run after a step, with something changed.

    Args:
        record: the run.
        network: its graph.
        data: its data.
        step: the last step that both have in common; it is computed again where no full state of it
            is kept.
        changes: what is done otherwise; nothing gives the same bits again.
        run_dir: the directory of the new run.
        to_json: the graph as JSON data.
        progress: told about each step.
        notify: told what the user should know, one line each.
        begun: called with the graph when the run directory stands, before the first step.
        overwrite: replace a run that the directory holds.
        command: the command that makes the run again.

    Raises:
        OpgraphError: the run cannot be made again, has no such step, or a change does not fit;
            nothing is written then.
    """
    path = Path(run_dir)
    _check_place(record, path, overwrite)
    _check_step(record, step)
    replayed_recipe(record, data)
    parent = recipe_of(record.info)
    graph = network if changes.zero is None else zeroed(network, changes.zero)
    adopt_threads(record.info.threads)
    training = _prepared(graph, data, changes.recipe(parent), record.info)
    _check_length(training, step)
    keyframe = _state_after(record, network, data, step, notify)
    graph_json = to_json(graph)
    entry = _parent_entry(record, step, changes.as_dict(parent))
    info = replace(describe(training, graph_json, command), parent=entry)
    take_over(training, keyframe, changes)
    with _writer(training, info, graph_json, path, overwrite) as writer:
        tell(notify, training, writer)
        _tell_changes(notify, changes)
        if begun is not None:
            begun(graph)
        record_steps(training, writer, progress, step)
    return open_run(path)


def _prepared(graph: OpGraph, data: Data, recipe: Recipe, parent: RunInfo) -> Training:
    """The training of the branch; weights that the parent began with are in its state already."""
    if parent.statistics == "tensorflow":
        recipe = replace(recipe, statistics="tensorflow")
    training = prepare(graph, data, replace(recipe, weights=None))
    return replace(training, recipe=recipe)


def _parent_entry(record: Record, step: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What `run.json` says about where a branch comes from."""
    fingerprint = record.info.fingerprint
    facts = {"path": str(record.path), "fingerprint": fingerprint, "step": step}
    return {**facts, "changes": dict(changes)}


def take_over(training: Training, keyframe: Keyframe, changes: Changes) -> None:
    """Put a training into the state of another one, as far as the changes leave it.

    Variables of the optimizer go by their names, since freezing a node takes some of them away. A
    new optimizer begins with empty slots; the count of updates goes on, and with it the schedule.

    Raises:
        RunError: the state is that of another network.
    """
    variables = named_variables(training.built, training.step.core.optimizer)
    arrays: dict[str, Array] = {name: variable.numpy() for name, variable in variables.items()}
    stored = _by_word(keyframe.arrays)
    for name, word in _words(arrays).items():
        found = stored.get(word)
        if found is None or found.shape != arrays[name].shape:
            continue
        if _is_taken(word.rpartition("#")[0], changes):
            arrays[name] = found
    own = {name: array for name, array in keyframe.arrays.items() if name.startswith("model/")}
    kept = {name: array for name, array in arrays.items() if not name.startswith("model/")}
    training.restore(replace(keyframe, arrays={**own, **kept}))


def _is_taken(word: str, changes: Changes) -> bool:
    """Whether a variable of the optimizer goes on as it was."""
    own = word.removeprefix("optimizer/")
    if changes.new_optimizer:
        return own in COUNTERS
    return not (changes.new_rate and own == RATE)


def _words(names: Mapping[str, Any]) -> dict[str, str]:
    """Names of variables without the numbers that depend on the others; which of several alike."""
    seen: dict[str, int] = {}
    found: dict[str, str] = {}
    for name in names:
        owner, _, rest = name.partition("/")
        word = f"{owner}/{rest.rpartition('/')[2]}"
        found[name] = f"{word}#{seen.get(word, 0)}"
        seen[word] = seen.get(word, 0) + 1
    return found


def _by_word(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of a keyframe by the same words; in it they stand by number."""
    ordered = dict(sorted(arrays.items()))
    return {word: arrays[name] for name, word in _words(ordered).items()}


def _check_place(record: Record, path: Path, overwrite: bool) -> None:
    if path.resolve() == record.path.resolve():
        raise RunError("a branch needs a directory of its own", where=str(path))
    check_free(path, overwrite=overwrite)


def _check_length(training: Training, step: int) -> None:
    if step >= training.total_steps:
        raise TraceError(
            f"the branch would have {training.total_steps} steps, of which {step} are over",
            where=SECTION,
            hint="say more steps",
        )


def _check_step(record: Record, step: int) -> None:
    first, last = record.info.first_step, record.last_step
    if not first <= step <= last:
        raise RunError(
            f"the run has no state after step {step}; it has those from {first} to {last}",
            where=str(record.path),
        )


def _state_after(
    record: Record,
    network: OpGraph,
    data: Data,
    step: int,
    notify: Notify | None,
) -> Keyframe:
    """The full state after a step: a keyframe, or computed again and compared with the record."""
    if step in record.keyframe_steps:
        _tell_lines(
            notify, (f"the run was recorded otherwise: {x}" for x in differences(record.info))
        )
        return record.keyframe(step)
    replay = Replay(record, network, data, notify=notify)
    replay.go_to(step)
    return replay.training.keyframe(step)


def _writer(
    training: Training, info: RunInfo, graph: Mapping[str, Any], path: Path, overwrite: bool
) -> RunWriter:
    policy = training.recipe.keyframes
    return RunWriter(path, info, graph, training.survey, overwrite=overwrite, policy=policy)


def _tell_changes(notify: Notify | None, changes: Changes) -> None:
    lines = {
        "the new optimizer begins with empty slots; its count of updates goes on": (
            changes.new_optimizer
        ),
        "new order of the data: some examples of this epoch come twice, others not at all": (
            "order_seed" in changes.settings
        ),
    }
    _tell_lines(notify, (line for line, is_so in lines.items() if is_so))


def _tell_lines(notify: Notify | None, lines: Iterable[str]) -> None:
    if notify is not None:
        for line in lines:
            notify(line)
