"""The legend: what colours and type mean, and what was left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from opgraph.analysis import Folded
from opgraph.render.attributes import defining_attrs
from opgraph.render.card import Card, measure
from opgraph.render.marks import Marks
from opgraph.render.scene import Item, Rect, Text

CHIP, CHIP_GAP, ENTRY_GAP = 8.0, 5.0, 16.0
WORDS = {
    "input": "input",
    "convolution": "convolution",
    "dense": "dense",
    "normalization": "normalisation",
    "activation": "activation",
    "pooling": "pooling",
    "shape": "shape",
    "merge": "merge",
    "recurrent": "recurrent",
    "attention": "attention",
    "regularization": "regularisation",
    "opaque": "not known to opgraph",
    "error": "does not fit",
    "ghost": "behind an error",
}
SAME_COLOUR = {"shape": "pooling", "attention": "recurrent"}
PROVENANCE = {
    "given": "given",
    "inferred": "inferred by a rule",
    "default": "default",
}


class Entry(NamedTuple):
    """A chip, if any, and a word in a kind of type."""

    chip: str | None
    word: str
    kind: str

    @property
    def width(self) -> float:
        """The room it takes."""
        return measure(self.word, self.kind) + (CHIP + CHIP_GAP if self.chip else 0.0)


def legend_rows(
    folded: Folded, cards: Sequence[Card], width: float, stubs: int
) -> list[tuple[Item, ...]]:
    """Entries set in rows; each row has its origin at the left end of its base line."""
    rows: list[list[Item]] = []
    for entries in (list(_categories(cards)), list(_type_entries(folded, stubs))):
        rows += _set_rows(entries, width)
    return [tuple(row) for row in rows]


def mark_rows(marks: Marks, width: float) -> list[tuple[Item, ...]]:
    """What became of nodes and lines, in rows like those of the legend; one mark an entry."""
    entries = [Entry(f"d-{status}", words, "foot") for status, words in marks.legend.items()]
    entries += [Entry(None, words, "foot") for words in marks.remarks]
    return [tuple(row) for row in _set_rows(entries, width)]


def face_rows(used: Collection[str], width: float) -> list[tuple[Item, ...]]:
    """The colours of volumes, in rows."""
    entries = [entry._replace(chip=f"v-{entry.chip} front") for entry in _chips(used)]
    return [tuple(row) for row in _set_rows(entries, width)]


def _categories(cards: Sequence[Card]) -> Iterator[Entry]:
    return _chips({card.category for card in cards if not card.heat and not card.mark})


def _chips(used: Collection[str]) -> Iterator[Entry]:
    """One chip for each colour; categories that share one share the chip."""
    shared: dict[str, list[str]] = {}
    for category in filter(used.__contains__, WORDS):
        shared.setdefault(SAME_COLOUR.get(category, category), []).append(category)
    for categories in shared.values():
        yield Entry(categories[0], ", ".join(WORDS[c] for c in categories), "foot")


def _type_entries(folded: Folded, stubs: int) -> Iterator[Entry]:
    graph = folded.view.graph
    used = {attr.provenance for node in graph for attr in defining_attrs(node)}
    used |= {n.provenance("shape") for n in graph if n.kind.category == "input"}
    if used - {"given"}:
        for kind, words in PROVENANCE.items():
            if kind in used:
                yield Entry(None, words, kind)
    if stubs:
        yield Entry(None, f"{stubs:,} long lines drawn as tags", "foot")
    if folded.folds:
        hidden = sum(len(facts.fold.nodes) for facts in folded.folds.values())
        boxes = "1 box" if len(folded.folds) == 1 else f"{len(folded.folds):,} boxes"
        words = f"{hidden:,} of {len(folded.whole.graph):,} nodes folded into {boxes}"
        yield Entry("fold", words, "foot")


def _set_rows(entries: list[Entry], width: float) -> list[list[Item]]:
    rows: list[list[Item]] = []
    x = 0.0
    for entry in entries:
        if not rows or x + entry.width > width:
            rows.append([])
            x = 0.0
        rows[-1] += _set_entry(entry, x)
        x += entry.width + ENTRY_GAP
    return rows


def _set_entry(entry: Entry, x: float) -> Iterator[Item]:
    if entry.chip:
        if entry.chip == "fold":
            yield Rect(x, -CHIP, CHIP, CHIP, "box c-fold", 2.0)
            yield Rect(x + 2.0, 2.0 - CHIP, CHIP - 4.0, CHIP - 4.0, "box c-fold", 1.0)
        elif entry.chip.startswith("d-"):
            yield Rect(x, -CHIP, CHIP, CHIP, f"box {entry.chip}", 2.0)
        elif entry.chip.startswith("v-"):
            yield Rect(x, -CHIP, CHIP, CHIP, entry.chip, 2.0)
        elif entry.chip in ("ghost", "opaque"):
            yield Rect(x, -CHIP, CHIP, CHIP, f"box c-{entry.chip}", 2.0)
        else:
            yield Rect(x, -CHIP, CHIP, CHIP, f"b-{entry.chip}", 2.0)
        x += CHIP + CHIP_GAP
    yield Text(x, 0.0, entry.word, entry.kind, measure(entry.word, entry.kind))
