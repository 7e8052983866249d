"""The page of the language names all that there is."""

import re
from pathlib import Path

from opgraph.record.expression import FUNCTIONS, STATISTICS
from opgraph.record.expression import parser as grammar

PAGE = (Path(__file__).parents[3] / "docs/reference/expressions.md").read_text(encoding="utf-8")


def test_every_function_and_statistic_is_on_the_page() -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert set(FUNCTIONS) <= words
    assert set(STATISTICS) <= words


def test_the_grammar_is_that_of_the_parser() -> None:
    assert grammar.__doc__ is not None
    rules = re.findall(r"^    (\w+  .*)$", grammar.__doc__, re.M)
    assert len(rules) == 12
    assert "\n".join(rules) in PAGE
