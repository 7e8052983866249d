"""Time grows with the length of a text and no faster; garbage ends soon.

Bounds are generous, since tests share their machine; a quadratic step overshoots them by far.
"""

import random
import time

import pytest

from opgraph.errors import OpgraphError
from opgraph.text import parse

MEGABYTES = 10 * 2**20
SECONDS = 12


def resnet(nodes: int) -> str:
    """Residual blocks of seven nodes each, as lines of edges."""
    lines, last = ["image -> stem_conv"], "stem_conv"
    for block in range(nodes // 7):
        name = f"s{block // 2000}_b{block}"
        lines.append(f"{last} -> {name}_conv1 -> {name}_bn1 -> {name}_relu1 -> {name}_conv2")
        lines.append(f"{name}_conv2 -> {name}_bn2")
        lines.append(f"{name}_bn2, {last} -> {name}_add -> {name}_relu2")
        last = f"{name}_relu2"
    return "\n".join(lines)


def seconds(text: str) -> float:
    started, message = time.process_time(), ""
    try:
        parse(text)
    except OpgraphError as error:
        message = str(error)
    assert len(message) < 20_000
    return time.process_time() - started


def test_time_is_linear_in_the_number_of_nodes():
    small, large = resnet(4_000), resnet(32_000)
    parse(small)
    assert seconds(large) < 8 * 3 * min(seconds(small) for _ in range(3))


@pytest.mark.slow
def test_a_large_graph():
    graph = parse(resnet(100_000))
    assert len(graph) == 2 + 7 * (100_000 // 7)
    assert graph["s7_b14284_add"].kind.kind == "Add"


def text_of(characters: str, seed: int = 1, length: int = MEGABYTES) -> str:
    return "".join(random.Random(seed).choices(characters, k=length))


PRINTABLE = "".join(map(chr, range(32, 127)))
GARBAGE = {
    "parentheses": lambda: "(" * MEGABYTES,
    "arrows": lambda: "->" * (MEGABYTES // 2),
    "one word": lambda: "a" * MEGABYTES,
    "words": lambda: "a " * (MEGABYTES // 2),
    "names in a row": lambda: "a," * (MEGABYTES // 2),
    "calls in calls": lambda: "a(" * (MEGABYTES // 2),
    "lists in lists": lambda: "x: A(b=" + "[" * MEGABYTES,
    "one list": lambda: "x: A(b=[" + "1," * (MEGABYTES // 2),
    "quotes": lambda: '"' * MEGABYTES,
    "dashes": lambda: "-" * MEGABYTES,
    "dots": lambda: "." * MEGABYTES,
    "slashes": lambda: "/" * MEGABYTES,
    "hashes": lambda: "a#\n" * (MEGABYTES // 3),
    "empty lines": lambda: "\n" * MEGABYTES,
    "blanks": lambda: " \t" * (MEGABYTES // 2),
    "prose": lambda: "hello world this is prose\n" * (MEGABYTES // 26),
    "headings": lambda: "a: b\n" * (MEGABYTES // 5),
    "brackets left open": lambda: "a(x=(1,\n" * (MEGABYTES // 8),
    "bracket over many lines": lambda: "a(x=(1,\n" * 31 + ("1," * 100 + "\n") * (MEGABYTES // 201),
    "random lines": lambda: text_of(PRINTABLE + "\n"),
    "one random line": lambda: text_of(PRINTABLE),
    "random Unicode": lambda: text_of("".join(map(chr, range(32, 0x3000))), length=MEGABYTES // 3),
    "long names": lambda: "\n".join(f"{'a_' * 400}{i} -> b" for i in range(MEGABYTES // 810)),
    "shares": lambda: "\n".join(f"a{i} = a{i + 1}" for i in range(MEGABYTES // 60)),
    "fans": lambda: (
        ",".join(f"a{i}" for i in range(900)) + "->" + ",".join(f"b{i}" for i in range(900)) + "\n"
    ) * 1000,
    "wide table": lambda: "source,target\n" + "a,b," * (MEGABYTES // 4),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_soon(kind):
    assert seconds(GARBAGE[kind]()) < SECONDS


@pytest.mark.parametrize(
    "kind", ["parentheses", "arrows", "one word", "lists in lists", "one random line", "slashes"]
)
def test_garbage_ends_at_once(kind):
    assert seconds(GARBAGE[kind]()) < 2
