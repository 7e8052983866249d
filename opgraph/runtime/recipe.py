"""How a network is trained: everything a user may choose, checked.

Owns defaults and limits; knows neither graphs nor data, and needs neither TensorFlow nor Keras
until an optimizer is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict, cast

from opgraph.errors import TraceError, suggest
from opgraph.runtime.choice import is_number, read_choice
from opgraph.runtime.class_weights import ClassWeights, checked
from opgraph.runtime.controllers import Controllers, make_controllers

DEFAULT_STEPS = 300
LossSpec = str | Callable[..., Any]
Precision = Literal["mixed_float16", "mixed_bfloat16"]
Statistics = Literal["auto", "kernel", "tensorflow"]
COUNTS = ("steps", "epochs", "batch_size", "accumulate", "keyframe_every", "keep_keyframes")
POSITIVE = ("learning_rate", "clip_value", "clip_norm", "clip_global_norm")
SHARES = ("label_smoothing", "ema")
SWITCHES = ("jit", "stop_on_nan")
WORDS = ("sites", "augment", "freeze", "weights", "keep_best")
ONE_OF: dict[str, tuple[str | None, ...]] = {
    "precision": (None, "mixed_float16", "mixed_bfloat16"),
    "statistics": ("auto", "kernel", "tensorflow"),
}


class Settings(TypedDict, total=False):
    """The fields of a `Recipe`, as keyword arguments."""

    steps: int | None
    epochs: int | None
    batch_size: int
    accumulate: int
    seed: int
    order_seed: int | None
    optimizer: str
    learning_rate: float
    schedule: str | None
    weight_decay: float | None
    clip_value: float | None
    clip_norm: float | None
    clip_global_norm: float | None
    ema: float | None
    loss: LossSpec | Mapping[str, LossSpec] | None
    loss_weights: Mapping[str, float] | None
    class_weights: ClassWeights | None
    label_smoothing: float
    metrics: Sequence[str] | Mapping[str, Sequence[str]]
    weights: str | None
    freeze: str | None
    precision: Precision | None
    jit: bool
    augment: str | None
    validate_every: Literal["epoch"] | int | None
    validation_share: float
    early_stopping: str | int | None
    keep_best: str | None
    measure: Sequence[str]
    sites: str | None
    statistics: Statistics
    keyframe_every: int | None
    keep_keyframes: int | None
    stop_on_nan: bool


@dataclass(frozen=True)
class Recipe:
    """What is chosen about a training.

    Attributes:
        steps: optimizer updates; 300 when neither steps nor epochs are given.
        epochs: passes over the data, instead of steps.
        batch_size: examples in a batch.
        accumulate: parts that a batch is taken in, one after another, for a single update.
        seed: of weights, dropout and data order.
        order_seed: of the data order and the changes to examples alone, instead of `seed`.
        optimizer: its name, with arguments if wanted (see `optimizer.OPTIMIZERS`).
        learning_rate: the highest one of the schedule.
        schedule: `cosine(warmup=50)`, ... (see `schedules`), or `constant` (or None).
        weight_decay: share of each weight, times the learning rate, that an update takes away.
        clip_value: no element of a gradient is larger than this.
        clip_norm: no gradient of a weight is longer than this.
        clip_global_norm: all gradients together are not longer than this.
        ema: momentum of a moving average of the weights, kept beside them.
        loss: a name, a function, or one of them for each output; what suits the end if left out.
        loss_weights: what the loss of each output is multiplied by.
        class_weights: `balanced`, or a factor for each class id.
        label_smoothing: share of certainty taken from the right class.
        metrics: names, or names for each output.
        weights: file or run to take weights from before the first step.
        freeze: globs of nodes whose weights stay as they are.
        precision: `mixed_float16` or `mixed_bfloat16`; float32 when left out.
        jit: compile the core of the step with XLA.
        augment: what is done to examples at random.
        validate_every: `epoch` or a number of steps between two passes over held-out examples.
        validation_share: share of the training examples that is held out for validation.
        early_stopping: `5`, or `patience=5, monitor=val_accuracy, restore_best=true`.
        keep_best: the figure by which the best state is kept.
        measure: presets and quantities that are measured.
        sites: globs of nodes that are measured; all when left out.
        statistics: what computes them.
        keyframe_every: steps between two full states; a tenth of the training when left out.
        keep_keyframes: how many full states are kept; all when left out.
        stop_on_nan: end when the loss is not a finite number.
    """

    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 32
    accumulate: int = 1
    seed: int = 0
    order_seed: int | None = None
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    schedule: str | None = "cosine"
    weight_decay: float | None = None
    clip_value: float | None = None
    clip_norm: float | None = None
    clip_global_norm: float | None = None
    ema: float | None = None
    loss: LossSpec | Mapping[str, LossSpec] | None = None
    loss_weights: Mapping[str, float] | None = None
    class_weights: ClassWeights | None = None
    label_smoothing: float = 0.0
    metrics: Sequence[str] | Mapping[str, Sequence[str]] = ()
    weights: str | None = None
    freeze: str | None = None
    precision: Precision | None = None
    jit: bool = False
    augment: str | None = None
    validate_every: Literal["epoch"] | int | None = None
    validation_share: float = 0.2
    early_stopping: str | int | None = None
    keep_best: str | None = None
    measure: Sequence[str] = ("default",)
    sites: str | None = None
    statistics: Statistics = "auto"
    keyframe_every: int | None = None
    keep_keyframes: int | None = None
    stop_on_nan: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", self.schedule or "constant")
        for name in ("metrics", "measure"):
            object.__setattr__(self, name, _frozen(getattr(self, name), name))
        _check_numbers(self)
        _check_words(self)
        _check_together(self)
        self.controllers()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """A recipe from plain data.

        Raises:
            TraceError: a field is unknown or has a wrong value.

        >>> Recipe.from_dict({"steps": 5, "class_weights": {"0": 2}}).class_weights
        {0: 2.0}
        """
        known = field_names()
        for name in values:
            if name not in known:
                raise TraceError("there is no such setting", where=name, hint=suggest(name, known))
        return cls(**cast("Any", values))

    def total_steps(self, batches_per_epoch: int) -> int:
        """Optimizer updates in the whole training.

        >>> Recipe(epochs=3).total_steps(5)
        15
        """
        if self.epochs:
            return self.epochs * batches_per_epoch
        return self.steps or DEFAULT_STEPS

    def keyframe_interval(self, total_steps: int) -> int:
        """Steps between two keyframes."""
        return self.keyframe_every or max(1, -(-total_steps // 10))

    def make_optimizer(self, total_steps: int) -> Any:
        """The Keras optimizer."""
        from opgraph.runtime.optimizer import make_optimizer

        return make_optimizer(
            self.optimizer,
            self.learning_rate,
            self.schedule,
            total_steps,
            weight_decay=self.weight_decay,
            clip={name: getattr(self, name) for name in POSITIVE if name.startswith("clip")},
            ema=self.ema,
        )

    def objective_options(self) -> dict[str, Any]:
        """What `choose_objective` is told."""
        return {
            "losses": self.loss,
            "metrics": self.metrics,
            "loss_weights": self.loss_weights,
            "class_weights": self.class_weights,
            "label_smoothing": self.label_smoothing,
        }

    def controllers(self) -> Controllers:
        """What decides between steps, at its beginning."""
        return make_controllers(
            schedule=self.schedule or "constant",
            early_stopping=self.early_stopping,
            keep_best=self.keep_best,
            validate_every=self.validate_every,
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; a function is named, not kept."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def field_names() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(field.name for field in fields(Recipe))


def defaults() -> dict[str, Any]:
    """What holds where nothing is said."""
    return Recipe().as_dict()


def _check_numbers(recipe: Recipe) -> None:
    _check(recipe, COUNTS, "a positive number", lambda x: _is_count(x) and x >= 1)
    _check(recipe, ("seed", "order_seed"), "a whole number", _is_count)
    _check(recipe, POSITIVE, "a positive number", lambda x: is_number(x) and x > 0)
    _check(recipe, ("weight_decay",), "a number from 0 on", lambda x: is_number(x) and x >= 0)
    _check(
        recipe,
        ("validation_share",),
        "a number between 0 and 1",
        lambda x: is_number(x) and 0 < x < 1,
    )
    _check(recipe, SHARES, "a number from 0 up to below 1", lambda x: is_number(x) and 0 <= x < 1)
    _check(recipe, SWITCHES, "true or false", lambda x: isinstance(x, bool))
    _check(
        recipe,
        ("validate_every",),
        "epoch or a positive number of steps",
        lambda x: x == "epoch" or (_is_count(x) and x >= 1),
    )


def _check_words(recipe: Recipe) -> None:
    _check(recipe, WORDS, "a text", lambda x: isinstance(x, str) and bool(x.strip()))
    for name, known in ONE_OF.items():
        value = getattr(recipe, name)
        if value not in known:
            words = [word for word in known if word]
            raise TraceError(
                f"expected one of {', '.join(words)}, received {value!r}",
                where=name,
                hint=suggest(str(value), words),
            )
    for name in ("optimizer", "schedule"):
        read_choice(getattr(recipe, name), name)
    if isinstance(recipe.class_weights, Mapping):
        object.__setattr__(recipe, "class_weights", checked(recipe.class_weights))
    elif recipe.class_weights not in (None, "balanced"):
        raise TraceError(
            f"expected balanced or factors such as 0=1,1=3, received {recipe.class_weights!r}",
            where="class_weights",
        )


def _check_together(recipe: Recipe) -> None:
    if recipe.steps and recipe.epochs:
        raise TraceError("steps and epochs exclude each other", where="steps")
    if recipe.accumulate > recipe.batch_size:
        raise TraceError(
            f"a batch of {recipe.batch_size} cannot be taken in {recipe.accumulate} parts",
            where="accumulate",
        )
    clipped = [name for name in POSITIVE[1:] if getattr(recipe, name) is not None]
    if len(clipped) > 1:
        raise TraceError(f"{' and '.join(clipped)} exclude each other", where=clipped[0])
    if recipe.early_stopping is not None and not str(recipe.early_stopping).strip():
        raise TraceError("expected a patience, such as 5, received nothing", where="early_stopping")


def _check(
    recipe: Recipe, names: Iterable[str], expected: str, fits: Callable[[Any], bool]
) -> None:
    """Refuse what does not fit; fields that may be left out are None then."""
    for name in names:
        value = getattr(recipe, name)
        may_be_none = type(recipe).__dataclass_fields__[name].default is None
        if value is None and may_be_none:
            continue
        if not fits(value):
            raise TraceError(f"expected {expected}, received {value!r}", where=name)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _frozen(value: Any, name: str) -> Any:
    """Several names as a tuple, or as a table of tuples."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, Mapping):
        return {str(key): _frozen(item, name) for key, item in value.items()}
    names = tuple(value) if isinstance(value, Iterable) else (value,)
    wrong = [item for item in names if not isinstance(item, str)]
    if wrong:
        raise TraceError(f"expected names, received {wrong[0]!r}", where=name)
    return names


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if callable(value):
        return f"custom:{getattr(value, '__qualname__', type(value).__name__)}"
    return value
