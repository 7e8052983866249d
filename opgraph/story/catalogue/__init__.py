"""The sentences of a story, one folder of TOML files for each language.

Owns reading them and filling their blanks; what is said when is the phases' to know.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

from opgraph.errors import RunError, suggest
from opgraph.story.model import Sentence
from opgraph.story.numerals import numeral

LANGUAGES = ("en", "zh")
BETWEEN = {"en": ", ", "zh": "、"}  # the parts of a list
FEW = 4  # digits of a number inside a sentence


@dataclass(frozen=True)
class Catalogue:
    """All sentences of a language.

    Attributes:
        language: `en` or `zh`.
        sentences: by key, with named blanks in braces.
    """

    language: str
    sentences: Mapping[str, str]

    def text(self, sentence: Sentence) -> str:
        """A sentence with its blanks filled."""
        return "".join(text for text, _ in self.pieces(sentence))

    def pieces(self, sentence: Sentence) -> Iterator[tuple[str, bool]]:
        """The same in pieces, each with whether it is a name that stands in a blank."""
        for words, blank, _, _ in Formatter().parse(self.sentences[sentence.key]):
            yield words, False
            if blank is not None:
                value = sentence.values[blank]
                for at, part in enumerate(value if isinstance(value, list) else [value]):
                    if at:
                        yield BETWEEN[self.language], False
                    is_name = isinstance(part, str) and any(letter.isalpha() for letter in part)
                    yield _written(part), is_name

    def __getitem__(self, key: str) -> str:
        return self.sentences[key]


@cache
def read_catalogue(language: str) -> Catalogue:
    """The sentences of a language.

    Raises:
        RunError: there is none of that name.

    >>> read_catalogue("en")["verdict.agrees"]
    'agrees'
    """
    if language not in LANGUAGES:
        raise RunError(
            f"expected one of {', '.join(LANGUAGES)}, received {language!r}",
            where="lang",
            hint=suggest(language, LANGUAGES),
        )
    found: dict[str, str] = {}
    for file in files("opgraph.story.catalogue").joinpath(language).iterdir():
        if file.name.endswith(".toml"):
            tables: dict[str, dict[str, str]] = tomllib.loads(file.read_text(encoding="utf-8"))
            for table, entries in tables.items():
                found |= {
                    f"{table}.{name}": " ".join(text.split()) for name, text in entries.items()
                }
    return Catalogue(language, found)


def _written(value: Any) -> str:
    """A value as it stands in a sentence."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return numeral(value, FEW)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)
