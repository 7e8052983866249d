"""Moving, stopping, looking and changing: of a training in memory and of a recorded run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opgraph.errors import OpgraphError, TraceError
from opgraph.formats import to_json
from opgraph.record import Record
from opgraph.runtime import branch, changes_from, trace
from opgraph.runtime.debugger import Place, Session
from opgraph.runtime.debugger.recorded import RunSource

pytestmark = pytest.mark.tf
STEPS = 12


@pytest.fixture(params=["live", "recorded"])
def session(request: pytest.FixtureRequest) -> Session:
    """One of each kind."""
    return request.getfixturevalue(request.param)()


@pytest.fixture(scope="module")
def losses(record: Record) -> dict[int, float]:
    """What is recorded: a second opinion on where a condition holds first."""
    steps = record.steps
    return dict(zip(steps["step"].to_pylist(), steps["loss"].to_pylist(), strict=True))


def test_a_session_begins_before_the_first_step(session: Session) -> None:
    assert repr(session) == "before step 1 of 12"
    assert session.place is None
    with pytest.raises(TraceError, match="no step has been taken yet"):
        session.value("loss")


def test_step_next_and_node_walk_through_a_step(session: Session) -> None:
    assert session.step().place == Place("forward", "x")
    seen = [session.node().place for _ in range(5)]
    assert seen == [Place("forward", n) for n in ("d", "r", "drop", "logits", "softmax")]
    assert session.node().place == Place("loss")
    assert session.next().place == Place("backward", "softmax")
    assert session.node("d").place == Place("backward", "d")
    assert session.node("d").place == Place("update", "d")
    assert session.node("d").place == Place("forward", "d")
    session.node("d")
    assert session.next().place == Place("update", "d")
    assert session.node().place == Place("update", "logits")
    stop = session.node()
    assert (stop.step, stop.place) == (2, Place("forward", "x"))
    assert session.next().place == Place("loss")


def test_until_stops_at_the_first_step_in_which_it_holds(
    session: Session, losses: dict[int, float]
) -> None:
    limit = sorted(losses.values())[3]
    expected = min(step for step, loss in losses.items() if loss < limit)
    assert session.until(f"loss < {limit!r}").step == expected
    assert not list(session.breakpoints)


@pytest.mark.parametrize("condition", ["d.kernel.grad.rms > {}", "rms(d.kernel.grad) > {}"])
def test_breakpoints_by_statistics_and_by_tensors(
    condition: str, session: Session, record: Record
) -> None:
    """The first is answered from what is measured, the second from tensors."""
    table = record.table("weight", nodes="d").to_pydict()
    rows = zip(table["step"], table["weight"], table["grad_rms"], strict=True)
    found = {step: rms for step, weight, rms in rows if weight == "kernel"}
    limit = float(np.median(list(found.values())))
    session.break_at(condition.format(limit * 1.0001))
    stops: list[int] = []
    while (stop := session.proceed()).reason != "the end: " + session.source.ending:
        assert stop.place == Place("backward", "d")
        stops.append(stop.step)
        if stop.step == STEPS:
            break
    assert stops == [step for step, rms in found.items() if rms > limit * 1.0001]
    assert next(iter(session.breakpoints)).hits == len(stops)


def test_a_condition_over_nodes_stops_at_the_first_that_fulfils_it(session: Session) -> None:
    session.break_at("any.output.min >= 0")
    assert session.proceed().place == Place("forward", "r")
    session.breakpoints.clear()
    session.break_at("any.output.grad.rms > 0")
    assert session.proceed().place == Place("backward", "logits")


def test_back_goto_and_run(session: Session) -> None:
    first = session.goto(5).text
    session.goto(9)
    assert session.back(4).text == first
    assert session.back().step == 4
    session.break_at("step == 3")
    assert session.run().step == 3
    assert session.proceed().reason == f"the end: {session.source.ending}"
    with pytest.raises(TraceError, match="has 12 steps"):
        session.step()


def test_step_stops_at_a_breakpoint_on_its_way(session: Session) -> None:
    session.break_at("step == 3")
    assert session.step(7).step == 3
    assert session.step(7).step == 10
    assert session.step(7).step == 12


def test_displays_are_shown_at_each_stop(session: Session) -> None:
    number = session.display("d.kernel[0, 0]")
    session.step()
    value = session.tensors.arrays["d", "kernel"][0, 0]
    assert session.node().text.endswith(f"1: d.kernel[0, 0] = {value:.6g}")
    session.undisplay(number)
    assert "1:" not in session.node().text


def test_history_is_what_is_recorded(session: Session, losses: dict[int, float]) -> None:
    session.goto(6)
    history = session.history("loss")
    expected = 6 if session.source.is_live else 12
    assert history.steps == tuple(range(1, expected + 1))
    assert history.values == pytest.approx([losses[n] for n in history.steps], rel=1e-12)
    tensors = session.history("mean(abs(d.output))")
    assert tensors.values[5] == pytest.approx(np.mean(np.abs(session.value("d.output"))), rel=1e-5)
    assert session.step_number == 6


def test_the_value_of_an_expression_is_the_tensor_itself(session: Session) -> None:
    session.step(2)
    assert session.value("d.kernel").tobytes() == session.tensors.arrays["d", "kernel"].tobytes()
    session.node("d")
    assert session.value("kernel[0, 1]") == session.value("d.kernel[0, 1]")


def test_where_and_list_name_the_neighbours(session: Session) -> None:
    session.step()
    session.node("r")
    assert session.where().splitlines() == [
        "step 1 of 12, forward at r (ReLU), place 3 of 6",
        "  [forward] - loss - backward - update",
        "     o  x (Input)",
        "     o  d (Dense)",
        "  => o  r (ReLU)",
        "     o  drop (Dropout)",
        "     o  logits (Dense)",
        "     o  softmax (Softmax)",
    ]
    session.next()
    assert session.where() == ("step 1 of 12, loss\n  forward - [loss] - backward - update")
    session.next()
    assert session.where().splitlines()[1:4] == [
        "  forward - loss - [backward] - update   (upwards in the graph)",
        "     o  r (ReLU)  <- d",
        "     o  drop (Dropout)",
    ]
    session.node("r")
    nodes = [line[3:].split()[0] for line in session.neighbours().splitlines()]
    assert nodes == ["d", "r", "drop"]


def test_saved_tensors_are_those_of_the_step(session: Session, tmp_path: Path) -> None:
    session.step()
    count = session.save(tmp_path / "step.npz")
    with np.load(tmp_path / "step.npz") as saved:
        assert len(saved.files) == count
        assert saved["d.kernel.grad"].tobytes() == (
            session.tensors.arrays["d", "kernel.grad"].tobytes()
        )


@pytest.mark.parametrize("schedule", ["cosine", "constant", "plateau(patience=1)"])
def test_another_learning_rate_begins_a_branch(schedule: str, live: Callable[..., Any]) -> None:
    """Plain gradient descent: the update is the gradient times the learning rate."""
    session = live(optimizer="sgd", schedule=schedule)
    before = {n: session.goto(n) and session.value("d.kernel.after") for n in range(1, 13)}
    session.goto(4)
    said = session.set_learning_rate(0.5)
    assert said == "from step 5 on the learning rate is 0.5: a branch begins there"
    for step in (5, 6, 12, 5):
        session.goto(step)
        if not schedule.startswith("plateau") or step == 5:
            assert session.value("lr") == 0.5
        change, grad = session.value("d.kernel.update"), session.value("d.kernel.grad")
        np.testing.assert_allclose(change, -session.value("lr") * grad, rtol=1e-3, atol=1e-6)
    session.goto(12)
    assert not np.array_equal(session.value("d.kernel.after"), before[12])
    fifth = session.goto(5) and session.value("d.kernel.after")
    session.goto(9)
    session.goto(6)
    assert np.array_equal(session.value("d.kernel"), fifth)
    for step in (4, 1):
        session.goto(step)
        assert np.array_equal(session.value("d.kernel.after"), before[step])


def test_an_earlier_branch_takes_the_place_of_a_later_one(live: Callable[..., Any]) -> None:
    session = live()
    for step, rate in ((8, 0.125), (4, 0.25)):
        session.goto(step)
        session.set_learning_rate(rate)
        session.goto(12)
        assert session.value("lr") == rate


def test_a_run_is_left_as_it_is_by_a_branch(recorded: Callable[..., Any], record: Record) -> None:
    session = recorded()
    files = {p: p.stat().st_mtime_ns for p in record.path.rglob("*") if p.is_file()}
    old = session.goto(8) and session.value("d.kernel.after")
    session.goto(6)
    said = session.set_learning_rate(1e-6)
    assert said == (
        "from step 7 on the learning rate is 1e-06: a branch begins there, in memory only; to"
        f" record it: opgraph branch {record.path} --step 6 --set lr=1e-06 -o ..."
    )
    assert session.step().step == 7
    assert session.value("lr") == pytest.approx(1e-6)
    session.goto(8)
    assert not np.array_equal(session.value("d.kernel.after"), old)
    session.goto(5)
    assert session.tensors.verified
    assert session.value("lr") > 1e-3
    assert len(session.history("loss").steps) == 5
    session.goto(8)
    assert len(session.history("loss").steps) == 8
    assert session.set_learning_rate(0.01).endswith("a branch begins there")
    session.goto(2)
    session.set_learning_rate(0.3)
    session.step()
    assert session.value("lr") == pytest.approx(0.3)
    after = {p: p.stat().st_mtime_ns for p in record.path.rglob("*") if p.is_file()}
    assert after == files


def test_a_branch_with_the_same_learning_rate_is_the_run(recorded: Callable[..., Any]) -> None:
    """The learning rate of one step, put in place of the schedule for that step alone."""
    session = recorded()
    rate = session.goto(6) and session.value("lr")
    weights = session.value("d.kernel.after")
    session.goto(5)
    session.set_learning_rate(rate)
    session.step()
    assert np.array_equal(session.value("d.kernel.after"), weights)


def test_no_branch_behind_the_last_step(session: Session) -> None:
    session.goto(12)
    with pytest.raises(TraceError, match="has 12 steps"):
        session.set_learning_rate(0.1)


def test_a_loss_that_is_no_number_stops_the_session_once(live: Callable[..., Any]) -> None:
    session = live(optimizer="sgd", learning_rate=1e30, schedule="constant", clip_value=1e9)
    stop = session.proceed()
    assert stop.reason in ("the loss is nan", "the loss is inf")
    assert stop.step < 12
    assert session.proceed().step == 12
    session.goto(stop.step)
    assert session.until("any.output.nonfinite > 0 or step == 12").step == stop.step + 1


def test_early_stopping_ends_the_training(live: Callable[..., Any]) -> None:
    options = {"early_stopping": "patience=1, min_delta=5", "validate_every": 3}
    session = live(steps=30, **options)
    stop = session.proceed()
    assert (stop.step, stop.reason) == (6, "the end: early stopping ends the training after step 6")
    assert session.back(5).step == 1
    with pytest.raises(TraceError, match="there is no step 7: early stopping ends"):
        session.goto(7)
    session.goto(6)
    session.set_learning_rate(0.5)
    assert session.step().step == 7


def test_a_learning_rate_from_the_first_step_on(session: Session) -> None:
    session.set_learning_rate(0.25)
    assert session.step().step == 1
    assert session.value("lr") == 0.25


def test_what_comes_out_otherwise_is_refused_or_said_to_be_unverified(
    run_source: Callable[..., Any],
) -> None:
    """The weights are nudged after they were restored, so that the steps come out otherwise."""
    told: list[str] = []
    session = Session(run_source(notify=told.append))
    replay = session.source.replay
    for unverified in (False, True):
        replay.unverified = unverified
        replay._restore(0)
        replay.training.built.model.trainable_variables[0].assign_add([[1e-3] * 8] * 4)
        if not unverified:
            with pytest.raises(OpgraphError, match="when computed again"):
                session.step()
            assert session.step_number == 0
    assert session.step().text.splitlines()[0].endswith(", not verified")
    assert told[-1].startswith("NOT VERIFIED")


class Interrupting:
    """Asks to stop as Ctrl-C does."""

    def on_step(self, step: int, *_: object) -> None:
        if step == 7:
            signal.raise_signal(signal.SIGINT)


def test_an_unfinished_run_ends_where_it_was_stopped_but_may_branch(
    tmp_path: Path, networks: Callable[[str], Any], data: Any
) -> None:
    graph = networks("tiny")
    options: dict[str, Any] = {"steps": 12, "batch_size": 16, "learning_rate": 0.02}
    made = trace(
        graph,
        data,
        run_dir=tmp_path / "run",
        graph_json=to_json(graph),
        progress=Interrupting(),
        **options,
    )
    session = Session(RunSource(made, graph, data))
    stop = session.proceed()
    assert (stop.step, stop.reason) == (7, "the end: the run (interrupted) has 7 of 12 steps")
    with pytest.raises(TraceError, match=r"there is no step 8: the run .interrupted. has 7 of 12"):
        session.goto(8)
    session.set_learning_rate(0.5)
    assert session.proceed().step == 12
    assert session.back(6).step == 6


def test_a_recorded_branch_begins_behind_its_parent(
    tmp_path: Path, record: Record, networks: Callable[[str], Any], data: Any
) -> None:
    graph = networks("tiny")
    made = branch(
        record,
        graph,
        data,
        step=8,
        changes=changes_from({"learning_rate": 0.5, "schedule": "constant"}, None),
        run_dir=tmp_path / "branch",
        to_json=to_json,
    )
    session = Session(RunSource(made, graph, data))
    assert repr(session) == "before step 9 of 12"
    assert session.step().step == 9
    assert session.value("lr") == 0.5
    with pytest.raises(TraceError, match=r"there is no step 8: .*the first is 9"):
        session.goto(8)
    assert session.history("loss").steps == (9, 10, 11, 12)
    session.set_learning_rate(0.25)
    session.step()
    assert session.value("lr") == 0.25
    assert session.back().step == 9
    assert session.tensors.verified


@pytest.mark.parametrize("options", [{"sites": "d"}, {"measure": "off"}])
def test_where_not_all_is_measured_a_condition_sees_all_nodes(
    options: dict[str, Any], live: Callable[..., Any]
) -> None:
    """ReLU gives zeros in every step; it is no site here, and the dense layer gives none."""
    session = live(**options)
    session.break_at("any.output.zero_fraction > 0")
    session.break_at("r.output.max > 1e9")
    stop = session.step(3)
    assert (stop.step, stop.place) == (1, Place("forward", "r"))
    session.breakpoints.clear()
    assert session.until("loss > 0").step == 2
