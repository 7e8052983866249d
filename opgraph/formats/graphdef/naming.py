"""Names of nodes from the scopes of operations.

Keras 3 opens each scope twice: the layer `conv` is `conv_1/...` in the graph, and a layer that is
itself called `conv_1` is `conv_1_2/...`. Whether a file is like that is told from the names of its
variables, which Keras does not double, or, where it has none, from all scopes ending in a number.
Must not know operations or ops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from opgraph.formats.graphdef.draft import Draft
from opgraph.formats.graphdef.flat import Operation

_NUMBERED = re.compile(r"(.+)_\d+")
INSIDE = frozenset({"batchnorm", "Tensordot", "moments", "Gelu"})
FEWEST = 3


def name_drafts(drafts: Iterable[Draft], inputs: Mapping[str, str]) -> dict[Draft, str]:
    """A name for each draft, and no name twice.

    Args:
        drafts: nodes in the making, in the order of the graph.
        inputs: names of inputs by the name of their operation.
    """
    drafts = list(drafts)
    scopes = {draft: _scope(draft) for draft in drafts if draft.kind != "Input"}
    doubled = _is_doubled(scopes)
    paths = {draft: _plain(scope, doubled) for draft, scope in scopes.items()}
    shared = _shared(list(paths.values()))
    names: dict[Draft, str] = {}
    taken: set[str] = set()
    for draft in drafts:
        if draft.kind == "Input":
            name = inputs.get(draft.members[0].name, draft.members[0].name)
        else:
            name = "/".join(paths[draft][shared:]) or draft.members[-1].name.rpartition("/")[2]
        if name in taken and not _shares(draft, name, names):
            name = f"{name}/{draft.members[-1].name.rpartition('/')[2]}"
        names[draft] = _free(name, taken)
        taken.add(names[draft])
    return names


def _shares(draft: Draft, name: str, names: Mapping[Draft, str]) -> bool:
    """Whether the weights are those of the draft that has the name: a layer that is used twice."""
    weights = next(known.weights for known, taken in names.items() if taken == name)
    return bool(weights) and draft.weights == weights


def scope_of(draft: Draft) -> str:
    """The scope in the file that a draft stands for."""
    return "/".join(_scope(draft))


def variable_name(operation: Operation) -> str:
    """What a variable or constant is called in the file."""
    said = operation.attr["shared_name"].s if "shared_name" in operation.attr else b""
    return said.decode("utf-8", "replace") or operation.name


def _scope(draft: Draft) -> list[str]:
    """The scope of a layer: up to its own name where a variable tells it."""
    parts = draft.members[0].name.split("/")
    for leaf in draft.weights.values():
        layer = variable_name(leaf).split("/")[-2:-1]
        for at in range(len(parts) - 1, -1, -1):
            if layer and _is_called(parts[at], layer[0]):
                return parts[: at + 1]
    parts = _common([member.name.split("/")[:-1] for member in draft.members])
    while parts and parts[-1] in INSIDE:
        parts.pop()
    return parts


def _common(paths: Sequence[Sequence[str]]) -> list[str]:
    """The parts that all paths begin with."""
    columns = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return [parts[0] for parts in columns]


def _is_called(part: str, layer: str) -> bool:
    numbered = _NUMBERED.fullmatch(part)
    return part == layer or (numbered is not None and numbered[1] == layer)


def _is_doubled(scopes: Mapping[Draft, Sequence[str]]) -> bool:
    said = [
        (scope[-1], layer)
        for draft, scope in scopes.items()
        for leaf in draft.weights.values()
        if leaf.op != "Const" and scope
        for layer in variable_name(leaf).split("/")[-2:-1]
        if _is_called(scope[-1], layer)
    ]
    if said:
        return sum(part != layer for part, layer in said) * 2 > len(said)
    last = {scope[-1] for scope in scopes.values() if scope}
    return len(last) >= FEWEST and all(_NUMBERED.fullmatch(part) for part in last)


def _plain(scope: Sequence[str], doubled: bool) -> list[str]:
    if not doubled:
        return list(scope)
    return [match[1] if (match := _NUMBERED.fullmatch(part)) else part for part in scope]


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """How many leading parts all names have in common: 1 if that is the model, else 0."""
    first = {path[0] if path else "" for path in paths}
    return 1 if len(first) == 1 and any(len(path) > 1 for path in paths) else 0


def _free(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}@{number}", number + 1
    return free
