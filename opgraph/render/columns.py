"""Plain tables for terminals: aligned columns, thin rules, no frames.

Fits itself to the width and to what the console can print: what it cannot encode becomes ASCII.
Knows nothing of what the cells say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from opgraph.render.cleaning import clean

GAP = 2
ASCII = str.maketrans({"×": "x", "·": "|", "−": "-", "→": ">", "─": "-"})
FANCY = "×…·─"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        header: its name.
        right: whether it holds figures; those are never shortened.
        least: how narrow it may get.
        yields: columns with a higher number give way first.
        wraps: whether long texts go on in the next line instead of being shortened.
    """

    header: str
    right: bool = False
    least: int = 6
    yields: int = 0
    wraps: bool = False


@dataclass(frozen=True)
class TextTable:
    """A table that rich can print.

    Attributes:
        columns: from left to right.
        rows: a text for each column.
        foot: a last row below a rule.
        ascii_only: None asks the console.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]
    foot: Sequence[Text] | None = None
    ascii_only: bool | None = None

    def natural_widths(self) -> list[int]:
        """What each column would like to have."""
        rows = [*self.rows, *([self.foot] if self.foot else [])]
        return [
            max(cell_len(column.header), *(cell_len(row[i].plain) for row in rows), 0)
            for i, column in enumerate(self.columns)
        ]

    def natural_width(self) -> int:
        """What the table would like to have."""
        return sum(self.natural_widths()) + GAP * (len(self.columns) - 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        printer = Printer.of(options, self.ascii_only)
        rule = Text(printer.write("─") * (sum(widths) + GAP * (len(widths) - 1)), "dim")
        yield printer.show(self._line([Text(c.header, "bold") for c in self.columns], widths))
        yield rule
        for row in self.rows:
            for line in self._broken(row, widths):
                yield printer.show(self._line(line, widths, printer.ellipsis))
        if self.foot:
            yield rule
            yield printer.show(self._line(self.foot, widths, printer.ellipsis))

    def _widths(self, room: int) -> list[int]:
        """Natural widths, taken from the widest columns first until the table fits."""
        widths = self.natural_widths()
        while sum(widths) + GAP * (len(widths) - 1) > room:
            able = [i for i, c in enumerate(self.columns) if widths[i] > c.least and not c.right]
            if not able:
                break
            widths[max(able, key=lambda i: (self.columns[i].yields, widths[i]))] -= 1
        return widths

    def _broken(self, row: Sequence[Text], widths: Sequence[int]) -> Iterator[Sequence[Text]]:
        """The row as the lines it takes when texts of columns that wrap go on below."""
        texts = [
            [Text(t, cell.style) for t in wrap_cells(cell.plain.split(" "), width, " ")]
            if column.wraps and cell_len(cell.plain) > width
            else [cell]
            for cell, column, width in zip(row, self.columns, widths, strict=True)
        ]
        yield from zip_longest(*texts, fillvalue=Text(""))

    def _line(self, cells: Sequence[Text], widths: Sequence[int], ellipsis: str = "…") -> Text:
        line = Text(no_wrap=True, overflow="crop", end="")
        for index, (cell, column, width) in enumerate(
            zip(cells, self.columns, widths, strict=True)
        ):
            fitted = fit_cells(cell, width, ellipsis)
            space = " " * (width - cell_len(fitted.plain))
            parts = (space, fitted) if column.right else (fitted, space)
            line.append(" " * GAP if index else "")
            for part in parts:
                line.append(part)
        line.rstrip()
        return line


@dataclass(frozen=True, slots=True)
class Printer:
    """What a console can show: its encoding, and whether that has the finer characters."""

    encoding: str
    is_plain: bool

    @property
    def ellipsis(self) -> str:
        """What stands for text that is left out."""
        return ".." if self.is_plain else "…"

    @classmethod
    def of(cls, options: ConsoleOptions, ascii_only: bool | None = None) -> Printer:
        """The printer for a console; `ascii_only` overrides what it says of itself."""
        if ascii_only:
            return cls("ascii", True)
        return cls(options.encoding, not can_encode(FANCY, options.encoding))

    def write(self, text: str) -> str:
        """The text as far as the console can print it."""
        if self.is_plain:
            text = text.translate(ASCII)
        return text.encode(self.encoding, "replace").decode(self.encoding)

    def show(self, text: Text) -> Text:
        """The same for styled text; no character changes its width."""
        shown = text.copy()
        shown.plain = self.write(text.plain)
        shown.end = "\n"
        return shown


def can_encode(text: str, encoding: str) -> bool:
    """Whether a console of this encoding can print a text.

    >>> can_encode("卷积", "gbk"), can_encode("卷积", "ascii")
    (True, False)
    """
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def fit_cells(text: Text, width: int, ellipsis: str = "…") -> Text:
    """The text, or its two ends around an ellipsis, in at most `width` columns.

    >>> fit_cells(Text("GlobalAveragePooling2D"), 12).plain
    'GlobalAv…g2D'
    """
    if cell_len(text.plain) <= width:
        return text
    room = max(0, width - len(ellipsis))
    head, tail = room - room // 3, room // 3
    start, first = len(text), len(text)
    while start and cell_len(text.plain[:start]) > head:
        start -= 1
    while first > start and cell_len(text.plain[first - 1 :]) <= tail:
        first -= 1
    end = text[first:] if first < len(text) else Text("")
    return Text.assemble(text[:start], ellipsis[:width], end)


def wrap_cells(parts: Sequence[str], width: int, joiner: str) -> list[str]:
    """Parts joined into lines of at most `width` terminal columns.

    >>> wrap_cells(["one", "two", "three"], 8, " ")
    ['one two', 'three']
    """
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{joiner}{part}" if lines else part
        if lines and cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def text_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    foot: Sequence[str] | None = None,
) -> TextTable:
    """A table of plain strings; the columns named in `right` hold figures."""
    columns = [Column(header, header in right) for header in headers]
    cells = [[Text(clean(cell)) for cell in row] for row in rows]
    return TextTable(columns, cells, [Text(clean(cell)) for cell in foot] if foot else None)
