"""Losses by name: which Keras class each is, what labels it wants, and its value on a batch.

Owns the names that a user may write and the form of the labels; what is computed is Keras's. Must
not know graphs, or how several losses are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.runtime.choice import Choice, check_arguments, parameters_of, pick, read_choice
from opgraph.runtime.data import Kind

Tensor = Any
Custom = Callable[[Tensor, Tensor], Tensor]
FORMS = Literal["ids", "one_hot", "flags", "numbers"]
SECTION = "loss"


@dataclass(frozen=True)
class LossKind:
    """One loss that can be asked for by name.

    Attributes:
        name: as the user writes it.
        keras: name of the Keras class.
        form: what the class wants for labels.
        from_logits: whether it can take scores instead of probabilities.
        preset: arguments that are not Keras's default.
    """

    name: str
    keras: str
    form: FORMS
    from_logits: bool = False
    preset: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def kind(self) -> Kind:
        """What the data have to hold for it."""
        kinds: dict[str, Kind] = {"ids": "classes", "one_hot": "classes", "flags": "flags"}
        return kinds.get(self.form, "numbers")

    @property
    def smooths(self) -> bool:
        """Whether it can smooth labels."""
        return "label_smoothing" in {p.name for p in self.parameters}

    @property
    def parameters(self) -> list[Any]:
        """The arguments that a user may give."""
        hidden = ("reduction", "name", "dtype", "axis", "ignore_class")
        return parameters_of(getattr(keras.losses, self.keras), without=hidden)


LOSSES = {
    loss.name: loss
    for loss in (
        LossKind("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "ids", True),
        LossKind("categorical_crossentropy", "CategoricalCrossentropy", "one_hot", True),
        LossKind("categorical_focal_crossentropy", "CategoricalFocalCrossentropy", "one_hot", True),
        LossKind("categorical_hinge", "CategoricalHinge", "one_hot"),
        LossKind("binary_crossentropy", "BinaryCrossentropy", "flags", True),
        LossKind("binary_focal_crossentropy", "BinaryFocalCrossentropy", "flags", True),
        LossKind("hinge", "Hinge", "flags"),
        LossKind("squared_hinge", "SquaredHinge", "flags"),
        LossKind("mse", "MeanSquaredError", "numbers"),
        LossKind("mae", "MeanAbsoluteError", "numbers"),
        LossKind("mape", "MeanAbsolutePercentageError", "numbers"),
        LossKind("msle", "MeanSquaredLogarithmicError", "numbers"),
        LossKind("huber", "Huber", "numbers"),
        LossKind("log_cosh", "LogCosh", "numbers"),
        LossKind("poisson", "Poisson", "numbers"),
        LossKind("kl_divergence", "KLDivergence", "numbers"),
        LossKind("cosine_similarity", "CosineSimilarity", "numbers"),
    )
}
SYNONYMS = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_logarithmic_error": "msle",
    "logcosh": "log_cosh",
    "kld": "kl_divergence",
    "binary_focal": "binary_focal_crossentropy",
    "categorical_focal": "categorical_focal_crossentropy",
}


@dataclass(frozen=True)
class Loss:
    """A loss with its arguments.

    Attributes:
        name: of `LOSSES`; `custom:` and the function's name for a function of the user's.
        arguments: of the Keras class.
        from_logits: whether the output is scores, not probabilities.
        function: the user's own, from labels and output to values, one for each example.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    from_logits: bool = False
    function: Custom | None = None

    def values(self, labels: Tensor, output: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean over the examples; with weights, of the weighted values (divided by their number).

        Labels are class ids, flags or numbers, as the data hold them.
        """
        dtype = "float64" if output.dtype == tf.float64 else "float32"
        if self.function is not None:
            return _mean(tf.cast(self.function(labels, output), dtype), weights)
        form = LOSSES[self.name].form
        loss = self._keras(dtype)
        weighted = {} if weights is None else {"sample_weight": weights}
        if form == "ids":
            return loss(labels, output, **weighted)
        return loss(_formed(labels, output, form, dtype), output, **weighted)

    def _keras(self, dtype: str) -> Any:
        known = LOSSES[self.name]
        arguments = {**known.preset, **self.arguments}
        if known.from_logits:
            arguments["from_logits"] = self.from_logits
        return getattr(keras.losses, known.keras)(**arguments, dtype=dtype)


def read_loss(text: str | Custom, where: str = SECTION) -> Loss:
    """The loss that was meant, with its arguments checked.

    Args:
        text: a name such as `mse` or `huber(delta=2)`, or a function of the user's.
        where: the field it was given for, for messages.

    Raises:
        TraceError: there is no loss or argument of that name.
    """
    if not isinstance(text, str):
        return _custom(text, where)
    if text.startswith("custom:"):
        name = text.removeprefix("custom:")
        raise TraceError(
            f"{name!r} is a Python function, which cannot be named in a file or a command",
            where=where,
            hint="hand it over in Python: opgraph.trace(..., loss=function)",
        )
    choice = read_choice(text, where)
    name = SYNONYMS.get(choice.name.lower()) or pick(choice.name, LOSSES, where)
    known = LOSSES[name]
    check_arguments(Choice(name, choice.arguments), known.parameters, where)
    arguments = dict(choice.arguments)
    from_logits = arguments.pop("from_logits", False)
    return Loss(name, arguments, from_logits)


def _custom(function: Any, where: str) -> Loss:
    if not callable(function):
        raise TraceError(
            f"expected the name of a loss or a function, received {function!r}", where=where
        )
    name = getattr(function, "__qualname__", type(function).__name__)
    return Loss(f"custom:{name}", function=function)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return tf.reduce_mean(values)
    factors: Any = tf.cast(weights, values.dtype)
    for _ in range(values.shape.rank - factors.shape.rank):
        factors = tf.expand_dims(factors, -1)
    return tf.reduce_mean(values * factors)


def _formed(labels: Tensor, output: Tensor, form: str, dtype: str) -> Tensor:
    """Labels in the shape and type of the output."""
    classes = output.shape[-1]
    is_ids = labels.dtype.is_integer and labels.shape.rank == output.shape.rank - 1
    if form in ("one_hot", "numbers") and is_ids and classes != 1:
        return tf.one_hot(labels, classes, dtype=dtype)
    labels = tf.cast(labels, dtype)
    if labels.shape.rank == output.shape.rank - 1 and classes == 1:
        return tf.reshape(labels, tf.shape(output))
    if not labels.shape.is_compatible_with(output.shape):
        raise TraceError(
            f"labels of shape {_shape(labels)} cannot be compared with an output of shape"
            f" {_shape(output)}",
            where=SECTION,
        )
    return labels


def _shape(tensor: Tensor) -> tuple[int | None, ...]:
    return tuple(tensor.shape[1:])
