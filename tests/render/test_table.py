"""The tables for terminals, as they are printed: wide, narrow, without colour, in ASCII."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path as File

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from opgraph.analysis import Analysis, analyze
from opgraph.ops import kinds, require
from opgraph.render import facts_table, op_page, ops_table, text_table
from opgraph.render.columns import fit_cells
from opgraph.text import parse, read_source

Network = Callable[[str], Analysis]
SAMPLE = File(__file__).parents[2] / "sample_graphs" / "cnn.txt"


def printed(what: RenderableType, width: int, encoding: str = "utf-8", colour: bool = False) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=stream, width=width, force_terminal=colour, no_color=not colour)
    console.print(what)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def sample() -> Analysis:
    return analyze(parse(read_source(SAMPLE), "cnn"))


@pytest.mark.parametrize("width", [80, 120])
def test_golden_table_of_the_sample(
    width: int, sample: Analysis, golden: Callable[[str, str], None]
) -> None:
    golden(f"cnn_{width}.txt", printed(facts_table(sample), width))


def test_golden_table_in_ascii(sample: Analysis, golden: Callable[[str, str], None]) -> None:
    text = printed(facts_table(sample), 80, encoding="ascii")
    assert text.isascii()
    assert "?" not in text
    golden("cnn_ascii.txt", text)


def test_golden_table_of_an_error(network: Network, golden: Callable[[str, str], None]) -> None:
    golden("misfit_100.txt", printed(facts_table(network("misfit")), 100))


def test_the_ascii_table_can_be_asked_for(sample: Analysis) -> None:
    asked = printed(facts_table(sample, ascii_only=True), 80)
    assert asked == printed(facts_table(sample), 80, encoding="ascii")


def test_a_chinese_console_shows_the_labels(sample: Analysis) -> None:
    text = printed(facts_table(sample), 120, encoding="gbk")
    assert "卷积层 1" in text
    assert "32×32×32" in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("name", ["residual", "inception", "misfit", "ports"])
def test_no_line_is_wider_than_the_terminal(name: str, width: int, network: Network) -> None:
    for line in printed(facts_table(network(name)), width).splitlines():
        assert cell_len(line) <= width


def test_figures_are_aligned_at_the_right(sample: Analysis) -> None:
    lines = printed(facts_table(sample), 120).splitlines()
    header = next(line for line in lines if line.startswith("node "))
    end = cell_len(header[: header.index("params") + len("params")])
    rows = {line.split()[0]: line for line in lines if line.strip()}
    for name, figure in [("conv2d_1", "896"), ("dense_1", "16,512"), ("total", "111,946")]:
        line = rows[name]
        at = cell_len(line[: line.index(figure) + len(figure)])
        assert at == end, line


def test_marks_survive_without_colour(sample: Analysis) -> None:
    text = printed(facts_table(sample), 80)
    assert "\x1b" not in text
    assert "3×3*, 32~, same*" in text
    assert "~ inferred, see below   * default" in text


def test_colour_only_adds_to_the_marks(sample: Analysis) -> None:
    plain = printed(facts_table(sample), 100)
    coloured = printed(facts_table(sample), 100, colour=True)
    assert "\x1b[" in coloured
    assert Text.from_ansi(coloured.rstrip("\n")).plain.split() == plain.split()


def test_every_inferred_value_is_listed_with_its_reason(sample: Analysis) -> None:
    text = printed(facts_table(sample), 120)
    for node in sample.graph:
        for item in node.inferred.values():
            assert item.reason in text
    assert "op       all nodes  told from the names" in text


def test_what_is_given_leaves_nothing_to_explain(network: Network) -> None:
    text = printed(facts_table(network("x: Input(shape=(4,))\nx -> d: Dense(units=2)")), 80)
    assert "inferred" not in text
    assert "~" not in text


def test_many_nodes_with_the_same_reason_take_one_line(network: Network) -> None:
    chain = " -> ".join(["x: Input(shape=(8, 8, 3))", *(f"c{i}: Conv2D()" for i in range(9))])
    text = printed(facts_table(network(chain)), 100)
    assert "c0, c1, c2 and 6 more: the first resolution has 32 channels" in text


def test_unknown_figures_are_question_marks_and_totals_say_so(network: Network) -> None:
    text = printed(facts_table(network("misfit")), 100)
    assert "1 node does not fit" in text
    assert ">= 1,168" in text
    assert "? unknown" in text


def test_control_characters_do_not_reach_the_terminal() -> None:
    from opgraph.graph import Node, OpGraph

    node = Node("\x1b[31mred\u202e", require("Input"), {"shape": (2,)})
    text = printed(facts_table(analyze(OpGraph([node], []))), 80)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_page_of_an_op_names_every_attribute(golden: Callable[[str, str], None]) -> None:
    text = printed(op_page(require("MaxPooling2D")), 80)
    golden("op_max_pooling.txt", text)
    for spec in require("MaxPooling2D").schema().values():
        assert spec.name in text


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.kind)
def test_the_page_of_every_op_fits(kind: type) -> None:
    for encoding in ("utf-8", "ascii"):
        text = printed(op_page(kind), 80, encoding)
        assert all(cell_len(line) <= 80 for line in text.splitlines())


def test_the_table_of_ops_has_a_line_for_each() -> None:
    listed = list(kinds())
    text = printed(ops_table(listed), 100)
    assert text.startswith(f"{len(listed)} ops; the page of one: opgraph ops Conv2D\n")
    for kind in listed:
        assert f"\n  {kind.kind} " in text


def test_a_plain_table_aligns_words_left_and_figures_right() -> None:
    table = text_table(
        ["site", "norm"], [["conv", "0.1"], ["a", "12.25"]], right=["norm"], foot=["all", "9"]
    )
    assert printed(table, 40) == (
        "site   norm\n───────────\nconv    0.1\na     12.25\n───────────\nall       9\n"
    )


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abcdefgh", 5, "abc…h"), ("卷积卷积卷积", 6, "卷积…"), ("abc", 3, "abc"), ("abcdef", 1, "…")],
)
def test_cells_are_shortened_in_the_middle(text: str, width: int, expected: str) -> None:
    fitted = fit_cells(Text(text), width).plain
    assert cell_len(fitted) <= width
    assert fitted == expected
