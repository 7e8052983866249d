"""The network before any step: how large it is, what it was trained on, and each node by itself."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.analysis import Analysis
from opgraph.ops import Shape
from opgraph.story.catalogue import read_catalogue
from opgraph.story.families.activation import function_name
from opgraph.story.initial import count_params
from opgraph.story.lesson.formulas import family, formula_of
from opgraph.story.lesson.model import LessonFacts, NodePart
from opgraph.story.model import Cell, Item, Sentence, Table, say
from opgraph.story.view import NodeView, StepView

# Layers that may apply a function to their result.
FUSED = ("Conv", "ConvTranspose", "Dense", "DepthwiseConv", "EinsumDense", "SeparableConv")


def tell_overview(analysis: Analysis, facts: LessonFacts) -> Iterator[Item]:
    """What the network is, what it was trained on, and the table of its shapes."""
    totals = analysis.totals
    yield say(
        "lesson.size",
        nodes=len(analysis.graph),
        params=str(totals.params),
        trained=str(totals.trainable),
        flops=str(totals.flops),
    )
    known = facts.examples is not None
    yield say("lesson.data" if known else "lesson.data_only", data=facts.data,
              examples=facts.examples)  # fmt: skip
    yield say("lesson.training", steps=facts.steps, batch=facts.batch, first=facts.losses[0],
              last=facts.losses[-1])  # fmt: skip
    if facts.accuracy is not None:
        yield say("lesson.accuracy", share=100 * facts.accuracy)
    yield _shapes(analysis)


def _shapes(analysis: Analysis) -> Table:
    columns = tuple(say(f"column.{name}") for name in ("node", "op", "output", "params"))
    rows = tuple(
        (name, facts.node.kind.kind, shape_of(facts.output), _params(facts.total_params))
        for name, facts in analysis.facts.items()
    )
    return Table(say("lesson.shapes"), columns, rows)


def _params(count: int | None) -> Cell:
    return "?" if count is None else f"{count:,}" if count else ""


def shape_of(shape: Shape | None) -> str:
    """A shape as people write it; `?` for what is not known.

    >>> shape_of((32, None, 3)), shape_of(())
    ('32 × ? × 3', '1')
    """
    if shape is None:
        return "?"
    return " × ".join("?" if size is None else str(size) for size in shape) or "1"


def tell_nodes(step: StepView) -> Iterator[NodePart]:
    """Each node: what its op does, what goes in and comes out, how many numbers it learns.

    What an op does is said once; later nodes refer to the first one that does the same.
    """
    first: dict[tuple[str, str], str] = {}
    for name, view in step.nodes.items():
        owns = bool(view.facts.weights) and view.owner == name
        alike = first.setdefault((view.kind, _function(view)), name)
        yield NodePart(
            name,
            view.kind,
            view.node.label,
            (*(_described(view) if alike == name else (say("lesson.like", node=alike),)),
             *_passing(view)),
            formula_of(view.op) if alike == name else None,
            count_params(view) if owns else None,
        )  # fmt: skip


def _function(view: NodeView) -> str:
    """What a layer does with its results, besides what it is named after."""
    named = view.kind == "Activation" or family(view.kind) in FUSED
    return function_name(view) if named else "linear"


def _described(view: NodeView) -> Iterator[Sentence]:
    key = f"op.{family(view.kind)}"
    if key in read_catalogue("en").sentences:
        yield say(f"op.{family(view.kind)}")
    else:
        yield say("lesson.summary", summary=view.node.kind.summary)
    if _function(view) != "linear":
        yield say("lesson.function", function=_function(view))


def _passing(view: NodeView) -> Iterator[Sentence]:
    """What goes in and comes out, and whose weights are used."""
    before = " + ".join(shape_of(shape) for shape in view.facts.inputs)
    after = " + ".join(map(shape_of, view.facts.outputs))
    if before:
        yield say("forward.shapes", before=before, after=after)
    else:
        yield say("lesson.enters", shape=after)
    if view.owner != view.name:
        yield say("lesson.shares", owner=view.owner)
