"""A number over the steps of a session.

Owns the series, its small table, and that it is made of single numbers; knows nothing about where
they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opgraph.errors import ExpressionError
from opgraph.record.expression import Expression, Scope, evaluate

ROWS, BAR = 12, 30


@dataclass(frozen=True)
class History:
    """What an expression came to at each step.

    Attributes:
        text: the expression.
        steps: the steps.
        values: one number for each.
    """

    text: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    def __str__(self) -> str:
        chosen = sorted({round(x) for x in np.linspace(0, len(self.steps) - 1, ROWS)})
        values = np.array(self.values, np.float64)[chosen]
        finite = values[np.isfinite(values)]
        least = min(0.0, finite.min()) if finite.size else 0.0
        span = (finite.max() - least if finite.size else 0.0) or 1.0
        lines = [f"{self.text}, steps {self.steps[0]} to {self.steps[-1]}"]
        for row, value in zip(chosen, values, strict=True):
            size = round(BAR * (value - least) / span) if np.isfinite(value) else 0
            lines.append(f"{self.steps[row]:>7}  {value:<12.6g} {'#' * size}".rstrip())
        return "\n".join(lines)


def number_of(expression: Expression, scope: Scope) -> float:
    """What an expression comes to in a step, as a single number.

    Raises:
        ExpressionError: it cannot be answered, or is an array.
    """
    value = np.asarray(evaluate(expression, scope))
    if value.size != 1:
        raise ExpressionError(
            f"is an array of the shape {tuple(value.shape)}, not a number",
            where=expression.text,
            hint="say what of it: mean(...), max(...)",
        )
    return float(value.reshape(-1)[0])
