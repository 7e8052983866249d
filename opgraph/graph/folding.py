"""Which regions of a graph are folded: when it is large, down to a number of boxes, or by name.

Owns the choice only. Inputs, outputs and what must be seen are never folded. Of each kind of block
the first is left open where there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from opgraph.errors import GraphError, suggest
from opgraph.graph.model import OpGraph
from opgraph.graph.regions import find_regions
from opgraph.graph.select import matching
from opgraph.graph.sequence import Region

LARGE, PAGE = 80, 40
SEPARATORS = "_-./: "


@dataclass(frozen=True, slots=True)
class Fold:
    """Nodes to be shown as one box.

    Attributes:
        name: what it is called; no node that is still to be seen has that name.
        units: the nodes of each of the blocks it stands for, which are alike.
        like: name of the block that is drawn, if they are as that one.
    """

    name: str
    units: tuple[tuple[str, ...], ...]
    like: str | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """All that it hides."""
        return tuple(name for unit in self.units for name in unit)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A region that stands as a box of its own."""

    region: Region
    like: str | None = None

    @property
    def is_fold(self) -> bool:
        return len(self.region.nodes) > 1


def choose_folds(
    graph: OpGraph,
    how: str | int = "auto",
    opened: Iterable[str] = (),
    seen: Set[str] = frozenset(),
) -> tuple[Fold, ...]:
    """The regions to fold, in the order of the flow.

    Args:
        graph: any graph.
        how: `auto` (a large graph, down to a page), `none`, a number of boxes, or globs: regions
            that are called so, or all of whose nodes are.
        opened: globs over names of folds and nodes that are to be open.
        seen: nodes that must not be hidden.

    Raises:
        GraphError: a glob matches nothing, or a number is not positive.
    """
    wanted = _wanted(how)
    if wanted == "none" or (wanted == "auto" and len(graph) <= LARGE):
        return ()
    root = find_regions(graph)
    must = {*graph.sources, *graph.sinks, *seen}
    if isinstance(wanted, int):
        shown = _within(root, wanted, must)
    elif wanted == "auto":
        shown = _within(root, PAGE, must, len(graph) // 2)
    else:
        shown = list(_matching(root, wanted, must))
        if not any(item.is_fold for item in shown):
            raise GraphError(
                "no region is called so or has only nodes that are",
                where=f"--fold {wanted!r}",
                hint=suggest(wanted, graph.nodes) or "a region has two nodes or more",
            )
    for pattern in opened:
        shown = _opened(shown, pattern, graph)
    return _named(shown)


def _wanted(how: str | int) -> str | int:
    if isinstance(how, str) and how.strip().lstrip("-").isdecimal():
        how = int(how)
    if isinstance(how, int) and how < 1:
        raise GraphError(
            f"{how} boxes", where="--fold", hint="a number of boxes from 1 on, auto, none or a glob"
        )
    return how


def _within(root: Region, budget: int, must: Set[str], most: int | None = None) -> list[_Shown]:
    shown = [item for part in root.parts for item in _open_for(_Shown(part), must, most)]
    while any(item.region.kind == "stretch" for item in shown):
        wider: list[_Shown] = []
        for item in shown:
            wider += _parts(item) if item.region.kind == "stretch" else [item]
        wider = [i for item in wider for i in _open_for(item, must, most)]
        if len(wider) > budget:
            break
        shown = wider
    return _with_examples(shown, budget)


def _open_for(item: _Shown, must: Set[str], most: int | None) -> list[_Shown]:
    """The item, or as much of its inside as shows what must be seen."""
    region = item.region
    too_much = most is not None and len(region.nodes) > most and region.kind in ("knot", "fork")
    if item.is_fold and (too_much or not must.isdisjoint(region.nodes)):
        return [i for part in _all_parts(item) for i in _open_for(part, must, most)]
    return [item]


def _all_parts(item: _Shown) -> list[_Shown]:
    return [_Shown(part) for part in item.region.parts]


def _parts(item: _Shown) -> list[_Shown]:
    """What opening an item shows: of blocks that repeat, the first and the rest."""
    region = item.region
    if not region.parts:
        return [item]
    if region.kind != "repeat":
        return _all_parts(item)
    first, *others = region.parts
    nodes = tuple(name for part in others for name in part.nodes)
    rest = Region(nodes, tuple(others), "repeat", region.form)
    return [_Shown(first), _Shown(rest, region_name(first.nodes))]


def _full(item: _Shown) -> list[_Shown]:
    """An item opened all the way down, but for what repeats in it."""
    if item.like or not item.region.parts:
        return [item]
    return [inner for part in _parts(item) for inner in _full(part)]


def _with_examples(shown: Sequence[_Shown], budget: int) -> list[_Shown]:
    """The first of each kind of block opened, while there is room."""
    found: list[_Shown] = []
    forms: set[int] = set()
    room = budget - len(shown)
    for item in shown:
        full = _full(item)
        is_new = item.region.form not in forms
        forms.add(item.region.form)
        if item.is_fold and is_new and len(full) - 1 <= room:
            room -= len(full) - 1
            found += full
        else:
            found.append(item)
    return found


def _matching(region: Region, pattern: str, must: Set[str]) -> Iterable[_Shown]:
    for part in region.parts:
        free = len(part.nodes) > 1 and must.isdisjoint(part.nodes)
        if free and part.kind != "stretch" and _is_called(part, pattern):
            yield _Shown(part)
        elif part.parts:
            yield from _matching(part, pattern, must)
        else:
            yield _Shown(part)


def _is_called(region: Region, pattern: str) -> bool:
    named = bool(matching(pattern, [region_name(region.nodes)]))
    return named or len(matching(pattern, region.nodes)) == len(region.nodes)


def _opened(shown: Sequence[_Shown], pattern: str, graph: OpGraph) -> list[_Shown]:
    names = {fold.name for fold in _named(shown)}
    nodes = set(matching(pattern, graph.nodes))
    if not nodes and not matching(pattern, names):
        raise GraphError(
            "no fold or node is called so",
            where=f"--open {pattern!r}",
            hint=suggest(pattern, [*names, *graph.nodes]),
        )
    found: list[_Shown] = []
    for item in shown:
        if item.is_fold and matching(pattern, [_name_of(item)]):
            found += _full(_Shown(item.region))
        else:
            found += _open_for(item, nodes, None)
    return found


def _name_of(item: _Shown) -> str:
    return region_name(_unit(item))


def _unit(item: _Shown) -> Sequence[str]:
    """The nodes that a fold is called after: those of its first block."""
    region = item.region
    return region.parts[0].nodes if region.kind == "repeat" else region.nodes


def _named(shown: Sequence[_Shown]) -> tuple[Fold, ...]:
    """Folds under names that differ: what their nodes' names begin with, else first and last.

    A name that also fits nodes beside a fold is not for that fold alone.
    """
    beside = dict[str, set[int]]()
    for index, item in enumerate(shown):
        for name in _unit(item) if item.is_fold else item.region.nodes:
            for cut in (at for at, char in enumerate(name) if char in SEPARATORS):
                beside.setdefault(name[:cut], set()).add(index)
    taken = {item.region.nodes[0] for item in shown if not item.is_fold}
    folds: list[Fold] = []
    for item in shown:
        if not item.is_fold:
            continue
        name, unit = _name_of(item), _unit(item)
        if name in taken or len(beside.get(name, ())) > 1:
            name = f"{unit[0]} … {unit[-1]}"
        taken.add(name)
        parts = item.region.parts if item.region.kind == "repeat" else (item.region,)
        folds.append(Fold(name, tuple(tuple(part.nodes) for part in parts), item.like))
    return tuple(folds)


def region_name(nodes: Sequence[str]) -> str:
    """What the names of the nodes have in common, else the first and the last of them.

    >>> region_name(["block_1_conv", "block_1_bn"]), region_name(["conv", "bn"])
    ('block_1', 'conv … bn')
    """
    first, last = min(nodes), max(nodes)
    same = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    prefix = first[:same]
    cut = max((prefix.rfind(char) for char in SEPARATORS), default=-1)
    short = prefix[:cut].rstrip(SEPARATORS) if cut > 0 else ""
    return short or (f"{nodes[0]} … {nodes[-1]}" if len(nodes) > 1 else nodes[0])
