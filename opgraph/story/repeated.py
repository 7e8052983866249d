"""A row of an Embedding that was looked up several times: what Keras's optimizers make of it.

Keras hands an optimizer one gradient for each place where a token stands. Where it adds gradients
that is their sum; where it squares them, it adds the squares (`keras.ops.square` of the
`tf.IndexedSlices`), which is not the square of the sum.
"""

from __future__ import annotations

import numpy as np

from opgraph.story.formula import Expr, Num, Sum, square
from opgraph.story.terms import LARGEST
from opgraph.story.view import Index, NodeView

DENSE = ("clipnorm", "clipvalue", "global_clipnorm")  # what is told of them starts from the sum


def apart(view: NodeView, weight: str, at: Index) -> list[float]:
    """The gradients of an element that the optimizer gets one by one; empty where it gets one.

    Parts of a batch and a regulariser are added to a gradient without gaps before.
    """
    facts = view.step.facts
    together = facts.accumulate > 1 or any(facts.settings.get(name) for name in DENSE)
    held = getattr(view.op, "embeddings_regularizer", None)
    if (view.kind, weight) != ("Embedding", "embeddings") or together or held:
        return []
    token, column = at
    found: list[float] = []
    for user in view.users:
        if user.grad is not None:
            places = np.argwhere(user.read() == token)
            found += [float(user.grad[(*place, column)]) for place in places]
    return found if len(found) > 1 else []


def squares(gradients: list[float]) -> Expr:
    """The sum of squares, the largest written out."""
    order = sorted(gradients, key=abs, reverse=True)
    terms: list[Expr] = [square(Num(value)) for value in order[:LARGEST]]
    rest = order[LARGEST:]
    if rest:
        terms.append(Num(sum(value * value for value in rest), f"Σ {len(rest)}"))
    return Sum(tuple(terms))
