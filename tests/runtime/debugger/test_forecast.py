"""How long it takes is said beforehand where many steps are computed again, and shown meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from opgraph.errors import ExpressionError
from opgraph.record import Record
from opgraph.record.expression import Needs
from opgraph.runtime.debugger import Session
from opgraph.runtime.debugger import session as session_module

pytestmark = pytest.mark.tf


class Bar:
    """Notes what a progress bar would be told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []
        self.open = 0

    @contextmanager
    def __call__(self) -> Generator[Callable[[int, int], None]]:
        self.open += 1
        try:
            yield lambda done, total: self.told.append((done, total))
        finally:
            self.open -= 1


def test_what_takes_long_is_said_beforehand(
    run_source: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, bar = list[str](), Bar()
    session = Session(run_source(), notify=heard.append, progress=bar)
    session.history("mean(abs(d.output))")
    assert (heard, bar.told) == ([], []), "it took no second"
    monkeypatch.setattr(session_module, "PATIENCE", 0.0)
    session.history("mean(abs(d.output))")
    assert heard == ["computing 12 steps again: less than a second; Ctrl-C stops it"]
    assert bar.told == [(step, 12) for step in range(1, 13)]
    assert bar.open == 0
    with pytest.raises(ExpressionError, match="not a number"):
        session.history("d.kernel")
    assert bar.open == 0
    heard.clear()
    bar.told.clear()
    session.goto(2)
    limit = session.history("max(d.output)").values[6]
    heard.clear()
    bar.told.clear()
    session.until(f"max(d.output) == {limit!r}")
    assert session.step_number == 7
    assert heard == [
        "computing 11 steps again to have 9 steps: less than a second at most; Ctrl-C stops it"
    ]
    assert bar.told == [(step, 9) for step in range(1, 5)]
    assert bar.open == 0
    heard.clear()
    with pytest.raises(ExpressionError, match="not a number"):
        session.history("d.kernel")
    assert heard == [], "the step at hand tells already"


def test_how_many_steps_are_computed_again(
    recorded: Callable[..., Any], live: Callable[..., Any], record: Record
) -> None:
    """Full states of the run stand after 0, 5, 10 and 12."""
    source = recorded().source
    every = record.steps["step_time"].to_numpy()
    for steps, count in ((range(7, 8), 2), (range(4, 12), 11), (range(1, 1), 0)):
        cost = source.cost(steps, [None])
        assert cost == (count, pytest.approx(count * float(np.median(every))))
    assert source.cost(range(1, 12), [Needs(("loss",), {}, ())]) == (0, 0.0)
    session = live()
    assert session.source.cost(range(1, 13), [None]).steps == 0, "none was taken before"
    session.goto(6)
    cost = session.source.cost(range(3, 13), [None])
    assert cost.steps == 4
    assert cost.seconds > 0
    session.goto(2)
    session.set_learning_rate(0.5)
    assert session.source.cost(range(1, 13), [None]).steps == 2
    branched = recorded()
    branched.goto(6)
    branched.set_learning_rate(0.5)
    branched.goto(9)
    assert branched.source.cost(range(1, 13), [None]).steps == 6 + 3
