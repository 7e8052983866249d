"""Reading a line from a terminal, with completion and the lines typed before.

Takes prompt_toolkit where it is installed, else readline where Python has it, else plain input.
Owns this choice; knows nothing about what is typed. Nothing is kept after the session.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

Complete = Callable[[str], list[str]]
Ask = Callable[[str], str]


def make_reader(complete: Complete) -> Ask:
    """What asks for a line.

    Args:
        complete: how the last word of a line up to the cursor may go on.
    """
    for make in (_by_prompt_toolkit, _by_readline):
        try:
            return make(complete)
        except ImportError:
            continue
    return input


def _by_prompt_toolkit(complete: Complete) -> Ask:
    toolkit: Any = importlib.import_module("prompt_toolkit")
    completion: Any = importlib.import_module("prompt_toolkit.completion")

    class Words(completion.Completer):
        """Completions of the last word."""

        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Any]:
            """What the editor asks for."""
            text = document.text_before_cursor
            length = len(text.rpartition(" ")[2])
            for found in complete(text):
                yield completion.Completion(found, start_position=-length)

    session: Any = toolkit.PromptSession(completer=Words(), complete_while_typing=False)
    return session.prompt


def _by_readline(complete: Complete) -> Ask:
    import readline

    def word(text: str, number: int) -> str | None:
        found = complete(readline.get_line_buffer()[: readline.get_endidx()])
        return found[number] if number < len(found) else None

    readline.set_completer_delims(" ")
    readline.set_completer(word)
    readline.parse_and_bind("tab: complete")
    return input
