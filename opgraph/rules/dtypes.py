"""Rules about the types of numbers."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import View

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


@rule(
    "OG801",
    "float64",
    severity="warning",
    why="It takes twice the memory and, on most accelerators, many times the time; mobile runtimes"
    " have few kernels for it. Networks learn as well in float32. Most often it comes from NumPy,"
    " whose numbers are float64 unless something else is said.",
    fix="Use float32, unless you check gradients or compare with a reference.",
    example=Example(
        bad="x: Input(shape=(8,)) -> hidden: Dense(units=16, dtype=float64) -> relu -> logits",
        good="x: Input(shape=(8,)) -> hidden: Dense(units=16, dtype=float32) -> relu -> logits",
    ),
)
def double_precision(view: View) -> Iterator[Hit]:
    """A node that computes in float64."""
    for name in view.analysis.facts:
        if view.dtype(name) == "float64":
            yield Hit(name, "computes in float64")


@rule(
    "OG802",
    "inputs of different precision",
    severity="warning",
    why="Where two kinds of floating-point numbers meet, one is converted (Keras: to the type"
    " of the"
    " layer): silently, at every step, and perhaps with a loss of precision or range. Other"
    " runtimes"
    " refuse it.",
    fix="Give the layers one dtype policy, or convert on purpose at one place.",
    example=Example(
        bad="x: Input(shape=(8,)) -> a: Dense(units=4, dtype=float16)\n"
        "x -> b: Dense(units=4, dtype=float32)\na, b -> sum: Add",
        good="x: Input(shape=(8,)) -> a: Dense(units=4, dtype=float16)\n"
        "x -> b: Dense(units=4, dtype=float16)\na, b -> sum: Add(dtype=float16)",
    ),
)
def mixed_precision(view: View) -> Iterator[Hit]:
    """A node that reads several floating-point types."""
    for name in view.ops:
        sources = view.sources(name)
        found = {source: view.dtype(source) for source in sources}
        floats = {source: dtype for source, dtype in found.items() if dtype in FLOATS}
        if len(set(floats.values())) > 1:
            read = ", ".join(f"{dtype} from {source!r}" for source, dtype in floats.items())
            yield Hit(name, f"reads {read}")
