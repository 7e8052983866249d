"""All that a text says about each node, gathered; contradictions are found here."""

from __future__ import annotations

from opgraph.errors import ParseError
from opgraph.ops import Op, find
from opgraph.text.draft import Draft, Item, Link, Span
from opgraph.text.findings import Findings
from opgraph.text.values import Setting


class Entry:
    """All that is said about one node, over the whole text."""

    __slots__ = (
        "first",
        "guessed",
        "kind",
        "label",
        "label_at",
        "links",
        "op",
        "owner",
        "settings",
    )

    def __init__(self, first: Item) -> None:
        self.first = first
        self.label: str | None = None
        self.label_at: Item | None = None
        self.op: Span | None = None
        self.owner: Item | None = None
        self.settings: dict[str, Setting] | None = None
        self.kind: type[Op] | None = None
        self.guessed = False
        self.links: list[Link] = []


def gather(draft: Draft, findings: Findings) -> dict[str, Entry]:
    """One entry a node, in the order in which they are first mentioned."""
    return _Gathering(findings).gather(draft)


class _Gathering:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def gather(self, draft: Draft) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for item in draft.items:
            entry = entries.get(item.text)
            if entry is None:
                entry = entries[item.text] = Entry(item)
            if item.label is not None or not item.is_plain:
                self._describe(entry, item)
        for link in draft.links:
            entries[link.target.text].links.append(link)
        return entries

    def _describe(self, entry: Entry, item: Item) -> None:
        if item.label is not None:
            self._set_label(entry, item)
        if item.op:
            self._set_op(entry, item, item.op)
        for setting in item.settings or ():
            self._set_attribute(entry, item, setting)
        if item.owner:
            self._set_owner(entry, item, item.owner)

    def _contradiction(self, item: Item, what: str, first: int, span: tuple[int, int]) -> None:
        """Two places say different things about a node; an error at the second."""
        before = self.findings.place(first, first)
        self.findings.add_at(
            lambda: ParseError(
                what, where=item.text, node=item.text, hint=f"the other one stands at {before}"
            ),
            *span,
        )

    def _set_label(self, entry: Entry, item: Item) -> None:
        if entry.label_at is None:
            entry.label, entry.label_at = item.label, item
        elif entry.label != item.label:
            what = f"the label is {item.label!r} here, {entry.label!r} elsewhere"
            self._contradiction(item, what, entry.label_at.start, (item.start, item.end))

    def _set_op(self, entry: Entry, item: Item, op: Span) -> None:
        if entry.op is None:
            entry.op = op
        elif not _is_same_op(entry.op.text, op.text):
            what = f"the op is {op.text!r} here, {entry.op.text!r} elsewhere"
            self._contradiction(item, what, entry.op.start, op[1:])

    def _set_attribute(self, entry: Entry, item: Item, setting: Setting) -> None:
        entry.settings = entry.settings or {}
        before = entry.settings.setdefault(setting.name, setting)
        if before.value != setting.value:
            what = f"{setting.name} is {setting.value!r} here, {before.value!r} elsewhere"
            self._contradiction(item, what, before.start, (setting.start, setting.end))

    def _set_owner(self, entry: Entry, item: Item, owner: Item) -> None:
        if entry.owner is None:
            entry.owner = owner
        elif entry.owner.text != owner.text:
            what = f"shares the weights of {owner.text!r} here, of {entry.owner.text!r} elsewhere"
            self._contradiction(item, what, entry.owner.start, (owner.start, owner.end))


def _is_same_op(first: str, second: str) -> bool:
    return first == second or (find(first) is not None and find(first) is find(second))
