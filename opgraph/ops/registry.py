"""All known ops, by name and by alias, and how a node's op is told from its id or label.

Owns the table and the folding of names; knows nothing about graphs.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

from opgraph.errors import UnknownOpError, suggest
from opgraph.ops.spec import Category, Op

FAMILIES = (
    "source",
    "convolution",
    "transposed",
    "separable",
    "dense",
    "normalization",
    "activation",
    "pooling",
    "adaptive",
    "merge",
    "shaping",
    "regularization",
    "recurrent",
    "wrapper",
    "attention",
    "preprocessing",
)

# A Chinese character is a word of its own; other words end at a blank or punctuation mark.
WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")
PLACES = frozenset({"output", "out"})
PART = re.compile(r"block|stage|unit|branch|layer", re.IGNORECASE)

_BY_KIND: dict[str, type[Op]] = {}
_BY_ALIAS: dict[str, type[Op]] = {}
_OpType = TypeVar("_OpType", bound=type[Op])


def op(*aliases: str, category: Category) -> Callable[[_OpType], _OpType]:
    """Register a class as an op under its own name and its aliases.

    Args:
        aliases: further names, in any language; case, spaces, `_` and `-` do not count.
        category: what pictures colour it by.

    Raises:
        TypeError: no docstring, or a name that another op already has.
    """

    def register(cls: _OpType) -> _OpType:
        if not cls.__doc__:
            raise TypeError(f"op {cls.__name__} needs a docstring")
        cls.kind, cls.aliases, cls.category = cls.__name__, aliases, category
        cls.family = cls.__module__.rsplit(".", 1)[-1]
        cls.summary = cls.__doc__.strip().splitlines()[0]
        names = {fold(alias) for alias in (cls.kind, *aliases)}
        for name in sorted(names & _BY_ALIAS.keys()):
            raise TypeError(f"{cls.kind}: the name {name!r} belongs to {_BY_ALIAS[name].kind}")
        _BY_ALIAS.update(dict.fromkeys(names, cls))
        _BY_KIND[cls.kind] = cls
        return cls

    return register


def fold(name: str) -> str:
    """The form in which names are compared: no case, spaces, `_`, `-`, full width folded.

    >>> fold("Batch_Norm"), fold("批归一化 1")
    ('batchnorm', '批归一化1')
    """
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", name)).casefold()


@cache
def _load() -> None:
    for family in FAMILIES:
        importlib.import_module(f"opgraph.ops.library.{family}")
    for plugin in entry_points(group="opgraph.ops"):
        plugin.load()


def kinds() -> Iterator[type[Op]]:
    """All ops, by family and then in the order in which they are written down."""
    _load()
    yield from list(_BY_KIND.values())


def find(name: str) -> type[Op] | None:
    """The op of exactly this name or alias, or None; `layer` or `层` at its end does not count.

    >>> find("卷积层").kind, find("dense layer").kind
    ('Conv2D', 'Dense')
    """
    _load()
    folded = fold(name)
    return (
        _BY_KIND.get(name)
        or _BY_ALIAS.get(folded)
        or _BY_ALIAS.get(re.sub(r"(layer|层)$", "", folded))
    )


def require(name: str) -> type[Op]:
    """The op of this name or alias.

    Raises:
        UnknownOpError: there is none; the hint names the nearest.
    """
    found = find(name)
    if found is None:
        near = suggest(name, (*_BY_KIND, *(a for kind in kinds() for a in kind.aliases)))
        all_names = "All names: opgraph ops"
        hint = f"{near} {all_names}" if near else all_names
        raise UnknownOpError(f"unknown op {name!r}", hint=hint)
    return found


@cache
def guess(name: str) -> type[Op] | None:
    """The op that an id or label speaks of, or None.

    A number at the end is a counter. Of the words before it, tried in turn: all; the last ones,
    the most first; the first ones, the most first. A closing `output` says what a node is for, not
    what it does, and counts only where nothing else does.

    >>> guess("batch_norm_1").kind, guess("全局平均池化").kind, guess("stage2_conv1_bn").kind
    ('BatchNormalization', 'GlobalAveragePooling2D', 'BatchNormalization')
    >>> guess("relu_6").kind, guess("relu6").kind, guess("conv1_output").kind, guess("stem")
    ('ReLU', 'ReLU6', 'Conv2D', None)
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    words = WORD.findall(spaced)
    while words and words[-1].isdigit():
        words.pop()
    if len(words) > 1 and words[-1].casefold() in PLACES and not find("".join(words)):
        return guess("_".join(words[:-1])) or find(words[-1])
    ends = (words[start:] for start in range(len(words)))
    found = next((found for span in ends if (found := _guess_phrase(span))), None)
    return _what_follows(words, found) if found else _guess_beginning(words)


def _what_follows(words: list[str], last: type[Op]) -> type[Op]:
    """The op before the name of another node: the BatchNormalization in bn_conv1."""
    if last.category in ("convolution", "dense") and words[-1][-1].isdigit() and len(words) > 1:
        first = find(words[0])
        if first and first.category in ("normalization", "activation"):
            return first
    return last


def _guess_beginning(words: list[str]) -> type[Op] | None:
    """The op that a name begins with, unless it goes on to name a part of a network."""
    if any(PART.match(word) for word in words):
        return None
    beginnings = (words[:end] for end in range(len(words) - 1, 0, -1))
    return next((found for span in beginnings if (found := _guess_phrase(span))), None)


def _guess_phrase(words: list[str]) -> type[Op] | None:
    """The op of a phrase, with or without the number at its end, or of how a single word begins."""
    phrase = "".join(words)
    found = find(phrase) or find(re.sub(r"\d+$", "", phrase))
    if found or len(words) > 1:
        return found
    return find(re.sub(r"\d.*", "", phrase))
