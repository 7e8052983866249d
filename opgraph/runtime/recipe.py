"""How a network is trained: everything a user may choose, checked.

Owns defaults and limits; knows neither graphs nor data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from opgraph.errors import TraceError
from opgraph.runtime.optimizer import make_optimizer

DEFAULT_STEPS = 300


class Settings(TypedDict, total=False):
    """The fields of a `Recipe`, as keyword arguments."""

    steps: int | None
    epochs: int | None
    batch_size: int
    seed: int
    optimizer: str
    learning_rate: float
    schedule: str | None
    keyframe_every: int | None
    stop_on_nan: bool


@dataclass(frozen=True)
class Recipe:
    """What is chosen about a training.

    Attributes:
        steps: optimizer updates; 300 when neither steps nor epochs are given.
        epochs: passes over the data, instead of steps.
        batch_size: examples in a step.
        seed: of weights, dropout and data order.
        optimizer: its name (see `optimizer.OPTIMIZERS`).
        learning_rate: of the first step.
        schedule: `cosine`, or `constant` (or None).
        keyframe_every: steps between two full states; a tenth of the training when left out.
        stop_on_nan: end when the loss is not a finite number.
    """

    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 32
    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    schedule: str | None = "cosine"
    keyframe_every: int | None = None
    stop_on_nan: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "batch_size", "keyframe_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise TraceError(f"expected a positive number, received {value!r}", where=name)
        if self.steps and self.epochs:
            raise TraceError("steps and epochs exclude each other", where="steps")
        if not 0 < self.learning_rate < float("inf"):
            received = f"received {self.learning_rate!r}"
            raise TraceError(f"expected a positive number, {received}", where="learning_rate")

    def total_steps(self, batches_per_epoch: int) -> int:
        """Optimizer updates in the whole training."""
        if self.epochs:
            return self.epochs * batches_per_epoch
        return self.steps or DEFAULT_STEPS

    def keyframe_interval(self, total_steps: int) -> int:
        """Steps between two keyframes."""
        return self.keyframe_every or max(1, -(-total_steps // 10))

    def make_optimizer(self, total_steps: int) -> Any:
        """The Keras optimizer."""
        return make_optimizer(self.optimizer, self.learning_rate, self.schedule, total_steps)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)
