"""From links to edges: which input slot each takes, and which were only written again."""

from __future__ import annotations

from opgraph.errors import GraphError, Place
from opgraph.graph import Edge
from opgraph.text.draft import Link
from opgraph.text.entry import Entry
from opgraph.text.findings import Findings


def edges_into(name: str, entry: Entry, findings: Findings) -> list[Edge]:
    """The edges into a node; what is wrong with them is added to the findings."""
    return _Slots(findings).edges(name, entry)


class _Slots:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def edges(self, name: str, entry: Entry) -> list[Edge]:
        links = entry.links
        if len(links) > 1 or (links and links[0].target.slot):
            return self._slotted(name, entry)
        return [self._edge(link, name, 0) for link in links]

    def _edge(self, link: Link, name: str, slot: int) -> Edge:
        source, target = link.source, link.target
        is_back = target.start < source.start
        start, end = (target.start, source.end) if is_back else (source.start, target.end)
        place = Place(self.findings.source, start, end)
        return Edge(source.text, name, slot, source.port or 0, place)

    def _slotted(self, name: str, entry: Entry) -> list[Edge]:
        links = self._without_repetitions(name, entry)
        taken: dict[int, Link] = {}
        slots: dict[int, int] = {}
        for index, link in enumerate(links):
            slot = self._slot(name, entry, link)
            if slot is not None and taken.setdefault(slot, link) is not link:
                self._refuse_slot_twice(name, link, taken[slot])
            elif slot is not None:
                slots[index] = slot
        free = (slot for slot in range(2 * len(links)) if slot not in taken)
        return [
            self._edge(link, name, slots[index] if index in slots else next(free))
            for index, link in enumerate(links)
        ]

    def _slot(self, name: str, entry: Entry, link: Link) -> int | None:
        """The number of the input slot that was written, if one was."""
        slot = link.target.slot
        if slot is None:
            return None
        names, _, most = entry.kind.slots() if entry.kind else ((), 0, None)
        number = int(slot) if slot.isdecimal() and len(slot) < 6 else None
        if number is None and slot in names:
            return names.index(slot)
        if number is None or (most is not None and number >= most):
            self._refuse_slot(name, slot, names, link)
            return None
        return number

    def _refuse_slot(self, name: str, slot: str, names: tuple[str, ...], link: Link) -> None:
        listing = ", ".join(f"@{known}" for known in names) or "none"
        self.findings.add_at(
            lambda: GraphError(
                f"has no input {slot!r}",
                where=name,
                node=name,
                hint=f'its inputs: {listing}; if it is part of the name: "{name}@{slot}"',
            ),
            link.target.start,
            link.target.end,
        )

    def _without_repetitions(self, name: str, entry: Entry) -> list[Link]:
        """The links, without edges that were written again.

        Twice in one statement means two inputs. Twice in different statements means the same edge
        if the op has one input, and cannot be told if it has more.
        """
        most = entry.kind.slots()[2] if entry.kind else 1
        seen: dict[tuple[str, int, str | None], Link] = {}
        kept: list[Link] = []
        for link in entry.links:
            key = (link.source.text, link.source.port or 0, link.target.slot)
            first = seen.setdefault(key, link)
            if first.statement == link.statement:
                kept.append(link)
            elif most != 1 and link.target.slot is None:
                self._refuse_repetition(name, link, first)
        return kept

    def _refuse_repetition(self, name: str, link: Link, first: Link) -> None:
        source, before = link.source.text, self.findings.place(first.source.start, 0)
        self.findings.add_at(
            lambda: GraphError(
                f"the edge from {source!r} is written twice",
                where=name,
                node=name,
                hint=f"for two inputs write {source}, {source} -> {name};"
                f" for one, take this out (first at {before})",
            ),
            *_span(link),
        )

    def _refuse_slot_twice(self, name: str, link: Link, first: Link) -> None:
        before = self.findings.place(first.source.start, 0)
        self.findings.add_at(
            lambda: GraphError(
                f"input @{link.target.slot} is taken by {first.source.text!r} (at {before})",
                where=name,
                node=name,
            ),
            *_span(link),
        )


def _span(link: Link) -> tuple[int, int]:
    return (link.source.start, max(link.target.end, link.source.start + 1))
