"""Regions are found by what nodes do and how they are wired, never by their names."""

from __future__ import annotations

import pytest

from opgraph.graph import choose_folds, find_regions
from opgraph.text import parse

BLOCK = "{0} -> c{1}: Conv2D(filters={2}) -> r{1}: ReLU(); {0}, r{1} -> a{1}: Add()"


def chain(filters: list[int]) -> str:
    lines = ["a0: Input(shape=(8, 8, 4))"]
    lines += [BLOCK.format(f"a{i}", i + 1, f) for i, f in enumerate(filters)]
    return "\n".join([*lines, f"a{len(filters)} -> end: GlobalAveragePooling2D()"])


@pytest.mark.parametrize(
    ("filters", "repeats"), [([4, 4, 4], [3]), ([4, 4, 8, 8, 8], [2, 3]), ([4, 8, 4], [])]
)
def test_blocks_repeat_only_with_equal_attributes(filters: list[int], repeats: list[int]) -> None:
    root = find_regions(parse(chain(filters)))
    assert [len(part.parts) for part in root.parts if part.kind == "repeat"] == repeats


def test_names_do_not_matter() -> None:
    text = chain([4, 4, 4]).replace("c2", "other").replace("r3", "x_y_z").replace("a1", "q")
    (fold,) = choose_folds(parse(text), 3)
    assert [len(unit) for unit in fold.units] == [3, 3, 3]


def test_a_fork_has_one_way_in_and_one_way_out() -> None:
    graph = parse(chain([4, 8, 4]))
    for part in find_regions(graph).parts:
        inside = set(part.nodes)
        doors = {end.node for name in inside for end in graph.inputs(name)} - inside
        exits = {e.source for n in inside for e in graph.edges_from(n) if e.target not in inside}
        assert len(doors) <= 1
        assert len(exits) <= 1
