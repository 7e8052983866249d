"""Two models side by side on the same inputs, node by node, in bounded memory.

Owns the passes: fingerprints of one batch, the matching, the measured batches in pieces, the nodes
on their own, and the first that differs. Knows no runtime: both models are `Runner`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from opgraph.errors import ParityError
from opgraph.parity.axes import fitting, to_first, to_second
from opgraph.parity.causes import likely_causes
from opgraph.parity.feeding import Feeds
from opgraph.parity.match import Match, Matcher, fingerprint
from opgraph.parity.measures import Gatherer, Measures, Tolerance, measure
from opgraph.parity.model import Comparison, Row, Runner, Tensor, Verdict
from opgraph.parity.walk import between, sources_of
from opgraph.record import Array

Notify = Callable[[str], object]
BUDGET = 256 * 2**20
UNKNOWN_BYTES = 2**20


@dataclass
class _Side:
    """Both models, and what they are fed."""

    left: Runner
    right: Runner
    feeds: Sequence[Feeds]
    tolerance: Tolerance
    budget: int = BUDGET
    rows: list[Row] = field(default_factory=list[Row])


def compare(
    left: Runner,
    right: Runner,
    feeds: Sequence[Feeds],
    *,
    tolerance: Tolerance | None = None,
    isolate: bool = False,
    budget: int = BUDGET,
    notify: Notify | None = None,
) -> Comparison:
    """Compare two models node by node.

    Args:
        left: the model that is taken as right.
        right: the one that is examined.
        feeds: batches, as each of the two takes them.
        tolerance: what counts as equal.
        isolate: also feed each node of the second the exact inputs of the first.
        budget: bytes of tensors held at once.
        notify: is told what is being done.

    Raises:
        ParityError: a result of the first model has no counterpart in the second.
    """
    side = _Side(left, right, feeds, tolerance or Tolerance(), budget)
    say = notify or (lambda _: None)
    say("matching nodes")
    matcher = _matcher(side)
    matches = matcher.match()
    _check_results(side, matches)
    say(f"comparing {len(matcher.pairs)} pairs over {len(feeds)} batches")
    side.rows = _measured(side, matches)
    if isolate:
        say("feeding each node the inputs of the first model")
        side.rows = _alone(side)
    return _answer(side, matcher)


def _matcher(side: _Side) -> Matcher:
    first = side.feeds[0]
    prints = tuple(
        {
            name: fingerprint(array)
            for chunk in _pieces(runner, runner.tensors, side.budget, first.examples)
            for name, array in runner.run(feed, chunk)
        }
        for runner, feed in ((side.left, first.left), (side.right, first.right))
    )
    return Matcher(side.left, side.right, (prints[0], prints[1]))


def _check_results(side: _Side, matches: Mapping[str, Match]) -> None:
    """Refuse models whose results cannot be laid side by side: nothing could be said of them."""
    lost = [n for n in side.left.outputs if matches[n].name is None and not matches[n].fused]
    if lost:
        raise ParityError(
            f"{', '.join(lost)} of {side.left.title} has no counterpart in {side.right.title}",
            hint="the two seem to be different networks; opgraph diff compares their structure",
        )


def _pieces(
    runner: Runner, names: Iterable[str], budget: int, examples: int
) -> Iterator[list[str]]:
    """Names in pieces whose tensors fit into the budget."""
    piece: list[str] = []
    held = 0
    for name in names:
        size = _bytes(runner.tensors[name], examples)
        if piece and held + size > budget:
            yield piece
            piece, held = [], 0
        piece.append(name)
        held += size
    if piece:
        yield piece


def _bytes(tensor: Tensor, examples: int) -> int:
    if tensor.shape is None:
        return UNKNOWN_BYTES
    known = [examples if axis is None else axis for axis in tensor.shape]
    return 8 * int(np.prod(known, dtype=np.int64))


def _measured(side: _Side, matches: Mapping[str, Match]) -> list[Row]:
    """All rows, with the measures over all batches."""
    pairs = {name: m.name for name, m in matches.items() if m.name is not None}
    gatherers = {name: Gatherer() for name in pairs}
    orders: dict[str, tuple[int, ...] | None] = {}
    for feed in side.feeds:
        for piece in _pieces(side.left, pairs, side.budget // 2, feed.examples):
            theirs = dict(side.right.run(feed.right, [pairs[name] for name in piece]))
            for name, mine in side.left.run(feed.left, piece):
                other = theirs[pairs[name]]
                if name not in orders:
                    orders[name] = _order(mine, other)
                gatherers[name].add(*_aligned(mine, other, orders[name]))
    results = {name: gatherer.result() for name, gatherer in gatherers.items()}
    return [_row(side, name, match, results, orders) for name, match in matches.items()]


def _order(left: Array, right: Array) -> tuple[int, ...] | None:
    """The order of axes in which the two are nearest."""
    orders = list(fitting(left.shape, right.shape))
    if len(orders) < 2:
        return orders[0] if orders else None
    return min(orders, key=lambda order: _noise(to_second(left, order), right))


def _noise(left: Array, right: Array) -> float:
    return float(np.nan_to_num(np.square(np.asarray(left, np.float64) - right)).sum())


def _aligned(left: Array, right: Array, order: tuple[int, ...] | None) -> tuple[Array, Array]:
    """Both with the axes of the first; flat where only the number of elements is the same."""
    other = to_first(right, order)
    if other.shape == left.shape:
        return left, other
    return left.reshape(-1), other.reshape(-1)


def _row(
    side: _Side,
    name: str,
    match: Match,
    results: Mapping[str, Measures],
    orders: Mapping[str, tuple[int, ...] | None],
) -> Row:
    tensor = side.left.tensors[name]
    if match.name is None:
        verdict: Verdict = "fused" if match.fused else "absent"
        other = side.right.tensors[match.fused] if match.fused else None
        return Row(tensor, other, match.found, verdict)
    other = side.right.tensors[match.name]
    bound, words = side.tolerance.limit((tensor.dtype, other.dtype), _scale(tensor, other))
    measures = results[name]
    good = measures.within(bound, _scale(tensor, other) is not None)
    return Row(
        tensor,
        other,
        match.found,
        "equal" if good else "differs",
        axes=orders[name],
        measures=measures,
        limit=words,
    )


def _scale(left: Tensor, right: Tensor) -> float | None:
    return right.scale if right.scale is not None else left.scale


def _alone(side: _Side) -> list[Row]:
    """The rows with the difference that each node makes by itself."""
    by_name = {row.node.name: row for row in side.rows}
    return [_with_alone(side, row, by_name) for row in side.rows]


def _with_alone(side: _Side, row: Row, rows: Mapping[str, Row]) -> Row:
    sources = sources_of(row, side.left, rows)
    if row.measures is None or row.counterpart is None or not sources:
        return row
    feed = side.feeds[0]
    wanted = [row.node.name, *(source.node.name for source in sources)]
    mine = dict(side.left.run(feed.left, list(dict.fromkeys(wanted))))
    given = {
        source.counterpart.name: to_second(mine[source.node.name], source.axes)
        for source in sources
        if source.counterpart is not None
    }
    try:
        other = side.right.isolate(given, row.counterpart.name)
    except ParityError:
        return row
    alone = measure(*_aligned(mine[row.node.name], other, row.axes))
    dtypes = (row.node.dtype, row.counterpart.dtype)
    scale = _scale(row.node, row.counterpart)
    bound, _ = side.tolerance.limit(dtypes, scale)
    good = alone.within(bound, scale is not None)
    return replace(row, alone=alone, alone_verdict="equal" if good else "differs")


def _answer(side: _Side, matcher: Matcher) -> Comparison:
    rows = side.rows
    by_name = {row.node.name: row for row in rows}
    first = _first(side, by_name)
    inside = between(first, side.left, by_name) if first else ()
    taken = set(matcher.pairs.values())
    return Comparison(
        titles=(side.left.title, side.right.title),
        rows=tuple(rows),
        first=first,
        inside=inside,
        causes=tuple(likely_causes(side.left, side.right, first, by_name, side.feeds[0]))
        if first
        else (),
        unmatched=tuple(name for name in side.right.tensors if name not in taken),
        outputs=tuple(by_name[name] for name in side.left.outputs if name in by_name),
        batches=len(side.feeds),
        examples=sum(feed.examples for feed in side.feeds),
    )


def _first(side: _Side, rows: Mapping[str, Row]) -> Row | None:
    """The first row that differs by itself; else the first whose inputs do not differ."""
    wrong = [row for row in rows.values() if row.verdict == "differs"]
    alone = [row for row in wrong if row.alone_verdict == "differs"]
    if alone:
        return alone[0]
    for row in wrong:
        if all(source.verdict == "equal" for source in sources_of(row, side.left, rows)):
            return row
    return wrong[0] if wrong else None
