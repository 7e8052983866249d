"""What the names of tensors say about the layers that made them.

Owns how exporters spell names: scopes separated by `/`, fused members by `;`, a port after `:`, a
counter at the end. Knows names alone; every match that comes from them is confirmed by value.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_PORT = re.compile(r":\d+$")
_COUNTER = re.compile(r"_\d+$")


def members(name: str) -> list[tuple[str, ...]]:
    """The scopes that a tensor's name lists.

    >>> members("net/conv_1/Relu;net/conv/BiasAdd:0")
    [('net', 'conv_1', 'Relu'), ('net', 'conv', 'BiasAdd')]
    """
    parts = (_PORT.sub("", part) for part in name.split(";"))
    return [tuple(word for word in part.split("/") if word) for part in parts if part]


def layers_of(name: str, known: Collection[str]) -> list[str]:
    """The layers among those known that a tensor's name speaks of.

    Of each scope the longest exact word counts. Keras opens a scope twice when it is entered again
    and counts up, so that a word without its counter counts where the exact word is unknown.

    >>> layers_of("net/conv_1/conv_1_2/Relu", {"conv", "conv_1"})
    ['conv_1']
    >>> layers_of("net/bn_3/add;net/conv/BiasAdd", {"conv", "bn"})
    ['bn', 'conv']
    """
    found = (_layer_of(words, known) for words in members(name))
    return list(dict.fromkeys(layer for layer in found if layer))


def _layer_of(words: tuple[str, ...], known: Collection[str]) -> str | None:
    exact = [word for word in words if word in known]
    if exact:
        return exact[-1]
    bare = [short for word in words if (short := _COUNTER.sub("", word)) in known]
    return bare[-1] if bare else None


def common_scope(left: str, right: str) -> int:
    """How many words at the end of the scopes two tensors share, the operation's own left out.

    >>> common_scope("a/net/conv/BiasAdd", "net/conv/Relu;net/conv/BiasAdd")
    2
    """
    mine = {word for words in members(left) for word in words[:-1]}
    theirs = {word for words in members(right) for word in words[:-1]}
    return len(mine & theirs)
