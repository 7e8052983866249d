"""What stands in the box of a fold, and what its tooltip lists."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.analysis import FoldFacts
from opgraph.render.captions import sum_text
from opgraph.render.card import (
    LEAST_WIDTH,
    LEFT,
    MOST_WIDTH,
    RIGHT,
    Card,
    Row,
    Run,
    Show,
)
from opgraph.render.cleaning import clean
from opgraph.render.wording import UNKNOWN, count_text, shape_text, si_text

BETWEEN_NAMES = " … "
SHAPES_SHOWN, NODES_LISTED = 2, 60


def fold_title(facts: FoldFacts) -> str:
    """What it is called, and how many blocks more it stands for: `+N more`, or the same `×N`."""
    return _with_blocks(facts.fold.name, facts)


def _with_blocks(name: str, facts: FoldFacts) -> str:
    return f"{clean(name)} {blocks_text(facts)}".rstrip()


def short_name(name: str) -> str:
    """A name made of two, the second without what both begin with.

    >>> short_name("block_3_dw … block_3_dw_act"), short_name("conv … bn"), short_name("block_3")
    ('block_3_dw … dw_act', 'conv … bn', 'block_3')
    """
    first, between, last = name.partition(BETWEEN_NAMES)
    same = next((i for i, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1),
                min(len(first), len(last)))  # fmt: skip
    return f"{first}{between}{last[first[:same].rfind('_') + 1 :]}"


def blocks_text(facts: FoldFacts) -> str:
    """How many blocks it stands for, with a blank behind it; nothing if it is one."""
    if facts.shares:
        return f"(×{len(facts.fold.units):,}) "
    return f"+{facts.more:,} more " if facts.more else ""


def fold_card(facts: FoldFacts, show: Show) -> Card:
    """The card of a fold: its name and size, the shapes at its doors, its totals, its ops."""
    nodes = len(facts.fold.nodes)
    rows = [
        Row(
            (Run(_with_blocks(short_name(facts.fold.name), facts), "name"),),
            (Run(f"{nodes:,} nodes", "op"),),
        )
    ]
    if facts.fold.like:
        whose = "the same weights as" if facts.shares else "as"
        alike = "each" if facts.more else "built"
        rows.append(Row((Run(f"{alike} {whose} {clean(facts.fold.like)}", "label"),)))
    if show.shapes:
        rows.append(Row((Run(doors_text(facts), "given"),)))
    if show.params:
        none = facts.totals.params.value == facts.totals.params.unknown == 0
        params = () if none else (Run(params_total(facts), "params"),)
        flops = (Run(flops_total(facts), "parts"),) if show.fold_flops else ()
        rows += [Row(params, flops)] if params or flops else []
    if show.attrs:
        rows.append(Row((_ops_run(facts),)))
    widest = LEFT + RIGHT + max(row.width for row in rows)
    width = min(MOST_WIDTH, max(LEAST_WIDTH, widest))
    return Card(tuple(rows), "fold", width, doubled=True)


def _ops_run(facts: FoldFacts) -> Run:
    """As many of the ops as fit into the widest card."""
    for most in range(len(facts.ops), 0, -1):
        run = Run(ops_text(facts, most), "parts")
        if run.width <= MOST_WIDTH - LEFT - RIGHT:
            return run
    return Run(ops_text(facts, 1), "parts")


def doors_text(facts: FoldFacts) -> str:
    """The shapes that come in and go out."""
    sides = (facts.entries, facts.exits)
    texts: list[str] = []
    for side in sides:
        shapes = [shape_text(shape) for shape in side.values()]
        more = [f"+{len(shapes) - SHAPES_SHOWN}"] if len(shapes) > SHAPES_SHOWN else []
        texts.append(", ".join(shapes[:SHAPES_SHOWN] + more) or UNKNOWN)
    return " → ".join(texts)


def params_total(facts: FoldFacts) -> str:
    """All parameters inside."""
    total = facts.totals.params
    return sum_text(total, f"{count_text(total.value)} params", "params unknown")


def flops_total(facts: FoldFacts) -> str:
    """All operations inside."""
    total = facts.totals.flops
    return sum_text(total, si_text(total.value, "FLOP"), "FLOP unknown")


def ops_text(facts: FoldFacts, most: int) -> str:
    """Which ops are inside, the most used first."""
    named = [f"{count} {kind}" for kind, count in list(facts.ops.items())[:most]]
    rest = sum(list(facts.ops.values())[most:])
    return ", ".join([*named, f"{rest} more"] if rest else named)


def fold_tooltip(facts: FoldFacts) -> str:
    """Everything about a fold, one thing a line; at the end the nodes that are inside."""
    return "\n".join(_tooltip_lines(facts))


def _tooltip_lines(facts: FoldFacts) -> Iterator[str]:
    nodes = facts.fold.nodes
    yield f"{fold_title(facts)}: {len(nodes):,} nodes"
    if facts.shares:
        yield f"the same weights used {len(facts.fold.units):,} times"
    elif facts.more:
        yield f"{len(facts.fold.units):,} blocks alike, each with weights of its own"
    for word, side in (("in", facts.entries), ("out", facts.exits)):
        yield f"{word}: " + ", ".join(f"{end} {shape_text(s)}" for end, s in side.items())
    yield f"{params_total(facts)}, {flops_total(facts)}"
    yield ops_text(facts, len(facts.ops))
    more = f" and {len(nodes) - NODES_LISTED:,} more" if len(nodes) > NODES_LISTED else ""
    yield f"inside: {', '.join(nodes[:NODES_LISTED])}{more}"
    yield f"--open '{facts.fold.name}' opens it"
