"""What may have made the first difference: hypotheses that are tried on the numbers themselves.

Owns the gathering of a node's values and the order of the hypotheses; each hypothesis stands in
`hypotheses`. A cause is named only where the second model's numbers follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from opgraph.errors import OpgraphError
from opgraph.parity.axes import to_first
from opgraph.parity.feeding import Feeds
from opgraph.parity.hypotheses import HYPOTHESES, Case, clipped
from opgraph.parity.model import Cause, Row, Runner
from opgraph.parity.walk import sources_of
from opgraph.record import Array

QUANTISERS = ("QUANTIZE", "QuantizeLinear")
# What is done to images before a network sees them: words and the function.
PREPARED = {
    "divided by 255": lambda x: x / 255.0,
    "multiplied by 255": lambda x: x * 255.0,
    "scaled to -1..1 (x / 127.5 - 1)": lambda x: x / 127.5 - 1.0,
    "scaled from -1..1 to 0..255": lambda x: (x + 1.0) * 127.5,
}


@dataclass
class _Scene:
    left: Runner
    right: Runner
    row: Row
    rows: Mapping[str, Row]
    feed: Feeds
    found: list[Cause] = field(default_factory=list[Cause])


def likely_causes(
    left: Runner, right: Runner, row: Row, rows: Mapping[str, Row], feed: Feeds
) -> Iterator[Cause]:
    """Causes from which the numbers of the first differing node follow, the likeliest first."""
    if row.counterpart is None:
        return
    scene = _Scene(left, right, row, rows, feed)
    yield from _attributes(row)
    case = _case(scene)
    for hypothesis in HYPOTHESES:
        cause = hypothesis(case)
        if cause is not None:
            yield cause
    yield from _quantised(scene)
    yield from _inputs(scene, case)


def _case(scene: _Scene) -> Case:
    name = scene.row.node.name
    reads = tuple(scene.row.node.reads)
    mine = dict(scene.left.run(scene.feed.left, list(dict.fromkeys([name, *reads]))))
    theirs = dict(scene.right.run(scene.feed.right, [scene.row.counterpart.name]))  # type: ignore[union-attr]
    other = to_first(next(iter(theirs.values())), scene.row.axes)
    weights = {w.rsplit("/", 1)[-1]: scene.left.weight(w) for w in scene.row.node.weights}
    return Case(
        kind=scene.row.node.kind,
        attributes=scene.row.node.attributes,
        left=np.asarray(mine[name], np.float64),
        right=np.asarray(other, np.float64).reshape(mine[name].shape),
        reads=[np.asarray(mine[n], np.float64) for n in reads if n in mine],
        weights={key: np.asarray(w, np.float64) for key, w in weights.items()},
    )


def _attributes(row: Row) -> Iterator[Cause]:
    """Attributes that both sides have and that differ."""
    mine = row.node.attributes
    theirs = row.counterpart.attributes if row.counterpart else {}
    for name in mine:
        if name in theirs and _plain(mine[name]) != _plain(theirs[name]):
            yield Cause("attribute", f"{name} is {mine[name]!r}, in the second {theirs[name]!r}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _quantised(scene: _Scene) -> Iterator[Cause]:
    """Ranges that cut off what the node reads, on its way into codes."""
    for row in sources_of(scene.row, scene.left, scene.rows):
        name, source = row.node.name, row.counterpart
        coded = [
            tensor.name
            for tensor in scene.right.tensors.values()
            if source and tensor.kind in QUANTISERS and tensor.reads == (source.name,)
        ]
        for one in coded:
            mine = next(iter(scene.left.run(scene.feed.left, [name])))[1]
            theirs = next(iter(scene.right.run(scene.feed.right, [one])))[1]
            cause = clipped(Case("", {}, np.asarray(mine, np.float64), theirs, [], {}))
            if cause is not None:
                yield Cause(cause.key, f"of {name} the {cause.evidence}")


def _inputs(scene: _Scene, case: Case) -> Iterator[Cause]:
    """What was done to the input, where the node reads nothing else."""
    if any(scene.left.tensors[name].reads for name in scene.row.node.reads):
        return
    for words, feeds in _changed(scene.feed.right):
        other = _again(scene, feeds)
        if other is not None and case.close(case.left, other.reshape(case.left.shape)):
            yield Cause("input", f"equal once the second's input is {words}")


def _changed(feeds: Mapping[str, Array]) -> Iterator[tuple[str, Mapping[str, Array]]]:
    for axis in (-1, 1):
        if all(array.ndim == 4 and array.shape[axis] in (3, 4) for array in feeds.values()):
            turned = {name: _reversed(array, axis) for name, array in feeds.items()}
            yield "given with its channels reversed (RGB for BGR)", turned
    for words, change in PREPARED.items():
        yield words, {name: change(a).astype(a.dtype) for name, a in feeds.items()}


def _reversed(array: Array, axis: int) -> Array:
    order = [2, 1, 0, 3][: array.shape[axis]]
    return np.ascontiguousarray(array.take(order, axis=axis))


def _again(scene: _Scene, feeds: Mapping[str, Array]) -> Array | None:
    name = scene.row.counterpart.name if scene.row.counterpart else ""
    try:
        return to_first(next(iter(scene.right.run(feeds, [name])))[1], scene.row.axes)
    except OpgraphError:
        return None
