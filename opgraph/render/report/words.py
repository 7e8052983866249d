"""The words of the page, one file for each language.

Owns reading them; which word stands where is the page's to know.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")


@cache
def read_words(language: str) -> dict[str, str]:
    """All words of a language, by `table.name`.

    >>> read_words("en")["view.overview"], read_words("zh")["view.overview"]
    ('Overview', '总览')
    """
    path = files("opgraph.render.report") / "words" / f"{language}.toml"
    tables: dict[str, dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{table}.{name}": text for table, words in tables.items() for name, text in words.items()
    }
