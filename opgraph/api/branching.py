"""What if: a run that goes on from a step of another one, with something changed.

Imports inside the function, so that reading and drawing never load TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opgraph.api.extras import needed_runtime
from opgraph.api.run import Run

if TYPE_CHECKING:
    from opgraph.graph import OpGraph
    from opgraph.runtime import Progress


def branch(
    run: Any,
    step: int,
    *,
    output: str | Path,
    zero: str | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], object] | None = None,
    overwrite: bool = False,
    command: Sequence[str] = (),
    **changes: Any,
) -> Run:
    """Train on from the exact state of a run after a step, with something changed.

    Without any change the new run comes out in the same bits as the old one.

    Args:
        run: a `Run`, or the path of one.
        step: the last step that both have in common.
        output: the directory of the new run.
        zero: globs of nodes whose outputs are multiplied by 0 from now on.
        progress: told about each step (`on_step`).
        notify: told what the user should know, one line each.
        overwrite: replace a run that `output` holds.
        command: the words of the command that makes the run again.
        changes: learning_rate (or lr), schedule, optimizer, weight_decay, clip_value, clip_norm,
            clip_global_norm, order_seed, freeze, augment, label_smoothing, steps.

    Returns:
        The new run; `run.config["parent"]` says where it comes from.

    Raises:
        OpgraphError: the run cannot be made again, or a change does not fit; nothing is written.
    """
    from opgraph.formats import to_json
    from opgraph.runtime.data import recreate

    run = run if isinstance(run, Run) else Run(run)
    runtime = needed_runtime()
    chosen = runtime.changes_from(changes, zero)
    runtime.recipe_of(run.record.info)
    runtime.branch(
        run.record,
        run.graph.inner,
        recreate(run.config["data"]),
        step=step,
        changes=chosen,
        run_dir=output,
        to_json=to_json,
        progress=progress,
        notify=notify,
        begun=lambda graph: _draw(graph, Path(output)),
        overwrite=overwrite,
        command=tuple(command),
    )
    return Run(output)


def _draw(graph: OpGraph, path: Path) -> None:
    """The picture beside a run, from its beginning."""
    from opgraph.api.graph import Graph

    Graph(graph).draw(path / "graph.svg", title=graph.name)
