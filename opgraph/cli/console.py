"""Where commands print: consoles of any width and encoding, colour or none."""

from __future__ import annotations

import codecs
import io
import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from opgraph.errors import OpgraphError, Problems

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import Console

# What stands for a character that the console cannot print; anything else becomes "?".
PLAIN = {"│": "|", "─": "-", "→": "->", "←": "<-", "×": "x", "−": "-", "…": "...", "✓": "ok",
         "≥": ">=", "·": ".", "≈": "~", "└": "`", "├": "|", "•": "*",
         "√": "sqrt", "Σ": "sum", "‖": "|", "✗": "X", "±": "+-", "“": '"', "”": '"'}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text, span = error.object, range(error.start, error.end)
    return "".join(_stand_in(text, at) for at in span), error.end


def _stand_in(text: str, at: int) -> str:
    """What is printed for a character; between blanks × is arithmetic: 2 * 3, but a 3x3 kernel."""
    if text[at] == "×" and text[at - 1 : at] == text[at + 1 : at + 2] == " ":
        return "*"
    return PLAIN.get(text[at], "?")


def prepare_streams() -> None:
    """Let no character that the console lacks end in a traceback."""
    codecs.register_error("opgraph.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="opgraph.plain")


@cache
def console(stderr: bool = False) -> Console:
    """The console of stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def can_print(text: str) -> bool:
    """Whether the encoding of stdout has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def box() -> Box:
    """The rule lines of tables: one thin line below the head."""
    from rich import box as boxes

    return boxes.SIMPLE_HEAD if can_print("─") else boxes.ASCII_DOUBLE_HEAD


def print_json(data: Any) -> None:
    """Print plain data as JSON."""
    sys.stdout.write(json.dumps(data, ensure_ascii=not can_print("→卷"), indent=2) + "\n")


def print_error(error: OpgraphError) -> None:
    """Print an error to stderr: `error:` before a single one, a count behind several."""
    if isinstance(error, Problems):
        sys.stderr.write(f"{error}\n\n{error.problem}\n")
    else:
        sys.stderr.write(f"error: {error}\n" if error.place is None else f"{error}\n")
