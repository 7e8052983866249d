"""What stands in the box of a node: rows of texts, measured, then set at a common width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

from opgraph.analysis import NodeFacts
from opgraph.render.attributes import ShownAttr, defining_attrs
from opgraph.render.cleaning import clean
from opgraph.render.marks import Mark
from opgraph.render.metrics import shorten, text_width
from opgraph.render.scene import Item, Rect, Shape, Text
from opgraph.render.theme import TYPE
from opgraph.render.wording import count_text, shape_text

LEFT, RIGHT, BETWEEN, RUN_GAP = 12.0, 10.0, 14.0, 4.0
FIRST_BASE, ROW, FOOT = 16.0, 15.0, 8.0
LEAST_WIDTH, MOST_WIDTH = 148.0, 264.0
RADIUS, BAR = 6.0, 4.0
INSET = 3.0
MOST_PARTS = 4
REASON_LINES = 5


class Run(NamedTuple):
    """A stretch of text in one kind of type."""

    text: str
    kind: str

    @property
    def width(self) -> float:
        """What it measures."""
        return measure(self.text, self.kind)


class Row(NamedTuple):
    """One line of a card: runs at the left and runs at the right."""

    left: tuple[Run, ...]
    right: tuple[Run, ...] = ()

    @property
    def width(self) -> float:
        """The room it wants between the margins."""
        between = BETWEEN if self.left and self.right else 0.0
        return runs_width(self.left) + between + runs_width(self.right)


@dataclass(frozen=True, slots=True)
class Show:
    """What cards show."""

    shapes: bool = True
    params: bool = True
    attrs: bool = True
    fold_flops: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """The content of a box.

    Attributes:
        rows: from top to bottom.
        compact: one row that stands for all of them where it fits.
        doubled: whether the border is, since the box stands for several nodes.
        category: what colours it: an op's category, `error` or `ghost`.
        notes: rows that stand below, whether the card is compact or not.
        heat: level of a scale that colours it instead of its category.
        mark: what became of the node, which colours it instead of its category.
        width: the width it wants.
        reason: an error, set in lines below the rows.
    """

    rows: tuple[Row, ...]
    category: str
    width: float
    reason: str | None = None
    compact: Row | None = None
    doubled: bool = False
    notes: tuple[Row, ...] = ()
    heat: str | None = None
    mark: str | None = None

    @property
    def look(self) -> str:
        """What the theme knows its fill and border by."""
        if self.heat:
            return f"h-{self.heat}"
        return f"d-{self.mark}" if self.mark else f"c-{self.category}"

    def rows_at(self, width: float) -> tuple[Row, ...]:
        """The rows to be set at a width."""
        if self.compact and self.compact.width <= width - LEFT - RIGHT:
            return (self.compact, *self.notes)
        return (*self.rows, *self.notes)

    def height(self, width: float) -> float:
        """Its height at a width; always even, so that middles are whole pixels."""
        lines = len(self.rows_at(width)) + len(self.reason_lines(width))
        height = FIRST_BASE + (lines - 1) * ROW + FOOT
        return height + height % 2

    def reason_lines(self, width: float) -> list[str]:
        """The error, broken into lines."""
        return wrap(self.reason, width - LEFT - RIGHT, "why") if self.reason else []


@lru_cache(maxsize=65536)
def measure(text: str, kind: str) -> float:
    """The width of a text in a kind of type."""
    size, bold, _, _ = TYPE[kind]
    return text_width(text, size, bold)


def runs_width(runs: Sequence[Run]) -> float:
    """The width of runs with the gaps between them."""
    return sum(run.width for run in runs) + RUN_GAP * max(0, len(runs) - 1)


def node_card(facts: NodeFacts, show: Show, ghost: bool = False) -> Card:
    """The card of a node; `ghost` for one that stands behind an error."""
    rows = _rows(facts, show, ghost)
    quiet = is_quiet(facts) and not facts.error
    if facts.error:
        rows = tuple(Row(_as(row.left, "wrong"), _as(row.right, "why")) for row in rows)
    elif ghost:
        rows = tuple(Row(_as(row.left, "ghost"), _as(row.right, "ghost")) for row in rows)
    widest = MOST_WIDTH if facts.error else LEFT + RIGHT + max(row.width for row in rows)
    return Card(
        rows=rows,
        category="error" if facts.error else "ghost" if ghost else facts.node.kind.category,
        width=min(MOST_WIDTH, max(LEAST_WIDTH, widest)),
        reason=clean(facts.error.problem) if facts.error else None,
        compact=_on_one_line(rows) if quiet or ghost else None,
    )


def with_notes(card: Card, notes: Sequence[tuple[str, str]], heat: str | None) -> Card:
    """The card with a row for each label and value, and in the colour of a level, if any."""
    rows = tuple(
        Row((Run(clean(label), "parts"),), (Run(text, "params"),)) for label, text in notes
    )
    widest = LEFT + RIGHT + max((row.width for row in rows), default=0.0)
    width = min(MOST_WIDTH, max(card.width, widest))
    is_plain = card.category not in ("error", "ghost")
    return replace(card, notes=rows, width=width, heat=heat if is_plain else None)


def with_mark(card: Card, mark: Mark) -> Card:
    """The card of a node of which something became, with the sign for it before its name."""
    if not mark.sign:
        return replace(card, mark=mark.status)
    sign = Run(mark.sign, "name")
    compact = card.compact and card.compact._replace(left=(sign, *card.compact.left))
    rows = (card.rows[0]._replace(left=(sign, *card.rows[0].left)), *card.rows[1:])
    widest = max(card.width, LEFT + RIGHT + rows[0].width)
    return replace(
        card, rows=rows, compact=compact, mark=mark.status, width=min(MOST_WIDTH, widest)
    )


def _as(runs: tuple[Run, ...], kind: str) -> tuple[Run, ...]:
    return tuple(Run(run.text, kind) for run in runs)


def _on_one_line(rows: tuple[Row, ...]) -> Row:
    """All rows as one."""
    return Row(
        tuple(run for row in rows for run in row.left),
        tuple(run for row in rows for run in row.right),
    )


def is_quiet(facts: NodeFacts) -> bool:
    """Whether a node neither learns anything nor changes a shape."""
    same = bool(facts.inputs) and facts.outputs == facts.inputs[:1]
    merged = len(facts.inputs) > 1 and facts.output in facts.inputs
    return not facts.weights and facts.weights is not None and (same or merged)


def _rows(facts: NodeFacts, show: Show, ghost: bool) -> tuple[Row, ...]:
    node = facts.node
    attrs = attr_runs(defining_attrs(node)) if show.attrs else ()
    name, op, label = clean(node.name), node.kind.kind, clean(node.label or "")
    quiet = is_quiet(facts) and not facts.error
    head = Row((Run(name, "quiet" if quiet else "name"),), (Run(op, "op"),))
    hidden = ghost or quiet or facts.error is not None
    shape = shape_runs(facts) if show.shapes and not hidden else ()
    second = (Run(label, "label"),) if label else ()
    if quiet:
        left = (
            (*second, *_muted_shape(facts, bool(second))) if show.shapes and not ghost else second
        )
        return (head, Row(left, attrs)) if left or attrs else (head,)
    rows = [head]
    if second:
        rows.append(Row(second))
    rows += _attr_rows(shape, attrs)
    if show.params and not hidden and facts.weights != {}:
        rows.append(params_row(facts))
    return tuple(rows)


def _muted_shape(facts: NodeFacts, is_second: bool) -> tuple[Run, ...]:
    """The output shapes of a card that should not draw the eye."""
    text = " ".join(run.text for run in shape_runs(facts))
    return (Run(f"· {text}" if is_second else text, "label"),)


def _attr_rows(shape: tuple[Run, ...], attrs: tuple[Run, ...]) -> list[Row]:
    """The shape with the attributes beside it, in as many rows as the widest card needs."""
    rows: list[Row] = []
    left, taken = shape, tuple[Run, ...]()
    for run in attrs:
        if taken and Row(left, (*taken, run)).width > MOST_WIDTH - LEFT - RIGHT:
            rows.append(Row(left, taken))
            left, taken = (), ()
        taken = (*taken, run)
    return [*rows, Row(left, taken)] if left or taken else rows


def attr_runs(attrs: Sequence[ShownAttr]) -> tuple[Run, ...]:
    """Attributes as runs whose type says where they come from."""
    return tuple(
        Run(attr.text if not index else f"· {attr.text}", attr.provenance)
        for index, attr in enumerate(attrs)
    )


def shape_runs(facts: NodeFacts) -> tuple[Run, ...]:
    """The output shapes; that of an input has the provenance of its attribute."""
    is_input = facts.node.kind.category == "input" and "shape" in facts.node.kind.schema()
    kind = facts.node.provenance("shape") if is_input else "given"
    shapes = facts.outputs or (None,)
    texts = [shape_text(shape) for shape in shapes[:3]] + (["…"] if len(shapes) > 3 else [])
    return tuple(Run(t if not i else f"· {t}", kind) for i, t in enumerate(texts))


def params_row(facts: NodeFacts) -> Row:
    """The number of parameters and what it consists of."""
    total = facts.total_params
    shared = facts.node.shares
    if shared is not None:
        return Row((Run(f"shares {clean(shared)}", "params"),))
    left = Run(f"{count_text(total)} {'param' if total == 1 else 'params'}", "params")
    weights = list((facts.weights or {}).values())
    frozen = sum(w.size or 0 for w in weights if not w.trainable)
    parts = [count_text(w.size) for w in weights if w.trainable]
    if len(weights) < 2 or total is None or len(parts) > MOST_PARTS:
        return Row((left,))
    text = " + ".join(parts)
    if frozen:
        text += f" + {count_text(frozen)} not trained" if parts else "not trained"
    return Row((left,), (Run(text, "parts"),))


def wrap(text: str, room: float, kind: str) -> list[str]:
    """Break a text into at most a few lines; what is too long is shortened in the middle."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if line and measure(joined, kind) > room:
            lines.append(line)
            joined = word
        line = joined
    lines.append(line)
    if len(lines) > REASON_LINES:
        lines[REASON_LINES - 1 :] = [" ".join(lines[REASON_LINES - 1 :])]
    size, bold, _, _ = TYPE[kind]
    return [shorten(line, room, size, bold) for line in lines]


# Setting -----------------------------------------------------------------------------------------


def set_card(card: Card, width: float, height: float) -> tuple[Item, ...]:
    """The things to draw, with the origin in the upper left corner of the box."""
    kind = f"box {card.look}"
    box = Rect(0.0, 0.0, width, height, kind, RADIUS)
    items: list[Item] = [box]
    if card.doubled:
        size = width - 2 * INSET, height - 2 * INSET
        items.append(Rect(INSET, INSET, *size, kind, RADIUS - INSET))
    elif card.category not in ("ghost", "opaque") and not card.heat and not card.mark:
        items.append(Shape(bar_data(height), f"b-{card.category}"))
    rows = card.rows_at(width)
    for index, row in enumerate(rows):
        items += _set_row(row, width, FIRST_BASE + index * ROW)
    size = TYPE["why"]
    for index, line in enumerate(card.reason_lines(width), len(rows)):
        measured = text_width(line, size[0], size[1])
        items.append(Text(LEFT, FIRST_BASE + index * ROW, line, "why", measured))
    return tuple(items)


def _set_row(row: Row, width: float, base: float) -> list[Item]:
    left, right = fit(row, width - LEFT - RIGHT)
    items: list[Item] = []
    x = LEFT
    for run in left:
        items.append(Text(x, base, run.text, run.kind, run.width))
        x += run.width + RUN_GAP
    x = width - RIGHT - runs_width(right)
    for run in right:
        items.append(Text(x, base, run.text, run.kind, run.width))
        x += run.width + RUN_GAP
    return items


def fit(row: Row, room: float) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The runs of a row, shortened to the room: the longer side gives way first."""
    if row.width <= room:
        return row.left, row.right
    room -= BETWEEN if row.left and row.right else 0.0
    left, right = runs_width(row.left), runs_width(row.right)
    half = room / 2
    left_room = room - right if right <= half else min(left, half) if left <= half else half
    return _shortened(row.left, left_room), _shortened(row.right, room - min(left, left_room))


def _shortened(runs: tuple[Run, ...], room: float) -> tuple[Run, ...]:
    if runs_width(runs) <= room:
        return runs
    fitted: list[Run] = []
    for index, run in enumerate(runs):
        later = len(runs) - index - 1
        share = (room - RUN_GAP * later) / (later + 1)
        size, bold, _, _ = TYPE[run.kind]
        short = Run(shorten(run.text, max(share, room - _rest(runs, index)), size, bold), run.kind)
        fitted.append(short)
        room -= short.width + RUN_GAP
    return tuple(fitted)


def _rest(runs: tuple[Run, ...], index: int) -> float:
    return sum(run.width + RUN_GAP for run in runs[index + 1 :])


@cache
def bar_data(height: float) -> str:
    """The category bar: a strip along the left edge that follows the round corners."""
    inset = round(RADIUS - (RADIUS**2 - (RADIUS - BAR) ** 2) ** 0.5, 2)
    arc = f"A{RADIUS:g} {RADIUS:g} 0 0 0"
    low = height - RADIUS
    return f"M{BAR:g} {inset}{arc} 0 {RADIUS:g}V{low:g}{arc} {BAR:g} {round(height - inset, 2)}Z"
