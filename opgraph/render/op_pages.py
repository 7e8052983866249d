"""The tables of `opgraph ops`: all ops, and the page of one."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from opgraph.graph import expected_inputs
from opgraph.ops import Attr, Op
from opgraph.render.columns import Column, Printer, TextTable
from opgraph.render.wording import value_text


class OpsTable:
    """All ops with what they do, by category."""

    def __init__(self, kinds: Iterable[type[Op]]) -> None:
        self.kinds = list(kinds)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        printer = Printer.of(options)
        count = len(self.kinds)
        yield printer.show(Text(f"{count} ops; the page of one: opgraph ops Conv2D", "bold"))
        by_category: dict[str, list[type[Op]]] = {}
        for kind in self.kinds:
            by_category.setdefault(kind.category, []).append(kind)
        widest = max((len(kind.kind) for kind in self.kinds), default=0)
        for category, members in by_category.items():
            yield Text("")
            yield Text(category, "bold")
            rows = [[Text(k.kind.ljust(widest)), Text(k.summary, "dim")] for k in members]
            for row in rows:
                line = Text.assemble("  ", row[0], "  ", row[1])
                line.truncate(options.max_width, overflow="ellipsis")
                yield printer.show(line)


def ops_table(kinds: Iterable[type[Op]]) -> OpsTable:
    """All ops with one line each."""
    return OpsTable(kinds)


def op_page(kind: type[Op]) -> RenderableType:
    """What an op does, its inputs, names and attributes."""
    parts: list[RenderableType] = [
        Text.assemble((kind.kind, "bold"), f"  {kind.summary}"),
        Text(""),
    ]
    parts.append(Text(f"takes {expected_inputs(kind)}: {_slot_names(kind)}"))
    if kind.aliases:
        parts.append(_Printable(f"also called {', '.join(kind.aliases)}"))
    own = [spec for spec in kind.schema().values() if not spec.option]
    parts += [Text(""), attribute_table(kind, own)]
    options = [spec.name for spec in kind.schema().values() if spec.option]
    if options:
        parts += [Text(""), Text(f"as in Keras: {', '.join(options)}", "dim")]
    return Group(*parts)


class _Printable:
    """Text that is written as far as the console can print it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Printer.of(options).show(Text(self.text))


def _slot_names(kind: type[Op]) -> str:
    names, fewest, most = kind.slots()
    shown = [name if i < fewest else f"{name} (optional)" for i, name in enumerate(names)]
    return ", ".join([*shown, "..."] if most is None else shown) or "nothing"


def attribute_table(kind: type[Op], specs: Iterable[Attr]) -> TextTable:
    """Name, type, default and meaning of attributes."""
    columns = [
        Column("attribute", least=30),
        Column("type", least=18, yields=3),
        Column("default", least=12),
        Column("meaning", least=20, yields=2, wraps=True),
    ]
    rows = [
        [Text(s.name), Text(type_text(kind, s), "dim"), Text(default_text(s)), Text(s.doc)]
        for s in specs
    ]
    return TextTable(columns, rows)


def default_text(spec: Attr) -> str:
    """The default, or how a missing value is found."""
    if not spec.is_required:
        inferred = " or inferred" if spec.rule else ""
        return value_text(spec.default) + inferred
    return "inferred" if spec.rule else "required"


def type_text(kind: type[Op], spec: Attr) -> str:
    """The type of an attribute in words.

    >>> from opgraph.ops import require
    >>> conv = require("Conv2D")
    >>> [type_text(conv, conv.schema()[name]) for name in ("padding", "filters", "kernel_size")]
    ['same | valid', 'int', '(int, int)']
    """
    return "any" if spec.option else hint_text(get_type_hints(kind)[spec.field or spec.name])


def hint_text(hint: Any) -> str:
    """An annotation in words.

    >>> hint_text(tuple[int | None, ...] | None)
    '(int | none, ...) | none'
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(map(value_text, arguments))
    if origin in (Union, UnionType):
        return " | ".join(map(hint_text, arguments))
    if origin is tuple:
        return f"({', '.join(map(hint_text, arguments))})"
    if hint in (None, NoneType):
        return "none"
    return "..." if hint is Ellipsis else getattr(origin or hint, "__name__", str(hint)).lower()
