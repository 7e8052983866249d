"""The table of findings of `opgraph check --lint`, with the reasons below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from opgraph.render.cleaning import clean
from opgraph.render.columns import Column, Printer, TextTable, wrap_cells
from opgraph.rules import SEVERITIES, Finding, Report

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
MOST_ROWS = 8
COLUMNS = (
    Column("severity", least=8),
    Column("code", least=5),
    Column("node", least=10, yields=1),
    Column("place", least=10, yields=2),
    Column("what", least=24, yields=3, wraps=True),
)


@dataclass(frozen=True)
class FindingsTable:
    """What was found, for rich to print.

    Attributes:
        report: the findings.
        title: the graph and its size, in words.
    """

    report: Report
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        printer = Printer.of(options)
        findings = self.report.findings
        if findings:
            yield from self._table().__rich_console__(console, options)
            for code in dict.fromkeys(found.code for found in findings):
                first = next(found for found in findings if found.code == code)
                yield from _explained(first, options.max_width, printer)
            yield Text("")
        yield printer.show(Text(f"{clean(self.title)}, {counts_text(self.report)}", "bold"))

    def _table(self) -> TextTable:
        gathered: dict[tuple[str, str], list[Finding]] = {}
        for found in self.report.findings:
            gathered.setdefault((found.severity, found.code), []).append(found)
        rows = [row for key, members in gathered.items() for row in _rows(key, members)]
        shown = [any(row[at].plain for row in rows) for at in range(len(COLUMNS))]
        columns = [column for column, is_shown in zip(COLUMNS, shown, strict=True) if is_shown]
        kept = [[cell for cell, s in zip(row, shown, strict=True) if s] for row in rows]
        return TextTable(columns, kept)


def _rows(key: tuple[str, str], members: list[Finding]) -> Iterator[list[Text]]:
    severity, code = key
    for found in members[:MOST_ROWS]:
        yield [
            Text(severity, STYLES[severity]),
            Text(code),
            Text(clean(found.node)),
            Text(clean(str(found.place or "")), "dim"),
            Text(clean(found.problem)),
        ]
    if (more := len(members) - MOST_ROWS) > 0:
        yield [Text(""), Text(""), Text(f"and {more:,} more", "dim"), Text(""), Text("")]


def _explained(found: Finding, width: int, printer: Printer) -> Iterator[Text]:
    """Title, reason and advice of a rule."""
    yield Text("")
    yield printer.show(Text.assemble((found.code, "bold"), f"  {found.title}"))
    for word, text in (("why", found.why), ("do", found.fix)):
        head = f"  {word:<3}  "
        for line in wrap_cells(text.split(" "), max(20, width - len(head)), " "):
            yield printer.show(Text.assemble((head, "dim"), line))
            head = " " * len(head)


def counts_text(report: Report) -> str:
    """How much was found, in words.

    >>> counts_text(Report((), ()))
    'nothing found by 0 rules'
    """
    words = [
        f"{count:,} {severity}" + ("s" if count != 1 and severity != "info" else "")
        for severity in SEVERITIES
        if (count := report.count(severity))
    ]
    return ", ".join(words) or f"nothing found by {len(report.rules)} rules"


def findings_table(report: Report, title: str) -> FindingsTable:
    """All findings with the reasons below them."""
    return FindingsTable(report, title)
