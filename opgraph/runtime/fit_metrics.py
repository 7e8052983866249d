"""What Keras's own loss and metrics say about one batch, while `fit` adds them up over an epoch.

Owns how the figure of a batch is told from a running one without a bit of the running one changed;
must not know what is done with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from opgraph.runtime.lookout import replaced

Tensor = Any
Pair = tuple[Tensor, Tensor]
ROOT = "rmse"  # the record takes the root of metrics that are called so


@dataclass
class Figures:
    """What was seen of one batch.

    Attributes:
        losses: what `compute_loss` gave, each time it was asked.
        data_losses: the part that the labels decide.
        pairs: total and count of each metric, by the id of the metric.
    """

    losses: list[Tensor] = field(default_factory=list[Tensor])
    data_losses: list[Tensor] = field(default_factory=list[Tensor])
    pairs: dict[int, Pair | None] = field(default_factory=dict[int, Pair | None])


@contextmanager
def figures_of(model: Any) -> Generator[Figures]:
    """See what a train step makes of one batch; afterwards the model is as it was."""
    seen = Figures()
    with ExitStack() as stack:
        stack.enter_context(_kept(model, "compute_loss", seen.losses))
        if model._compile_loss is not None:
            stack.enter_context(_kept(model._compile_loss, "call", seen.data_losses))
        for metric in _metrics(model):
            update = _update_of(metric, metric.update_state, seen.pairs)
            stack.enter_context(replaced(metric, "update_state", update))
        yield seen


def named_pairs(model: Any, seen: Figures) -> dict[str, Pair]:
    """Total and count of each metric for the batch, by the name that `fit` shows."""
    if type(model).get_metrics_result is not keras.Model.get_metrics_result:
        return {}
    with ExitStack() as stack:
        for metric in [model._loss_tracker, *_metrics(model)]:
            pair = seen.pairs.get(id(metric))
            stack.enter_context(replaced(metric, "result", lambda pair=pair: pair))
        found: dict[str, Pair | None] = model.get_metrics_result()
    return {name: pair for name, pair in found.items() if pair is not None}


@contextmanager
def _kept(owner: Any, name: str, kept: list[Tensor]) -> Generator[None]:
    """Keep what a method gives."""
    method = getattr(owner, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        if result is not None:
            kept.append(result)
        return result

    with replaced(owner, name, called):
        yield


def _metrics(model: Any) -> list[Any]:
    """Metrics that are Keras's own, each once; the running loss is not one of them."""
    found: dict[int, Any] = {}
    for metric in model.metrics:
        inside = metric.metrics if metric is model._compile_metrics else [metric]
        found |= {id(one): one for one in inside}
    found.pop(id(model._loss_tracker), None)
    return [one for one in found.values() if type(one).__module__.startswith("keras.")]


def _update_of(
    metric: Any, update: Callable[..., Any], pairs: dict[int, Pair | None]
) -> Callable[..., Any]:
    """Add a batch to a metric as ever, and keep what the batch alone comes to."""

    def of_mean(*args: Any, **kwargs: Any) -> None:
        total, count = _read(metric)
        metric.total.assign(0)
        metric.count.assign(0)
        update(*args, **kwargs)
        own = _read(metric)
        pairs[id(metric)] = own if _is_quotient(metric) else _value(metric)
        metric.total.assign(total + own[0])
        metric.count.assign(count + own[1])

    def of_any(*args: Any, **kwargs: Any) -> None:
        before = [tf.convert_to_tensor(variable) for variable in metric.variables]
        metric.reset_state()
        update(*args, **kwargs)
        pairs[id(metric)] = _value(metric)
        for variable, value in zip(metric.variables, before, strict=True):
            variable.assign(value)
        update(*args, **kwargs)

    return of_mean if isinstance(metric, keras.metrics.Mean) else of_any


def _read(metric: Any) -> Pair:
    return tf.convert_to_tensor(metric.total), tf.convert_to_tensor(metric.count)


def _is_quotient(metric: Any) -> bool:
    """Whether a metric is its total over its count."""
    root = isinstance(metric, keras.metrics.RootMeanSquaredError) and metric.name == ROOT
    return root or type(metric).result is keras.metrics.Mean.result


def _value(metric: Any) -> Pair | None:
    """The value of a metric as a pair; None for one that is a list of numbers."""
    result = tf.convert_to_tensor(metric.result())
    if result.shape.rank != 0:
        return None
    value = result * result if metric.name.split("_")[-1] == ROOT else result
    return value, tf.ones_like(value)
