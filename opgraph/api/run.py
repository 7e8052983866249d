"""The user's handle of a recorded training: a run directory, opened for reading."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from opgraph.api.graph import Graph
    from opgraph.record import RunReader


class Run:
    """A recorded training.

    Made by `opgraph.trace` or `opgraph.open_run`.

    Attributes:
        path: the run directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _ = self.reader

    @cached_property
    def reader(self) -> RunReader:
        """What reads the files of the run."""
        from opgraph.record import RunReader

        return RunReader.open(self.path)

    @property
    def config(self) -> dict[str, Any]:
        """What stands in `run.json`: configuration, versions, seeds, flags, data, command."""
        return self.reader.info

    @cached_property
    def graph(self) -> Graph:
        """The graph that was trained, completed."""
        from opgraph.api.graph import Graph
        from opgraph.formats import from_json

        return Graph(from_json(self.reader.graph))

    @property
    def steps(self) -> pa.Table:
        """One row a step: loss, accuracy, learning rate, times."""
        return self.table("steps")

    def table(
        self, kind: str, *, nodes: str | None = None, steps: Iterable[int] | None = None
    ) -> pa.Table:
        """The statistics of one kind of site, one row for each step and site.

        Args:
            kind: `steps`, `output`, `output_grad`, `weight` or `bn`.
            nodes: a glob over node names.
            steps: the steps wanted; all when left out.

        Raises:
            RunError: no such kind, or the files cannot be read.
        """
        return self.reader.table(kind, nodes=nodes, steps=steps)

    @property
    def keyframes(self) -> list[int]:
        """Steps whose full state is kept."""
        return self.reader.keyframes

    def model(self, step: int | None = None) -> Any:
        """The trained Keras model as it was after a step; after the last one when left out.

        Raises:
            RunError: no keyframe was kept at this step.
        """
        from opgraph.runtime import restore

        return restore(self.path, self.graph.inner, step)

    def evaluate(self, data: Any = None) -> Any:
        """Loss and accuracy on the test split; of the run's own data when left out."""
        from opgraph.api.functions import evaluate

        return evaluate(self, data)

    def __repr__(self) -> str:
        return f"<opgraph.Run {str(self.path)!r}: {self.reader.last_step} steps>"
