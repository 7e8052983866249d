"""The life of one number, told: its table, the step in which it changed most, and why.

Owns what is said of it; how a gradient or an update is worked out is the phases' to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from opgraph.analysis import seen_inputs
from opgraph.record import Array
from opgraph.story.backward import tell_backward
from opgraph.story.forward import tell_forward
from opgraph.story.life import Life, Moment
from opgraph.story.model import (
    Block,
    Cell,
    Item,
    Phase,
    Picture,
    Sentence,
    Story,
    Table,
    Worked,
    say,
)
from opgraph.story.update import tell_update
from opgraph.story.view import NodeView, StepView, named

ROWS, BLAMED = 24, 8


def tell_life(life: Life) -> Story:
    """Tell what became of a number, and of the step in which it changed most how it came to that.

    Args:
        life: what was noted.
    """
    step = life.most
    if life.element.weight is None:
        step = replace(step, example=life.element.at[0])
        reasons = _of_output(step)
    else:
        reasons = _of_weight(life, life.element.weight)
    name, kind = str(life.element), step.nodes[life.element.node].kind
    phases = [Phase("life", (Block(name, kind, (_table(life),)),))]
    phases += [
        Phase(phase, (Block(name, kind, tuple(items)),)) for phase, items in reasons if items
    ]
    title = say("follow.title", element=name)
    opening = tuple(_opening(life))
    return Story(
        step.tensors.step, step.example, life.verified, opening, tuple(phases), title=title
    )


def _opening(life: Life) -> Iterator[Item]:
    first, last, peak = life.moments[0], life.moments[-1], life.peak
    if life.element.weight is None:
        yield say(
            "follow.output",
            first=first.step,
            last=last.step,
            before=first.value,
            after=last.value,
        )
        if first.number is not None:
            yield say("follow.others", place=life.element.at[0], number=peak.number)
        if peak.change:
            yield say("follow.jumped", step=peak.step, change=peak.change, value=peak.value)
        yield from _sight(life)
        return
    after = last.value + (last.change or 0.0)
    yield say("follow.weight", first=first.step, last=last.step, before=first.value, after=after)
    if not peak.change:
        yield say("follow.still")
        return
    yield say("follow.moved", step=peak.step, change=peak.change, value=peak.value)
    changes = [moment.change for moment in life.moments if moment.change is not None]
    up, down = sum(x > 0 for x in changes), sum(x < 0 for x in changes)
    yield say("follow.direction", up=up, down=down, all=len(changes))
    known = [moment for moment in life.moments if moment.gradient is not None]
    if known:
        steepest = max(known, key=lambda moment: abs(moment.gradient or 0.0))
        yield say("follow.steepest", step=steepest.step, gradient=steepest.gradient)


def _sight(life: Life) -> Iterator[Item]:
    """What part of the input the number is made from."""
    for source, box in _boxes(life).items():
        yield _said(source, box)
    if any(view.couples for view in _before(life)):
        yield say("follow.coupled")


def _before(life: Life) -> list[NodeView]:
    graph, wanted = life.most.analysis.graph, {life.element.node}
    for name in reversed(graph.order):
        if name in wanted:
            wanted |= {end.node for end in graph.inputs(name)}
    return [life.most.nodes[name] for name in wanted]


def _boxes(life: Life) -> dict[str, tuple[tuple[int, int], ...] | None]:
    at = life.element.at[1:]
    return seen_inputs(life.most.analysis, life.element.node, at[:-1])


def _said(source: str, box: tuple[tuple[int, int], ...] | None) -> Sentence:
    if not box:
        return say("follow.sees_all", source=source)
    parts = " x ".join(f"{low}..{high}" for low, high in box)
    size = " x ".join(str(high - low + 1) for low, high in box)
    return say("follow.sees", source=source, parts=parts, size=size)


def seen_pictures(life: Life) -> list[Picture]:
    """The images that an output's number is made from, each with the part that it sees.

    In the step in which it changed most; inputs that are no images are left out.
    """
    step, found = life.most, list[Picture]()
    for source, box in _boxes(life).items():
        array = step.nodes[source].output[life.element.at[0]]
        if array.ndim != 3:
            continue
        (top, bottom), (left, right) = box or [(0, size - 1) for size in array.shape[:2]]
        window = (top, left, bottom - top + 1, right - left + 1)
        found.append(Picture(_said(source, box), array, window))
    return found


# The table --------------------------------------------------------------------------------------


def _table(life: Life) -> Table:
    shown = _thinned(life)
    is_output = life.element.weight is None
    columns = [say("column.step"), say("column.value"), say("column.grad")]
    columns += [say("follow.slot", name=name) for name in life.slots]
    columns.append(say("column.change"))
    if is_output:
        columns.append(say("column.data"))
    rows = tuple(_row(moment, life.slots, is_output, moment is life.peak) for moment in shown)
    return Table(
        say("follow.table", shown=len(rows), all=len(life.moments)), (*columns, say("follow.mark")),
        rows,
    )  # fmt: skip


def _thinned(life: Life) -> list[Moment]:
    """Few enough rows to be read, evenly, that in which most happened among them."""
    count = len(life.moments)
    places = set(range(count))
    if count > ROWS:
        places = {round(at) for at in np.linspace(0, count - 1, ROWS - 1)}
        places.add(life.moments.index(life.peak))
    return [life.moments[place] for place in sorted(places)]


def _row(moment: Moment, slots: Sequence[str], is_output: bool, is_peak: bool) -> tuple[Cell, ...]:
    known = [moment.value, moment.gradient, *(moment.slots.get(s) for s in slots), moment.change]
    cells: list[Cell] = [str(moment.step), *("" if x is None else x for x in known)]
    if is_output:
        cells.append("" if moment.number is None else str(moment.number))
    return (*cells, "←" if is_peak else "")


# Why --------------------------------------------------------------------------------------------


def _of_weight(life: Life, weight: str) -> Iterator[tuple[str, list[Item]]]:
    step, node = life.most, life.element.node
    items = told_gradient(step, named(node, f"{weight}.grad", life.element.at))
    line = items[-1] if items else None
    each = line.by_example if isinstance(line, Worked) else None
    if each is None and life.peak.gradient is not None:
        each = step.nodes[node].pulled_by_example(weight, life.element.at)
    why: list[Item] = []
    if each is not None:
        why = list(_blamed(step, each))
    elif life.peak.gradient is not None:
        why = [say("follow.untold", kind=step.nodes[node].kind)]
    yield "examples", why
    yield "backward", items
    yield "update", told_update(step, weight)


def told_gradient(step: StepView, name: str) -> list[Item]:
    """What the way back tells of one number: up to its line, from behind the line before."""
    found: list[Item] = []
    for block in tell_backward(step):
        for item in block.items:
            found.append(item)
            if isinstance(item, Worked):
                if item.name == name and block.name == step.only:
                    return found
                found = []
    return []


def told_update(step: StepView, weight: str) -> list[Item]:
    """What is told of the update of one weight of the node that is told."""
    found: list[Item] = []
    here = False
    for block in tell_update(step):
        for item in block.items:
            if isinstance(item, Sentence) and item.key == "update.weight":
                here = item.values["weight"] == weight
            if here:
                found.append(item)
    return found


def _blamed(step: StepView, each: Array) -> Iterator[Item]:
    """The examples of the batch that contributed most to a gradient."""
    order = np.argsort(-np.abs(each), kind="stable")[:BLAMED]
    total, size = float(each.sum()), float(np.abs(each).sum())
    yield say("follow.sum", examples=len(each), total=total, size=size)
    labels = _labels(step)
    columns = [say("column.example"), say("column.data"), say("column.class")]
    columns += [say("follow.part"), say("column.share")]
    rows = tuple(
        (
            f"#{i}",
            "" if step.tensors.indices is None else str(int(step.tensors.indices[i])),
            labels[i] if labels else "",
            float(each[i]),
            float(100 * abs(each[i]) / size) if size else 0.0,
        )
        for i in map(int, order)
    )
    yield Table(say("follow.blamed", shown=len(rows)), tuple(columns), rows)


def _labels(step: StepView) -> list[str]:
    """What the examples are, where that is a class."""
    if not step.tensors.labels:
        return []
    labels: Array = step.tensors.labels[0]
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = np.argmax(labels, axis=1)
    if labels.ndim != 1 or (labels != labels.round()).any():
        return []
    names = step.facts.class_names
    return [names[int(x)] if int(x) < len(names) else str(int(x)) for x in labels]


def _of_output(step: StepView) -> Iterator[tuple[str, list[Item]]]:
    for phase, tell in (("forward", tell_forward), ("backward", tell_backward)):
        items = [item for block in tell(step) if block.name == step.only for item in block.items]
        yield phase, items
