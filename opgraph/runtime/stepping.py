"""Signals that ask a `fit` to end wait for the end of a step: the state is that of the last row.

Owns what becomes of Ctrl-C and SIGTERM meanwhile; knows nothing of what a step is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

Answer = Callable[[int, Any], object]


class Stepping:
    """Entered for each step; a signal that comes within it is answered when it is left."""

    def __init__(self) -> None:
        self._inside = False
        self._asked: int | None = None
        self._answers: dict[int, Answer] = {}

    def __enter__(self) -> None:
        self._inside = True

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._inside = False
        asked, self._asked = self._asked, None
        if asked is not None and error is None:
            self._answers[asked](asked, None)

    @contextmanager
    def interruptible(self) -> Generator[None]:
        """Let signals wait for the end of a step; afterwards all is as it was."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        answers = {number: _answer(number, handler) for number, handler in before.items()}
        self._answers = {n: answer for n, answer in answers.items() if answer is not None}
        for number in self._answers:
            signal.signal(number, self._heard)
        try:
            yield
        finally:
            self._asked = None
            for number in self._answers:
                signal.signal(number, before[signal.Signals(number)])

    def _heard(self, number: int, frame: Any) -> None:
        if self._inside and self._asked is None:
            self._asked = number
            return
        self._asked = None  # the second time, at once
        self._answers[number](number, frame)


def _answer(number: int, handler: Any) -> Answer | None:
    """What a signal leads to; None where it is left to the system, or ignored."""
    if callable(handler):
        return handler
    return _leave if number == signal.SIGTERM and handler == signal.SIG_DFL else None


def _leave(number: int, _frame: Any) -> None:
    """End the process as SIGTERM does, but with a clean exit: its code is that of a shell."""
    raise SystemExit(128 + number)
