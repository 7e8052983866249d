"""The full tensors of one step, as data that any part of opgraph may read.

Owns the names by which tensors are called (`conv2d_1`, `kernel.grad`); knows neither how they were
computed nor where they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from opgraph.errors import RunError, suggest
from opgraph.record.layout import Layout
from opgraph.record.quantities import Array


class TensorName(NamedTuple):
    """A tensor of a step: the node, and what of it.

    `what` is `output`, `output.grad`, `output.1`, `output.1.grad` (further ports), a weight before
    the update (`kernel`), `kernel.grad`, `kernel.update`, `kernel.after`, or of a batch
    normalisation `batch_mean`, `batch_variance`, `moving_mean`, `moving_mean.after` and so on. A
    slot of the optimizer is `kernel.velocity` after and `kernel.velocity.before` before the update;
    `mask` is what a dropout multiplied by, or what it kept. Where a batch is taken in parts,
    `kernel.grad.parts` has a row for each of them; `kernel.grad` is their sum.
    """

    node: str
    what: str

    def __str__(self) -> str:
        return f"{self.node}.{self.what}"

    @property
    def grad(self) -> TensorName:
        """Its gradient."""
        return TensorName(self.node, f"{self.what}.grad")

    @property
    def update(self) -> TensorName:
        """What the step adds to it."""
        return TensorName(self.node, f"{self.what}.update")

    @property
    def after(self) -> TensorName:
        """Its value after the step."""
        return TensorName(self.node, f"{self.what}.after")

    @property
    def before(self) -> TensorName:
        """Its value before the step, for an optimizer's slot."""
        return TensorName(self.node, f"{self.what}.before")


def output_name(node: str, port: int = 0) -> TensorName:
    """The name of an output.

    >>> str(output_name("lstm", 1)), str(output_name("conv"))
    ('lstm.output.1', 'conv.output')
    """
    return TensorName(node, f"output.{port}" if port else "output")


@dataclass(frozen=True)
class StepTensors:
    """All tensors of one step.

    Attributes:
        step: number of the step, from 1.
        arrays: the tensors; None for a gradient that does not exist.
        inputs: what the network was given, one array for each Input node.
        labels: what it should have answered, one array for each output that has a loss.
        indices: which examples of the data set these are.
        packed: the statistics of the very same step.
        layout: what stands where in `packed`.
        verified: whether they are proved to be those of the recorded step.
        figures: loss and metrics of the batch; learning rate of the update, and, where the loss is
            scaled, `loss_scale` and `skipped`.
        updates: how many updates the optimizer had made before; fewer than steps where it skipped
            some. None where that is not known.
    """

    step: int
    arrays: Mapping[TensorName, Array | None]
    inputs: tuple[Array, ...]
    labels: tuple[Array, ...]
    packed: Array
    layout: Layout
    indices: Array | None = None
    verified: bool = False
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    updates: int | None = None

    def __getitem__(self, name: TensorName | tuple[str, str]) -> Array | None:
        key = TensorName(*name)
        if key not in self.arrays:
            near = suggest(str(key), [str(known) for known in self.arrays])
            raise RunError("no such tensor", where=f"step {self.step}, {key}", hint=near)
        return self.arrays[key]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that have tensors, in topological order."""
        return tuple(dict.fromkeys(name.node for name in self.arrays))

    def of(self, node: str) -> dict[str, Array | None]:
        """The tensors of a node, by what they are of it.

        Raises:
            RunError: there is no such node; the message says which is meant.
        """
        found = {name.what: array for name, array in self.arrays.items() if name.node == node}
        if not found:
            hint = suggest(node, self.nodes) or f"there are: {', '.join(self.nodes)}"
            raise RunError(f"no node is called {node!r}", where=f"step {self.step}", hint=hint)
        return found

    def find(self, node: str, what: str) -> Array:
        """A tensor that exists.

        Raises:
            RunError: there is no such node or tensor, or the gradient does not exist.
        """
        known = self.of(node)
        where = f"step {self.step}, {node}"
        if what not in known:
            hint = suggest(what, known) or f"there are: {', '.join(known)}"
            raise RunError(f"no tensor is called {what!r}", where=where, hint=hint)
        array = known[what]
        if array is None:
            raise RunError(f"{what}: the loss does not depend on it, so it does not exist",
                           where=where)  # fmt: skip
        return array
