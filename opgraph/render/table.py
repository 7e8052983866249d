"""The table of `opgraph show`: every node with its facts, and everything that was inferred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from opgraph.analysis import Analysis, Folded, FoldFacts, NodeFacts
from opgraph.analysis import fold as fold_regions
from opgraph.graph import OpGraph, Provenance
from opgraph.render.attributes import ShownAttr, defining_attrs
from opgraph.render.captions import size_text, sum_text
from opgraph.render.cleaning import clean
from opgraph.render.columns import Column, Printer, TextTable, can_encode, wrap_cells
from opgraph.render.fold_card import blocks_text, ops_text
from opgraph.render.wording import count_text, shape_text, si_text, sizes_text, value_text

MARKS: dict[Provenance, str] = {"given": "", "inferred": "~", "default": "*"}
STYLES: dict[Provenance, str] = {"given": "", "inferred": "italic", "default": "dim italic"}
NAMES_LISTED = 3

# Fullest first; the first that fits is taken. `named` writes attributes with their names.
LAYOUTS: tuple[tuple[bool, tuple[str, ...]], ...] = (
    (True, ("node", "label", "op", "output", "attributes", "params", "flops", "sees")),
    (False, ("node", "label", "op", "output", "attributes", "params", "flops", "sees")),
    (False, ("node", "op", "output", "attributes", "params", "flops", "sees")),
    (False, ("node", "op", "output", "attributes", "params", "flops")),
)
LEAST = {"node": 12, "op": 14, "output": 8, "attributes": 12, "label": 10}
YIELDS = {"op": 3, "node": 2, "attributes": 1}
RIGHT = frozenset({"params", "flops", "sees"})


@dataclass(frozen=True)
class FactsTable:
    """The table, for rich to print.

    Attributes:
        folded: what is shown; a fold is one row.
        width: columns of the terminal; None asks the console.
        ascii_only: whether only ASCII may be used; None asks the console.
    """

    folded: Folded
    width: int | None = None
    ascii_only: bool | None = None

    @property
    def analysis(self) -> Analysis:
        """The facts of the whole graph."""
        return self.folded.whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(self.width or options.max_width, options.max_width)
        printer = Printer.of(options, self.ascii_only)
        for line in self._summary(width):
            yield printer.show(line)
        yield Text("")
        yield from self._table(printer, width).__rich_console__(
            console, options.update(width=width)
        )
        for line in (*self._key(), *self._inferred(width)):
            yield printer.show(line)

    def _summary(self, width: int) -> Iterator[Text]:
        parts = [clean(self.analysis.graph.name), size_text(self.analysis)]
        text = " · ".join([*parts, f"depth {self.analysis.depth}"])
        for index, line in enumerate(wrap_cells(text.split(" · "), width, " · ")):
            yield Text(line, "bold" if not index else "")
        if self.analysis.errors:
            count = len(self.analysis.errors)
            yield Text(f"{count} {'node does' if count == 1 else 'nodes do'} not fit", "bold red")

    def _table(self, printer: Printer, width: int) -> TextTable:
        labels = [node.label or "" for node in self.folded.view.graph]
        show_labels = any(labels) and can_encode("".join(labels), printer.encoding)
        table = None
        for named, headers in LAYOUTS:
            if "label" in headers and not show_labels:
                headers = tuple(header for header in headers if header != "label")
            table = self._laid_out(named, headers)
            if table.natural_width() <= width:
                break
        assert table is not None
        return table

    def _laid_out(self, named: bool, headers: Sequence[str]) -> TextTable:
        folds = self.folded.folds
        columns = [Column(h, h in RIGHT, LEAST.get(h, len(h)), YIELDS.get(h, 0)) for h in headers]
        rows = [
            [fold_cell(folds[n], header) if n in folds else cell(facts, header, named)
             for header in headers]
            for n, facts in self.folded.view.facts.items()
        ]  # fmt: skip
        return TextTable(columns, rows, [self._total(h) for h in headers], self.ascii_only)

    def _total(self, header: str) -> Text:
        totals = self.analysis.totals
        texts = {
            "node": "total",
            "params": sum_text(totals.params, count_text(totals.params.value)),
            "flops": sum_text(totals.flops, si_text(totals.flops.value)),
        }
        return Text(texts.get(header, ""), "bold")

    def _key(self) -> Iterator[Text]:
        nodes = [node for node in self.folded.view.graph if node.name not in self.folded.folds]
        used = {attr.provenance for node in nodes for attr in defining_attrs(node)}
        if any(node.inferred for node in nodes):
            used.add("inferred")
        words = {"inferred": "~ inferred, see below", "default": "* default"}
        parts = [Text(words[p], STYLES[p]) for p in ("inferred", "default") if p in used]
        unknown = any(facts.output is None for facts in self.analysis.facts.values())
        parts += [Text("? unknown")] if unknown else []
        if parts:
            yield Text("")
            yield Text("   ").join(parts)

    def _inferred(self, width: int) -> Iterator[Text]:
        """What was not said and how it was filled in, by attribute, value and reason."""
        rows = list(inferred_rows(self.analysis.graph))
        if not rows:
            return
        yield Text("")
        yield Text("inferred", "bold")
        widths = [
            min(max(cell_len(row[i]) for row in rows), most) for i, most in ((0, 20), (1, 24))
        ]
        before = ""
        for attribute, value, text in rows:
            first = attribute if attribute != before else ""
            before = attribute
            head = f"  {first.ljust(widths[0])}  {value.ljust(widths[1])}  "
            room = max(20, width - cell_len(head))
            for index, line in enumerate(wrap_cells(text.split(" "), room, " ")):
                start = head if not index else " " * cell_len(head)
                yield Text.assemble((start, "italic" if not index else ""), line)


def fold_cell(facts: FoldFacts, header: str) -> Text:
    """What a column says of a fold."""
    totals = facts.totals
    texts = {
        "node": clean(facts.fold.name),
        "op": f"{blocks_text(facts)}{len(facts.fold.nodes):,} nodes",
        "output": ", ".join(map(shape_text, facts.exits.values())),
        "attributes": ops_text(facts, len(facts.ops)),
        "params": sum_text(totals.params, count_text(totals.params.value)),
        "flops": sum_text(totals.flops, si_text(totals.flops.value)),
    }
    return Text(texts.get(header, ""), "bold" if header == "node" else "")


def cell(facts: NodeFacts, header: str, named: bool) -> Text:
    """What a column says of a node."""
    node = facts.node
    if facts.error and header == "output":
        return Text("does not fit", "bold red")
    if header == "attributes":
        return attrs_cell(defining_attrs(node), named)
    if header == "output":
        return output_cell(facts)
    style = "bold red" if facts.error and header == "node" else ""
    return Text(_plain_cell(facts, header), style)


def _plain_cell(facts: NodeFacts, header: str) -> str:
    node = facts.node
    if header == "node":
        return clean(node.name)
    if header == "label":
        return clean(node.label or "")
    if header == "op":
        return node.kind.kind
    if header == "params":
        return params_text(facts)
    if header == "flops":
        return "" if facts.flops == 0 else si_text(facts.flops)
    field = facts.receptive_field
    return "" if field is None or field.size == () else sizes_text(field.size)


def params_text(facts: NodeFacts) -> str:
    """Parameters of a node; nothing where there are none."""
    if facts.node.shares is not None:
        return "shared"
    return "" if facts.total_params == 0 else count_text(facts.total_params)


def output_cell(facts: NodeFacts) -> Text:
    """The output shapes; that of an input is an attribute with a provenance."""
    node = facts.node
    text = ", ".join(map(shape_text, facts.outputs or (None,)))
    if node.kind.category != "input" or "shape" not in node.kind.schema():
        return Text(text)
    provenance = node.provenance("shape")
    return Text(text + MARKS[provenance], STYLES[provenance])


def attrs_cell(attrs: Sequence[ShownAttr], named: bool) -> Text:
    """Attributes, each in the style and with the mark of where it comes from."""
    parts = [
        Text((a.named if named else a.text) + MARKS[a.provenance], STYLES[a.provenance])
        for a in attrs
    ]
    return Text(", ").join(parts)


def inferred_rows(graph: OpGraph) -> Iterator[tuple[str, str, str]]:
    """Attribute, value, and which nodes it was inferred for and why."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    guessed = sum(node.guessed for node in graph)
    for node in graph:
        for name, item in node.inferred.items():
            groups.setdefault((name, value_text(item.value), item.reason), []).append(node.name)
    if guessed:
        which = "all nodes" if guessed == len(graph) else f"{guessed} of {len(graph)} nodes"
        yield "op", which, "told from the names"
    for (name, value, reason), names in sorted(groups.items(), key=lambda item: item[0][0]):
        yield name, value, f"{listed(names)}: {reason}"


def listed(names: Sequence[str]) -> str:
    """A few names, and how many more.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - NAMES_LISTED
    if more <= 0:
        return ", ".join(map(clean, names))
    return f"{', '.join(map(clean, names[:NAMES_LISTED]))} and {more} more"


def facts_table(
    analysis: Analysis,
    width: int | None = None,
    ascii_only: bool | None = None,
    fold: str | int = "none",
    opened: Iterable[str] = (),
) -> FactsTable:
    """The table of all nodes with a summary before and all inferred values after it.

    With `fold` and `opened`, as in `draw_svg`, a folded region is one row.

    Raises:
        GraphError: no region, fold or node is called as `fold` and `opened` say.
    """
    return FactsTable(fold_regions(analysis, fold, opened), width, ascii_only)
