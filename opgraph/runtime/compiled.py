"""What a compiled Keras model says about its training, in the words of a recipe.

Owns how Keras's optimizers, losses and metrics are called here; a recipe makes them anew, so the
user's own objects stay as they are. Must not know how a model is trained.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

import keras

from opgraph.errors import TraceError
from opgraph.graph import OpGraph
from opgraph.runtime.losses import LOSSES
from opgraph.runtime.optimizer import FIELDS, OPTIMIZERS

METRIC_NAMES: Mapping[str, str] = {
    "acc": "accuracy",
    "accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "binary_accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1_score": "f1",
    "mse": "mse",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mae": "mae",
    "mean_absolute_error": "mae",
    "mape": "mape",
    "mean_absolute_percentage_error": "mape",
    "cosine_similarity": "cosine_similarity",
}
TOP_K = ("sparse_top_k_categorical_accuracy", "top_k_categorical_accuracy")


class Compiled(NamedTuple):
    """What a compiled model says.

    Attributes:
        settings: of a recipe.
        left_out: names of metrics that opgraph has no counterpart for.
    """

    settings: dict[str, Any]
    left_out: tuple[str, ...]


def compiled_settings(model: Any, graph: OpGraph, given: Collection[str] = ()) -> Compiled:
    """Optimizer, loss and metrics of a compiled model, as settings of a recipe.

    Args:
        model: a live model; nothing is said of one that is not compiled.
        graph: its graph.
        given: settings that the user gives, of which nothing is said.

    Raises:
        TraceError: its learning rate follows a schedule of Keras's, or it accumulates gradients:
            both have other words here.
    """
    if not model.compiled:
        return Compiled({}, ())
    found: dict[str, Any] = {}
    left_out: tuple[str, ...] = ()
    if "optimizer" not in given and model.optimizer is not None:
        found |= _optimizer(model.optimizer, given)
    outputs = _outputs(model, graph)
    if "loss" not in given and model.loss is not None:
        found |= _losses(model, outputs)
    if "metrics" not in given:
        metrics, left_out = _metrics(model)
        found |= {"metrics": metrics} if metrics else {}
    return Compiled({n: value for n, value in found.items() if n not in given}, left_out)


def _optimizer(optimizer: Any, given: Collection[str]) -> dict[str, Any]:
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    kind = type(optimizer).__name__
    name = next((key for key, known in OPTIMIZERS.items() if known == (kind, {})), None)
    if name is None:
        raise TraceError(
            f"{kind} is none of opgraph's optimizers",
            where="optimizer",
            hint=f"say another: optimizer={' | '.join(list(OPTIMIZERS)[:6])} | ...",
        )
    config = optimizer.get_config()
    arguments = {
        key: value
        for key, value in config.items()
        if key not in ("name", *FIELDS) and _differs(type(optimizer), key, value)
    }
    found: dict[str, Any] = {"optimizer": _call(name, arguments), **_rate(config, given)}
    for key, field in FIELDS.items():
        if key.startswith(("clip", "global_clip")) and config.get(key) is not None:
            found[field] = config[key]
    if config.get("use_ema"):
        found["ema"] = config["ema_momentum"]
    if config.get("gradient_accumulation_steps") and "accumulate" not in given:
        raise TraceError(
            f"gradient_accumulation_steps={config['gradient_accumulation_steps']} counts batches,"
            " opgraph divides one",
            where="optimizer",
            hint="say batch_size= and accumulate= to trace",
        )
    return found


def _rate(config: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """A constant learning rate."""
    if "learning_rate" in given:
        return {}
    rate = config["learning_rate"]
    if not isinstance(rate, float | int):
        raise TraceError(
            f"the learning rate of the model is a {rate.get('class_name', 'schedule')} of Keras's",
            where="learning_rate",
            hint="say learning_rate= and schedule= to trace, as in schedule='cosine(warmup=50)'",
        )
    return {"learning_rate": float(rate)} | ({} if "schedule" in given else {"schedule": None})


def _outputs(model: Any, graph: OpGraph) -> dict[str, str]:
    """The node of each output, by the name that Keras has for it."""
    sinks = [name for name in graph.sinks if graph[name].kind.category != "input"]
    names: list[str] = getattr(model, "output_names", [])
    if len(set(names)) < len(names):
        names = [str(number) for number in range(len(names))]
    return dict(zip(names, sinks, strict=False))


def _losses(model: Any, outputs: Mapping[str, str]) -> dict[str, Any]:
    loss = model.loss
    if isinstance(loss, list | tuple):
        loss = dict(zip(outputs, cast("Sequence[Any]", loss), strict=False))
    if isinstance(loss, Mapping):
        each = {outputs[n]: _loss(one) for n, one in loss.items() if one is not None}
    elif len(outputs) > 1:
        each = {node: _loss(loss) for node in outputs.values()}
    else:
        one = _loss(loss)
        return {} if one is None else {"loss": one}
    found: dict[str, Any] = {"loss": each}
    weights = (model.get_compile_config() or {}).get("loss_weights")
    if isinstance(weights, list | tuple):
        weights = dict(zip(outputs, cast("Sequence[Any]", weights), strict=False))
    if isinstance(weights, Mapping):
        found["loss_weights"] = {outputs[name]: value for name, value in weights.items()}
    return found


def _loss(loss: Any) -> Any:
    """A loss by its name here, or as the function that it is; None for one to be chosen."""
    if isinstance(loss, str):
        return None if loss.lower() in ("crossentropy", "ce") else _folded(loss)
    if not isinstance(loss, keras.losses.Loss):
        named = getattr(loss, "__name__", "")
        own = str(getattr(loss, "__module__", "")).startswith("keras.")
        return _folded(named) if own and _folded(named) in LOSSES else loss
    kind = type(loss)
    name = next((known.name for known in LOSSES.values() if known.keras == kind.__name__), None)
    config: dict[str, Any] = {**loss.get_config(), **getattr(loss, "_fn_kwargs", {})}
    if name is None or config.get("reduction") not in ("sum_over_batch_size", "mean"):
        return loss
    hidden = ("name", "reduction", "dtype")
    return _call(
        name, {k: v for k, v in config.items() if k not in hidden and _differs(kind, k, v)}
    )


def _folded(name: str) -> str:
    """The name of a loss as the recipe has it: of a class, or of a function."""
    same = {known.keras: known.name for known in LOSSES.values()}
    short = {"mean_squared_error": "mse", "mean_absolute_error": "mae"}
    return same.get(name) or short.get(name, name)


def _metrics(model: Any) -> tuple[list[str], tuple[str, ...]]:
    """Metrics by their names here; those that have none."""
    said = (model.get_compile_config() or {}).get("metrics")
    leaves = _leaves(said)
    known = dict.fromkeys(name for name in map(_ours, leaves) if name is not None)
    return list(known), tuple(_metric_name(one) for one in leaves if _ours(one) is None)


def _ours(one: Any) -> str | None:
    """What a metric of Keras's is called here; None if there is none like it."""
    name = _metric_name(one)
    if name not in TOP_K:
        return METRIC_NAMES.get(name)
    config = cast("Mapping[str, Any]", one).get("config") if isinstance(one, Mapping) else None
    return f"top_{config['k'] if isinstance(config, Mapping) else 5}_accuracy"


def _leaves(said: Any) -> list[Any]:
    if said is None:
        return []
    if isinstance(said, Mapping) and "class_name" not in said:
        return [leaf for one in said.values() for leaf in _leaves(one)]
    if isinstance(said, list | tuple):
        return [leaf for one in cast("Sequence[Any]", said) for leaf in _leaves(one)]
    return [said]


def _metric_name(one: Any) -> str:
    if isinstance(one, Mapping):
        one = one["class_name"] if one["class_name"] != "function" else one["config"]
    text = getattr(one, "__name__", None) or str(one)
    if text.islower():
        return text
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in text).lstrip("_")


def _differs(kind: type, name: str, value: Any) -> bool:
    """Whether an argument is not what the class takes when it is left out."""
    known = inspect.signature(kind).parameters
    if name not in known or value is None or not isinstance(value, int | float | str):
        return False
    return known[name].default != value


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    """A name with its arguments, as a recipe reads it.

    >>> _call("adam", {"beta_1": 0.8, "amsgrad": True})
    'adam(beta_1=0.8, amsgrad=true)'
    """
    if not arguments:
        return name
    words = {key: str(v).lower() if isinstance(v, bool) else v for key, v in arguments.items()}
    return f"{name}({', '.join(f'{key}={value}' for key, value in words.items())})"
