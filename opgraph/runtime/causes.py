"""The usual causes of numbers that are not finite, told from what they were made of.

Owns the rules, one function each, the most telling first; must not know how a node was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from opgraph.graph import Node
from opgraph.record import Array, TensorFacts, as_numbers

LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38, "float32": 3.4e38}
HUGE = 1e15
# Where an element is made of many others, not of that at the same place.
MIXING = frozenset({"convolution", "dense", "pooling", "recurrent", "attention"})
GROWN = "the training has diverged: try a smaller learning rate, a warmup, or clip_global_norm=1"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about the place where finite numbers became others.

    Attributes:
        phase: of the step.
        node: the node that did it.
        tensor: the first tensor that is not all finite, by full name.
        array: its numbers.
        read: what it was computed from.
        facts: what there is to say about the tensor.
        about: the same about what it was computed from.
        learning_rate: of the step.
        policy: Keras's dtype policy of the run.
    """

    phase: str
    node: Node
    tensor: str
    array: Array
    read: Mapping[str, Array]
    facts: TensorFacts
    about: Mapping[str, TensorFacts]
    learning_rate: float | None
    policy: str

    @property
    def beside(self) -> Mapping[str, Array]:
        """What it was computed from element by element."""
        if self.node.kind.category in MIXING:
            return {}
        return {n: x for n, x in self.read.items() if x.shape == self.array.shape}

    @property
    def largest(self) -> tuple[str, float]:
        """What it was computed from that has the largest magnitude, and that."""
        sizes = {
            name: max(abs(facts.min or 0.0), abs(facts.max or 0.0))
            for name, facts in self.about.items()
        }
        return max(sizes.items(), key=lambda pair: pair[1], default=("", 0.0))


def usual_causes(evidence: Evidence) -> tuple[str, ...]:
    """The usual causes, the most likely first; there is always one."""
    rules = (_began_broken, _data, _half, _variance, _sign, _loss, _overflow, _update)
    found = [text for rule in rules if (text := rule(evidence)) is not None]
    return tuple(found) or ("no usual cause fits: look at the elements and what they are made of",)


def _began_broken(evidence: Evidence) -> str | None:
    if evidence.phase != "before the step":
        return None
    return f"{evidence.tensor} was broken by an earlier step, or by the weights that were loaded"


def _data(evidence: Evidence) -> str | None:
    if evidence.phase != "forward" or evidence.node.kind.category != "input":
        return None
    return "the data have numbers that are not finite: clean them, or leave these examples out"


def _half(evidence: Evidence) -> str | None:
    """What does not fit into 16 bits."""
    half = evidence.facts.dtype == "float16"
    scaled = evidence.phase == "backward" and evidence.policy == "mixed_float16"
    if scaled:
        return (
            "overflow in float16 on the way back: the loss scale was too large for this step, which"
            " is normal now and then (the step is left out); if it goes on, use mixed_bfloat16"
        )
    if not half:
        return None
    name, size = evidence.largest
    reach = f"; {name} reaches {size:.4g}" if name else ""
    return (
        f"overflow in float16, which ends at {LARGEST['float16']:.0f}{reach}: let the node compute"
        f" in float32 (--set {evidence.node.name}.dtype=float32), scale what enters it, or use"
        " mixed_bfloat16"
    )


def _variance(evidence: Evidence) -> str | None:
    """The root of a variance that is negative."""
    known = {name: np.asarray(x) for name, x in evidence.read.items() if "variance" in name}
    given = getattr(evidence.node.op, "variance", None)
    if given is not None:
        known["its variance"] = np.asarray(given)
    for name, numbers in known.items():
        if evidence.phase == "forward" and bool((as_numbers(numbers) < 0).any()):
            return f"the root of a negative variance: {name} goes down to {numbers.min():.4g}"
    return None


def _sign(evidence: Evidence) -> str | None:
    """Elements that became NaN or infinite are all negative, or all zero, in what was read."""
    if evidence.phase not in ("forward", "backward"):
        return None
    bad = ~np.isfinite(as_numbers(evidence.array))
    for name, array in evidence.beside.items():
        if ".grad" in name or not bad.any():
            continue
        culprits, others = as_numbers(array)[bad], as_numbers(array)[~bad]
        if (culprits < 0).all() and not (others < 0).any():
            return (
                f"a logarithm, root or fractional power of a negative number: every such element"
                f" of {name} is below zero, and no other: keep it above zero (softplus,"
                " a small constant added, a clip)"
            )
        if (culprits == 0).all():
            return (
                f"a logarithm of zero or a division by it: every such element of {name} is 0: add"
                " a small constant"
            )
    return None


def _loss(evidence: Evidence) -> str | None:
    if evidence.phase != "loss":
        return None
    low = min((f.min for f in evidence.about.values() if f.min is not None), default=1.0)
    if low <= 0:
        return (
            f"the loss takes a logarithm of the output, which goes down to {low:.4g}: end the"
            " network in what the loss expects (softmax, sigmoid, softplus), or use another loss"
        )
    return None


def _overflow(evidence: Evidence) -> str | None:
    name, size = evidence.largest
    if size < HUGE:
        return None
    rate = evidence.learning_rate
    of = "" if rate is None else f" (the learning rate is {rate:.4g})"
    return f"overflow: {name} had grown to {size:.4g}{of}; {GROWN}"


def _update(evidence: Evidence) -> str | None:
    if evidence.phase != "update" or evidence.learning_rate is None:
        return None
    return f"the update overflows at a learning rate of {evidence.learning_rate:.4g}; {GROWN}"
