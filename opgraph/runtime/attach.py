"""Measuring inside `model.fit`: what is put in place of a model's own methods, and taken back.

Owns which models can be attached to, and as far as what; the order of things in a `fit`. Must not
know how a graph is read from a model: whoever calls says so.
"""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import keras
import tensorflow as tf

from opgraph.errors import OpgraphError, TraceError
from opgraph.graph import OpGraph
from opgraph.record import check_free, parse_measure
from opgraph.runtime.environment import prepare_grappler
from opgraph.runtime.fit_core import make_fit_core
from opgraph.runtime.fit_record import Choices, FitRecord
from opgraph.runtime.fit_step import FitStep
from opgraph.runtime.kernels import reductions
from opgraph.runtime.live import built_of, function_of, opaque_built
from opgraph.runtime.lookout import replaced
from opgraph.runtime.stepping import Stepping

ReadGraph = Callable[[Any, bool], tuple[OpGraph, Mapping[str, Any]]]
MARK = "_opgraph_attached"


class Attachment:
    """A model whose `fit` writes a run.

    Attributes:
        model: the user's model.
        choices: what is measured and where it is written.
        record: the run; None before the first step.
    """

    def __init__(
        self,
        model: Any,
        choices: Choices,
        read_graph: ReadGraph,
        notify: Callable[[str], object] | None = None,
    ) -> None:
        """Put the measured step in place.

        Args:
            model: the user's model; it may be compiled and built later.
            choices: what is measured and where it is written.
            read_graph: the graph of a model and its JSON form; told whether the model has one.
            notify: told what the user should know, one line each.

        Raises:
            RunError: the directory cannot take a run.
            TraceError: the model is attached to already, or measures cannot be read.
        """
        if hasattr(model, MARK):
            raise TraceError(
                "the model is attached already", where=str(model.name), hint="detach() it first"
            )
        check_free(choices.path, overwrite=choices.overwrite)
        self.measure = parse_measure(choices.measure, choices.sites)
        self.model = model
        self.choices = choices
        self.record: FitRecord | None = None
        self._read_graph = read_graph
        self._notify = notify or (lambda _: None)
        self._step: FitStep | None = None
        self._epoch: int | None = None
        self._index = 0
        self._interval = 0
        self._stepping = Stepping()
        prepare_grappler()
        self._undo = ExitStack()
        self._undo.enter_context(replaced(model, MARK, True))
        self._undo.enter_context(replaced(model, "fit", self._fit(model.fit)))
        make = self._make(model.make_train_function)
        self._undo.enter_context(replaced(model, "make_train_function", make))
        model.train_function = None

    def detach(self) -> None:
        """Give the model its own methods back, and end the run."""
        self._undo.close()
        self.model.train_function = None
        if self.record is not None:
            self.record.end("finished")

    def _make(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(force: bool = False) -> Any:
            model = self.model
            if model.train_function is None or force or not _is_ours(model.train_function):
                check_step(model)
                if self._step is not None:
                    self._step.forget()
                model.train_function = self._train
            return model.train_function

        return made

    def _prepared(self, iterator: Any) -> Any:
        """Make the measured step of the model as it is compiled now; the iterator, as it was."""
        model = self.model
        if self._step is not None and self._step.core.optimizer is model.optimizer:
            return iterator
        if self.record is not None and self.record.started:
            raise TraceError(
                "was compiled with another optimizer since the run began",
                where=str(model.name),
                hint="detach, and attach to another directory",
            )
        iterator = make_ready(model, iterator)
        reason = why_weights_only(model)
        functional = function_of(model) is not None
        graph, graph_json = self._read_graph(model, functional)
        built = built_of(model, graph) if functional else opaque_built(model, graph)
        core = make_fit_core(model, built, whole=reason is None)
        self._step = FitStep(core, self.measure, reductions(self.choices.statistics))
        self.record = FitRecord(self.choices, self._step, graph_json, reason)
        if reason is not None:
            self._notify(f"only weights are measured: {reason}")
        if self._step.reductions.notice:
            self._notify(self._step.reductions.notice)
        return iterator

    def _train(self, iterator: Any) -> Any:
        """What `fit` calls for each batch."""
        iterator = self._prepared(iterator)
        assert self._step is not None
        assert self.record is not None
        first = self.record.first_state()
        started = time.perf_counter()
        with self._stepping:
            taken = self._step.take(iterator, self.record.step + 1)
            host = {
                "epoch": self._epoch,
                "index": self._index,
                "batch_size": taken.size,
                "micro_batches": 1,
                "calls": self.record.step + 1,
                "step_time": time.perf_counter() - started,
                "input_time": None,
                "fingerprint": taken.fingerprint,
                "time": datetime.now(UTC),
            }
            empty = dict.fromkeys(f"val_{name}" for name in self._step.survey.validated)
            self.record.add(taken, host | empty, first)
            self._index += 1
            if self._interval and self.record.step % self._interval == 0:
                self.record.keep_state()
        return taken.logs

    def _fit(self, fit: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(fit)

        def fitted(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            callbacks: Any = given.arguments.get("callbacks")
            with self._heard(callbacks) as heard:
                given.arguments["callbacks"] = heard
                return fit(*given.args, **given.kwargs)

        return fitted

    @contextmanager
    def _heard(self, callbacks: Any) -> Generator[Any]:
        """The user's callbacks and ours."""
        own = _Callback(self)
        with self._recorded(), self._stepping.interruptible():
            if not isinstance(callbacks, keras.callbacks.CallbackList):
                alone = isinstance(callbacks, keras.callbacks.Callback)
                yield [*([callbacks] if alone else callbacks or ()), own]
                return
            told: list[Any] = callbacks.callbacks
            told.append(own)
            try:
                yield callbacks
            finally:
                told.remove(own)

    @contextmanager
    def _recorded(self) -> Generator[None]:
        """End the run with the `fit`, however that ends."""
        status, outcome = "failed", dict[str, Any]()
        try:
            yield
            status = "finished"
        except (KeyboardInterrupt, SystemExit):
            status = "interrupted"
            raise
        except OpgraphError as error:
            outcome = {"error": error.headline}
            raise
        except BaseException as error:
            outcome = {"error": f"{type(error).__name__}: {error}"[:500]}
            raise
        finally:
            if self.record is not None:
                self.record.end(status, **outcome)

    def on_epoch(self, epoch: int | None) -> None:
        """An epoch begins."""
        self._epoch, self._index = epoch, 0

    def plan(self, total: int | None) -> None:
        """How many steps a `fit` has, if that is known."""
        policy = self.choices.policy
        self._interval = policy.interval(total) if total else policy.every or 0

    def validated(self, logs: Mapping[str, Any]) -> None:
        """An epoch ends, with these figures."""
        if self.record is None:
            return
        self.record.validated(logs)
        if not self._interval:
            self.record.keep_state()


class _Callback(keras.callbacks.Callback):
    """Tells an attachment where `fit` is."""

    def __init__(self, attachment: Attachment) -> None:
        super().__init__()
        self._attachment = attachment

    def on_train_begin(self, logs: Any = None) -> None:
        known: Mapping[str, Any] = self.params or {}
        epochs, steps = known.get("epochs"), known.get("steps")
        self._attachment.plan(epochs * steps if epochs and steps else None)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._attachment.on_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._attachment.validated(logs or {})


def _is_ours(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), Attachment)


def make_ready(model: Any, iterator: Any) -> Any:
    """Let Keras make weights, losses, metrics and slots before the step is traced.

    It would else make them in the middle of the first step, which is traced twice for it. Gives
    back the iterator, with the batch that was looked at in front.
    """
    spec = getattr(iterator, "element_spec", None)
    parts = keras.tree.flatten(spec)
    if spec is None or not all(isinstance(part, tf.TensorSpec | None) for part in parts):
        if isinstance(iterator, tf.data.Iterator):
            return iterator
        spec = next(iterator)
        iterator = itertools.chain([spec], iterator)
    model._symbolic_build(data_batch=spec)
    return iterator


def check_step(model: Any) -> None:
    """Refuse a model whose steps cannot be measured as they are compiled.

    Raises:
        TraceError: in one line, with what to do.
    """
    if not model.compiled or model.optimizer is None:
        raise TraceError(
            "has no optimizer", where=str(model.name), hint="compile(optimizer=..., loss=...) it"
        )
    if model.jit_compile:
        raise TraceError(
            "is compiled by XLA, in which no node can be seen without other bits",
            where=str(model.name),
            hint="compile(..., jit_compile=False); or opgraph.trace(model, data, jit=True)",
        )
    if model.steps_per_execution > 1:
        raise TraceError(
            f"takes {model.steps_per_execution} steps in one call, of which only the last is seen",
            where=str(model.name),
            hint="compile(..., steps_per_execution=1)",
        )
    if model._distribute_strategy is not None:
        name = type(model._distribute_strategy).__name__
        raise TraceError(
            f"was made under {name}, whose replicas take their steps apart",
            where=str(model.name),
            hint="make the model outside of a distribution strategy",
        )


def why_weights_only(model: Any) -> str | None:
    """Why the nodes of a model cannot be seen; None if they can."""
    kind = type(model).__name__
    if function_of(model) is None:
        return f"{kind} keeps its graph in Python code"
    if "train_step" in vars(model) or _differs(model, "train_step"):
        return f"{kind} has a train_step of its own"
    if not type(model).call.__module__.startswith("keras."):
        return f"{kind} has a call of its own"
    if type(model.optimizer).apply_gradients is not keras.optimizers.Optimizer.apply_gradients:
        return f"{type(model.optimizer).__name__} has an apply_gradients of its own"
    return None


def _differs(model: Any, name: str) -> bool:
    return getattr(type(model), name) is not getattr(keras.Model, name)
