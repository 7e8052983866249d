"""The small graph in text: some drawn by hand, and random ones read back column by column."""

from __future__ import annotations

import random
import re

import networkx as nx
import pytest

from opgraph.graph import OpGraph
from opgraph.runtime.debugger.sketch import FARTHEST, MOST_NODES, WIDTH, sketch_lines
from opgraph.text import parse

pytestmark = pytest.mark.tf
RESIDUAL = """
x -> conv_1 -> relu_1 -> conv_2 -> bn -> relu_2 -> conv_3 -> add -> relu_3 -> gap -> fc
relu_1 -> add
"""
TWO_INPUTS = """
a: Input(shape=(4,)) -> dense_a -> concat
b: Input(shape=(4,)) -> dense_b -> concat -> dense -> out_1: Dense
dense -> out_2: Dense
"""
BY_HAND = {
    ("chain", "x -> flatten -> fc", "x"): """
  => o  x (Input)
     o  flatten (Flatten)
     o  fc (Dense)""",
    ("residual", RESIDUAL, "bn"): """
     o    conv_1 (Conv2D)  <- x
     o    relu_1 (ReLU)
     +-.
     o |  conv_2 (Conv2D)
  => o |  bn (BatchNormalization)
     o |  relu_2 (ReLU)
     o |  conv_3 (Conv2D)
     +-'
     o    add (Add)  -> relu_3""",
    ("two inputs", TWO_INPUTS, "concat"): """
     o    a (Input)
     o    dense_a (Dense)
     | o  b (Input)
     | o  dense_b (Dense)
     +-'
  => o    concat (Concatenate)
     o    dense (Dense)
     +-.
     o |  out_1 (Dense)
       o  out_2 (Dense)""",
    ("an output read twice", "x -> relu\nrelu, relu -> add", "add"): """
     o  x (Input)
     o  relu (ReLU)
  => o  add (Add)""",
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND, ids=lambda case: case[0])
def test_drawn_by_hand(case: tuple[str, str, str]) -> None:
    _, text, node = case
    assert "\n" + "\n".join(sketch_lines(parse(text), node)) == BY_HAND[case]


def test_a_node_that_many_read_shows_some_of_them() -> None:
    names = [f"d{number}" for number in range(20)]
    text = "\n".join(["x -> hub: ReLU", *(f"hub -> {name}: Dense" for name in names)])
    lines = sketch_lines(parse(text), "hub")
    assert sum("(" in line for line in lines) == MOST_NODES
    assert "     o              x (Input)" in lines
    assert "  => o              hub (ReLU)  -> d7, d8, d9 and 10 more" in lines


def test_no_line_is_wider_than_a_terminal() -> None:
    long = "a" * 100
    lines = sketch_lines(parse(f"x -> {long}: ReLU -> fc"), long)
    assert [len(line) for line in lines] == [
        len("     o  x (Input)"),
        WIDTH,
        len("     o  fc (Dense)"),
    ]
    assert lines[1].endswith("...")


def random_graph(seed: int) -> OpGraph:
    """A network of up to 14 nodes, each of which reads up to three before it."""
    draw = random.Random(seed)
    lines = ["n0: Input(shape=(4,))"]
    read_all, number = set[str](), 0
    for number in range(1, draw.randint(3, 14)):
        read = draw.sample(range(number), min(number, draw.choice((0, 1, 1, 2, 3))))
        if not read:
            lines.append(f"n{number}: Input(shape=(4,))")
            continue
        read_all |= {f"n{x}" for x in read}
        kind = "ReLU" if len(read) == 1 else "Add"
        lines.append(f"{', '.join(f'n{x}' for x in read)} -> n{number}: {kind}")
    idle = [x for x in range(number + 1) if "Input" in lines[x] and f"n{x}" not in read_all]
    if idle:
        ends = ", ".join(f"n{x}" for x in {*idle, number})
        lines.append(f"{ends} -> n{number + 1}: {'Add' if ',' in ends else 'ReLU'}")
    return parse("\n".join(lines))


def edges_seen(lines: list[str]) -> set[tuple[str, str]]:
    """The edges that somebody sees who follows the columns with a finger."""
    runs: dict[int, set[str]] = {}
    found: set[tuple[str, str]] = set()
    last = 0
    for line in lines:
        match = re.fullmatch(r".{5}([o|+.' -]*?)(?:  (n\d+) .*)?", line)
        assert match is not None
        cells, name = match.groups()
        marks = dict(enumerate(cells[::2]))
        for column in [x for x in runs if marks.get(x, " ") in " -"]:
            del runs[column]
        if "o" in cells:
            last = cells.index("o") // 2
            found |= {(source, name) for source in runs.get(last, ())}
            runs[last] = {name}
            continue
        joined = [x for x, mark in marks.items() if mark in "+.'"]
        if "'" in marks.values():
            runs[joined[0]] = set[str]().union(*(runs.pop(x) for x in joined))
        else:
            assert last in joined
            runs |= {x: set(runs[last]) for x in joined}
    return found


@pytest.mark.parametrize("seed", range(150))
def test_what_is_drawn_are_the_edges_between_the_nodes_drawn(seed: int) -> None:
    graph = random_graph(seed)
    for node in graph.order:
        lines = sketch_lines(graph, node)
        drawn = [re.search(r"n\d+", line)[0] for line in lines if "(" in line]  # pyright: ignore[reportOptionalSubscript]
        assert drawn == [name for name in graph.order if name in drawn]
        assert sum("=>" in line for line in lines) == 1
        inside = {(e.source, e.target) for e in graph.edges} & {
            (a, b) for a in drawn for b in drawn
        }
        assert edges_seen(lines) == inside, "\n".join(lines)
        far = nx.single_source_shortest_path_length(graph.nx.to_undirected(), node)
        assert all(far[name] <= FARTHEST for name in drawn)
        assert len(drawn) == min(MOST_NODES, sum(x <= FARTHEST for x in far.values()))
