"""Which charts the page has of the whole run, found by the record's table of quantities.

Owns which quantities of a step belong into one chart; a quantity that none names gets into the
last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from opgraph.record import Survey


class Panel(NamedTuple):
    """A chart of numbers of the whole run.

    Attributes:
        key: what it is called in the catalogues of words.
        names: its quantities.
    """

    key: str
    names: tuple[str, ...]


def choose_panels(survey: Survey, measured: Iterable[str]) -> list[Panel]:
    """The charts of a run.

    Args:
        survey: what it measures; knows which names are those of metrics.
        measured: full names of the quantities that have a value.
    """
    left = [name.removeprefix("steps.") for name in measured if name.startswith("steps.")]
    validated = [f"val_{name}" for name in survey.validated]
    losses = ["loss", "data_loss", "regularization", *(f"loss_{head}" for head in survey.heads)]
    metrics = list(survey.metrics)
    sides = {
        "loss": [*losses, *(n for n in validated if n.removeprefix("val_") not in metrics)],
        "metrics": [*metrics, *(n for n in validated if n.removeprefix("val_") in metrics)],
        "gradient": ["grad_norm", "clipped_grad_norm"],
        "rate": ["learning_rate"],
        "time": ["step_time", "input_time"],
    }
    named = {name for names in sides.values() for name in names}
    sides["more"] = [name for name in left if name not in named]
    chosen = {key: tuple(f"steps.{n}" for n in names if n in left) for key, names in sides.items()}
    return [Panel(key, names) for key, names in chosen.items() if names]
