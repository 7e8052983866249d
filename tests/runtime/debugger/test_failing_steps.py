"""Steps that TensorFlow refuses or that are interrupted: one line, and the session goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.runtime.debugger import execute
from opgraph.runtime.debugger import recorded as recorded_module

pytestmark = pytest.mark.tf


def test_a_step_that_tensorflow_refuses_is_one_clear_line(
    live: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, step: int, **__: Any) -> None:
        raise tf.errors.InternalError(None, None, f"step {step} went wrong")

    session = live()
    session.goto(3)
    monkeypatch.setattr(session.source.training.step, "tensors", refuse)
    with pytest.raises(TraceError) as caught:
        session.goto(5)
    assert str(caught.value) == "step 5: TensorFlow failed: step 5 went wrong"
    assert session.step_number == 3
    monkeypatch.undo()
    assert session.goto(5).step == 5


@pytest.mark.parametrize(
    ("kind", "program", "condition"),
    [
        ("live", "measured", "loss < 0"),
        ("live", "tensors", "rms(d.kernel) < 0"),
        ("recorded", "tensors", "rms(d.kernel) < 0"),
    ],
)
def test_an_interrupt_lands_at_a_step_that_is_whole(
    kind: str,
    program: str,
    condition: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step that is interrupted has changed the weights already."""
    session = request.getfixturevalue(kind)()
    source = session.source
    compiled = (source.training if source.is_live else source.replay.training).step
    expected = {step: session.goto(step) and session.tensors for step in (6, 7)}
    session.goto(1)
    real = getattr(compiled, program)

    def interrupted(*given: Any, step: int, **more: Any) -> Any:
        found = real(*given, step=step, **more)
        if step == 7:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(compiled, program, interrupted)
    session.break_at(condition)
    stop = session.proceed()
    assert (stop.step, stop.reason) == (6, "interrupted")
    monkeypatch.undo()
    assert session.tensors.packed.tobytes() == expected[6].packed.tobytes()
    assert session.step().step == 7
    assert session.tensors.packed.tobytes() == expected[7].packed.tobytes()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            tf.errors.ResourceExhaustedError(
                None, None, "OOM when allocating tensor with shape[8,4] and type float on CPU"
            ),
            "error: step 5: the memory was exhausted by a tensor of shape [8,4] and type float",
        ),
        (MemoryError(), "error: step 5: the memory was exhausted"),
    ],
)
def test_a_replay_that_fails_is_one_line_and_the_session_goes_on(
    error: Exception, line: str, recorded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = recorded()
    expected = session.goto(5) and session.tensors
    session.goto(3)
    step = session.source.replay.training.step
    real = step.tensors

    def refuse(*given: Any, **more: Any) -> None:
        real(*given, **more)
        raise error

    monkeypatch.setattr(step, "tensors", refuse)
    for command in ("goto 5", "goto 5"):
        assert execute(session, command).text == line
    assert execute(session, "history mean(abs(d.output))").text == line.replace("5", "1", 1)
    assert session.step_number == 3
    monkeypatch.undo()
    session.goto(5)
    assert session.tensors.packed.tobytes() == expected.packed.tobytes()


def test_so_is_a_branch_that_there_is_no_memory_for(
    recorded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    session = recorded()
    session.goto(3)
    monkeypatch.setattr(recorded_module, "prepare_steered", refuse)
    assert execute(session, "set lr 0.1").text == "error: the memory was exhausted"
    assert session.step().step == 4
