"""Gradients that are made shorter before an optimizer applies them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import worked
from opgraph.story.formula import Expr, Fraction, Num, evaluate, times
from opgraph.story.model import say
from opgraph.story.opinion import Element, clipped, gradients
from opgraph.story.view import Index, NodeView, StepView, named


def clip_factor(step: StepView) -> float | None:
    """What all gradients are multiplied by when their common norm is clipped."""
    limit = float(step.facts.settings.get("global_clipnorm") or 0)
    if not limit:
        return None
    grads = gradients(step)
    total = math.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in grads))
    return min(1.0, limit / total) if total else 1.0


def tell_clipped(view: NodeView, name: str, at: Index, grad: Array, factor: float | None) -> Any:
    """Tell how a gradient is clipped, and hand back what is applied."""
    value = float(grad[at])
    settings = view.step.facts.settings
    expression: Expr | None = None
    if factor is not None:
        expression = times(Num(value), Num(factor))
        yield say("update.clip_global", limit=float(settings["global_clipnorm"]))
    elif limit := float(settings.get("clipnorm") or 0):
        norm = float(np.sqrt((grad.astype(np.float64) ** 2).sum()))
        yield say("update.clip_norm", limit=limit, norm=norm)
        expression = Fraction(times(Num(value), Num(limit)), Num(max(norm, limit)))
    elif limit := float(settings.get("clipvalue") or 0):
        yield say("update.clip_value", limit=limit)
        expression = Num(min(limit, max(-limit, value)))
    if expression is None:
        return value
    yield worked(
        named(view.owner, f"{name}.clipped", at),
        None,
        expression,
        independent=clipped(Element(view, name, at)),
    )
    return evaluate(expression)
