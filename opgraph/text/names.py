"""Which words of a draft are names of nodes, and of which: headings, tables, ports, labels.

Takes the whole text to tell: a word before a colon is a node if it is mentioned elsewhere, `a.1` is
output 1 of `a` if there is an `a`, and a label stands for its node. Settles each `Item` in place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from opgraph.errors import ParseError
from opgraph.ops import find, guess
from opgraph.text.draft import Draft, Item, Link
from opgraph.text.findings import Findings
from opgraph.text.mention import is_kind

_PORT = re.compile(r"(.+)\.([0-9]{1,6})")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def settle_names(draft: Draft, findings: Findings) -> None:
    """Give every item of a draft the name of its node, and drop those that are none."""
    mentions = Counter(item.text for item in draft.items)
    _settle_headings(draft, mentions, findings)
    _settle_lists(draft, findings)
    _settle_ports(draft, findings)
    _settle_labels(draft, findings)
    _name_calls(draft)
    _refuse_blanks(draft, findings)


def _error(findings: Findings, item: Item, problem: str, hint: str | None = None) -> None:
    findings.add(lambda: ParseError(problem, place=findings.place(item.start, item.end), hint=hint))


# Headings ----------------------------------------------------------------------------------------


def _settle_headings(draft: Draft, mentions: Counter[str], findings: Findings) -> None:
    for item in draft.headings:
        if mentions[item.text]:
            hint = f"write for instance: {item.text}: Conv2D(filters=32)"
            _error(findings, item, "expected an op after ':'", hint)
    doubtful = [item for item in draft.items if item.otherwise]
    if not doubtful:
        return
    linked = {id(item) for link in draft.links for item in link[:2]}
    dropped: set[int] = set()
    for item in doubtful:
        if mentions[item.text] > 1:
            continue
        right = item.otherwise
        assert right
        if id(item) not in linked and right.label is None:
            dropped.add(id(item))
        _become(item, right)
    draft.items = [item for item in draft.items if id(item) not in dropped]


def _become(item: Item, other: Item) -> None:
    item.text, item.start, item.end = other.text, other.start, other.end
    item.label, item.op, item.settings = other.label, other.op, other.settings
    item.quoted, item.words, item.otherwise = other.quoted, other.words, None


# Names without an arrow --------------------------------------------------------------------------


def _settle_lists(draft: Draft, findings: Findings) -> None:
    if not draft.lists:
        return
    rows = [items for items in draft.lists if len(items) > 1]
    if draft.links or not rows:
        names = {item.text for item in draft.items}
        for items in draft.lists:
            _settle_list(draft, items, names, findings)
    else:
        _settle_table(draft, rows, findings)
        draft.items.extend(items[0] for items in draft.lists if len(items) == 1 and _is_node(items))
    draft.items.sort(key=lambda item: item.start)


def _is_node(items: list[Item]) -> bool:
    """Whether a lone name is meant as a node; anything else is a sentence."""
    item = items[0]
    if item.quoted or item.label is not None:
        return True
    if item.words > 1:
        return False
    return bool(_IDENTIFIER.fullmatch(item.text) or find(item.text) or guess(item.text[:100]))


def _settle_list(draft: Draft, items: list[Item], names: set[str], findings: Findings) -> None:
    words = [word for item in items for word in item.text.split()]
    if len(words) > 1 and (
        all(word in names for word in words) or all(item.text in names for item in items)
    ):
        hint = f"write {' -> '.join(words[:2])}; a comment begins with #"
        _error(findings, _span(items), "expected an arrow between these names", hint)
    elif len(items) == 1:
        draft.items.extend(items if _is_node(items) else [])
    elif all(item.words == 1 for item in items):
        hint = "write where the arrow goes: a, b -> c; a comment begins with #"
        _error(findings, _span(items), "names without an arrow", hint)


def _span(items: list[Item]) -> Item:
    return Item("", items[0].start, items[-1].end)


def _settle_table(draft: Draft, rows: list[list[Item]], findings: Findings) -> None:
    """Rows of a source and a target each, without a header."""
    for number, row in enumerate(rows):
        if len(row) == 2:
            draft.items.extend(row)
            draft.links.append(Link(row[0], row[1], number))
            continue
        problem = f"expected a source and a target, received {len(row)} names"
        hint = "for further columns, a first line says which is which: source,target,..."
        _error(findings, _span(row), problem, hint)


# Ports and slots ---------------------------------------------------------------------------------


def _settle_ports(draft: Draft, findings: Findings) -> None:
    marked = [item for item in draft.items if not item.quoted and _is_marked(item)]
    owners = [item.owner for item in draft.items if item.owner]
    if marked:
        names = {item.text for item in (*draft.items, *owners)}
        for item in marked:
            _split(item, names)
    if marked or any(item.port is not None or item.slot for item in draft.items):
        _refuse_misplaced(draft, findings)


def _is_marked(item: Item) -> bool:
    return not item.is_call and ("." in item.text or "@" in item.text)


def _split(item: Item, names: set[str]) -> None:
    """Take the output `.1` and the input `@1` off a bare name."""
    text, at, slot = item.text.rpartition("@")
    if at and text:
        item.text, item.slot = text, slot
    found = _PORT.fullmatch(item.text)
    if found and (found[1] in names or any(f"{found[1]}@" in name for name in names)):
        item.text, item.port = found[1], int(found[2])


def _refuse_misplaced(draft: Draft, findings: Findings) -> None:
    for source, target, _ in draft.links:
        if target.port is not None:
            name = f"{target.text}.{target.port}"
            problem = f"{name} is an output of {target.text!r}; nothing can lead to it"
            _error(findings, target, problem, f'if that is a name of its own: "{name}"')
            draft.lost.update((source.text, target.text))
        if source.slot is not None:
            problem = f"@{source.slot} is an input of {source.text!r}; nothing can come from it"
            hint = f'if that is a name of its own: "{source.text}@{source.slot}"'
            _error(findings, source, problem, hint)
            source.slot = None
    draft.links = [link for link in draft.links if link.target.port is None]


# Labels and ops without a name -------------------------------------------------------------------


def _settle_labels(draft: Draft, findings: Findings) -> None:
    """A label that stands alone is its node, unless it is a name itself."""
    labels: dict[str, set[str]] = {}
    for item in draft.items:
        if item.label is not None:
            labels.setdefault(item.label, set()).add(item.text)
    if not labels:
        return
    owners = [item.owner for item in draft.items if item.owner]
    ids = {item.text for item in draft.items if item.quoted or item.label is not None or item.op}
    for item in (*draft.items, *owners):
        if item.label is None and item.text in labels and item.text not in ids:
            _replace_label(item, sorted(labels[item.text]), findings)


def _replace_label(item: Item, names: list[str], findings: Findings) -> None:
    if len(names) == 1:
        item.text, item.words = names[0], 1
        return
    known = ", ".join(names[:5])
    _error(findings, item, f"{item.text!r} is the label of several nodes: {known}", "write the id")


def _name_calls(draft: Draft) -> None:
    """Give ops without a name one: the op's, with a number from the second on.

    A word that a chain repeats is no op but a node if it is mentioned elsewhere; then the chain is
    a cycle. `ReLU`, which is an op letter for letter, is an op all the same.
    """
    calls = [item for item in draft.items if item.is_call]
    if not calls:
        return
    taken = {item.text for item in draft.items if not item.is_call}
    for item in calls:
        if item.op is None and item.text in taken and not is_kind(item.text):
            item.is_call = False
    calls = [item for item in calls if item.is_call]
    numbers: Counter[str] = Counter()
    for item in calls:
        kind = find(item.text)
        base = snake_case(kind.kind if kind else item.text)
        item.text = _free_name(base, taken, numbers)
        taken.add(item.text)


def _free_name(base: str, taken: set[str], numbers: Counter[str]) -> str:
    while True:
        numbers[base] += 1
        name = base if numbers[base] == 1 else f"{base}_{numbers[base]}"
        if name not in taken:
            return name


def snake_case(kind: str) -> str:
    """An op's name as a node's name.

    >>> snake_case("Conv2DTranspose"), snake_case("LeakyReLU"), snake_case("PReLU")
    ('conv2d_transpose', 'leaky_relu', 'prelu')
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])(?!LU)|(?<=[A-Z0-9][A-Z])(?=[A-Z][a-z])", "_", kind)
    return split.replace("re_lu", "relu").lower().replace("re_lu", "relu")


def _refuse_blanks(draft: Draft, findings: Findings) -> None:
    """A bare name with blanks must not be made of names: an arrow was forgotten there."""
    several = [item for item in draft.items if item.words > 1 and not item.quoted]
    names = {item.text for item in draft.items} if several else set[str]()
    for item in several:
        if any(first in names and second in names for first, second in _splits(item.text)):
            hint = 'put ";" or a line end between two edges, or the name in quotes'
            _error(findings, item, f"{item.text!r}: one name with a blank in it, or two?", hint)


def _splits(text: str) -> Iterable[tuple[str, str]]:
    words = text.split(" ")
    return ((" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words)))
