"""Telling which op a node is, where the text does not say: from its id, else from its label."""

from __future__ import annotations

import difflib
import re
from functools import cache

from opgraph.errors import OpgraphError, UnknownOpError, suggest
from opgraph.ops import Op, find, guess, kinds
from opgraph.ops import require as require_op

LONGEST_GUESSED = 200
CLOSE = 0.85
SHORTEST_WORD = 4

_LAYER = re.compile(r"(?<=\w)层|[\s_-]*\blayers?\b", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\d\d+")
_NUMBER_AT_END = re.compile(r"[\s_\-]*\d+$")


def tell(name: str, label: str | None) -> type[Op] | OpgraphError | None:
    """The op that an id, or else a label, speaks of; None if neither does.

    The id wins. Only where it merely contains an op's name and the label, as a whole, is the name
    of another op, the two contradict each other, and that is an error.
    """
    by_id = _guess(name)
    if label is None:
        return by_id
    by_label = _guess(label)
    if by_id is None or by_label is None or by_id is by_label or _exactly(name):
        return by_id or by_label
    whole = _exactly(label)
    if whole is None:
        return by_id
    return UnknownOpError(
        f"the id {name!r} speaks of {by_id.kind}, the label {label!r} of {whole.kind}",
        hint=f"write which: {name}: {by_id.kind}",
    )


def _guess(name: str) -> type[Op] | None:
    """`ops.guess`, asked once for names that differ in long numbers only."""
    if len(name) > LONGEST_GUESSED:
        return None
    short = _LONG_NUMBER.sub("10", name) if _numbers_are_short() else name
    return guess(short) or guess(_LAYER.sub("", short))


@cache
def _numbers_are_short() -> bool:
    return not any(_LONG_NUMBER.search(name) for name in _names())


def _names() -> list[str]:
    return [name for kind in kinds() for name in (kind.kind, *kind.aliases)]


def _exactly(name: str) -> type[Op] | None:
    """The op whose name this is as a whole, but for a number at the end."""
    bare = _NUMBER_AT_END.sub("", name)
    return find(name) or find(bare) or find(_LAYER.sub("", bare))


def likely_op(name: str) -> str | None:
    """A did-you-mean sentence if a word of the name is nearly an op's name.

    >>> likely_op("convv_1"), likely_op("left_image")
    ("did you mean 'conv'?", None)
    """
    for word in re.split(r"[\W\d_]+", name[:LONGEST_GUESSED].casefold()):
        if len(word) >= SHORTEST_WORD and (hint := _near(word)):
            return hint
    return None


@cache
def _near(word: str) -> str | None:
    by_fold = {re.sub(r"[\s_\-]", "", known).casefold(): known for known in _names()}
    near = difflib.get_close_matches(word, by_fold, n=1, cutoff=CLOSE)
    return f"did you mean {by_fold[near[0]]!r}?" if near else None


def cannot_tell(name: str, label: str | None) -> OpgraphError:
    """The error for a node whose op nobody can tell."""
    bare = re.sub(r"[\W\d_]+$", "", name[:LONGEST_GUESSED])
    near = suggest(bare, _names()) if len(bare) >= SHORTEST_WORD else None
    shown = name if re.fullmatch(r"[\w./-]+", name) else f'"{name}"'
    advice = f"write its op: {shown}: <Op>(...)"
    also = f" (label {label!r})" if label else ""
    return UnknownOpError(
        f"cannot tell what {name!r}{also} is",
        hint=f"{f'{near} Or ' if near else ''}{advice}. All names: opgraph ops",
        node=name,
    )


def require(name: str, node: str) -> type[Op] | OpgraphError:
    """The op of a written name, or the error that there is none."""
    try:
        return require_op(name)
    except UnknownOpError as error:
        error.node = node
        return error
