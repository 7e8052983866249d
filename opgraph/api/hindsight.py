"""Hindsight: what was not recorded of a run, had again by computing its steps anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from opgraph.api.extras import needed_for
from opgraph.api.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from opgraph.record import StepTensors, TensorName
    from opgraph.record.expression import Query

OnStep = Callable[[int, int], object]


def requery(
    run: Any,
    what: str | Callable[[StepTensors, Any], float],
    *,
    nodes: str | None = None,
    steps: Any = None,
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
    on_step: OnStep | None = None,
) -> pa.Table:
    """Ask a finished run for numbers that nobody thought of recording.

    Where the record has all that is asked for, it answers at once. Otherwise the steps are computed
    again, from the nearest full state on and no further than needed, and compared with the record.

    Args:
        run: a `Run`, or the path of one.
        what: an expression, such as `mean(abs(output))` or `conv.kernel.grad.rms / loss`; or a
            function of the step's tensors and the name of a node, that gives a number.
        nodes: globs over node names; `output`, `kernel.grad` and so on are meant of each of them.
        steps: a step, a range or a list of steps; all when left out.
        unverified: take numbers that differ from the record, too.
        notify: told beforehand about how long it will take, one line each.
        on_step: told the number of steps that are done, and how many there are.

    Returns:
        A table with the columns step, node and value.

    Raises:
        ExpressionError: the expression cannot be read or answered.
        RunError: the run has no such steps or nodes, or comes out different.
    """
    run = run if isinstance(run, Run) else Run(run)
    with needed_for("asking a run"):
        from opgraph.record.expression import make_query

    query = make_query(run.record, what, nodes, steps)
    if query.is_recorded:
        _tell(notify, "answered from the record; nothing is computed again")
        return query.from_record()
    query.check_shapes(_shapes(run))
    _tell_cost(query, notify)
    replay = run.replay(unverified=unverified, notify=notify)
    return query.from_steps(counted(replay.walk(query.steps), len(query.steps), on_step))


def _shapes(run: Run) -> dict[TensorName, tuple[int, ...]]:
    """The shapes of outputs, weights and what is made of them, as far as the graph tells them."""
    from opgraph.record import TensorName, output_name

    signature = run.record.info.batch_signature
    if not signature:
        return {}
    batch = signature[0][0]["shape"][0]
    facts = run.graph.analyze().facts
    found: dict[TensorName, Any] = {}
    for node, known in facts.items():
        for port, shape in enumerate(known.outputs):
            name = output_name(node, port)
            found |= dict.fromkeys((name, name.grad), shape and (batch, *shape))
        for weight, own in (known.weights or {}).items():
            name = TensorName(node, weight)
            found |= dict.fromkeys((name, name.grad, name.update, name.after), own.shape)
    return {name: shape for name, shape in found.items() if shape and None not in shape}


def _tell_cost(query: Query, notify: Callable[[str], object] | None) -> None:
    from opgraph.record.expression import cost

    forecast = cost(query.record, query.steps).text(len(query.steps))
    _tell(notify, f"{forecast} beyond starting TensorFlow and building the network")


def _tell(notify: Callable[[str], object] | None, line: str) -> None:
    if notify is not None:
        notify(line)


def counted(
    steps: Iterator[StepTensors], total: int, on_step: OnStep | None
) -> Iterator[StepTensors]:
    """The same steps; `on_step` is told how many are done, and how many there are."""
    for done, tensors in enumerate(steps, 1):
        yield tensors
        if on_step is not None:
            on_step(done, total)
