"""Looking at the tensors of a step: chosen, set side by side with another step, written to a file.

Owns the choice; how a step is had again is `runtime`'s to know, how a file looks `formats`' and
`render`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opgraph.errors import RunError

if TYPE_CHECKING:
    from opgraph.api.run import Run
    from opgraph.record import Array, StepTensors, TensorFacts

PICTURES = (".png", ".svg")


@dataclass(frozen=True, eq=False)
class Inspection:
    """Tensors of a step, as they were chosen.

    Attributes:
        run: whose they are.
        tensors: everything of the step.
        against: the step they are compared with; the tensors are then those of that step minus
            those of the first.
        arrays: the chosen tensors by full name, such as `conv.kernel`; None for a gradient that
            does not exist.
        node: the node they were chosen from; None for all.
        tensor: the one that was chosen; None for all of the node.
        index: what was chosen of it.
        axes: which of its axes are left.
    """

    run: Run
    tensors: StepTensors
    against: StepTensors | None
    arrays: Mapping[str, Array | None]
    node: str | None = None
    tensor: str | None = None
    index: str | None = None
    axes: tuple[int, ...] = field(default=())

    @property
    def verified(self) -> bool:
        """Whether the steps are proved to be those of the run."""
        return self.tensors.verified and (self.against is None or self.against.verified)

    @property
    def known(self) -> dict[str, Array]:
        """Those of the tensors that exist."""
        return {name: array for name, array in self.arrays.items() if array is not None}

    @property
    def title(self) -> str:
        """What is shown, in one line."""
        what = next(iter(self.arrays)) if self.tensor else self.node or "all tensors"
        index = f"[{self.index}]" if self.index else ""
        minus = "" if self.against is None else f" minus step {self.tensors.step}"
        step = self.tensors.step if self.against is None else self.against.step
        return f"{what}{index} at step {step}{minus}"

    def facts(self) -> dict[str, TensorFacts | None]:
        """Each tensor in a few numbers."""
        from opgraph.record import tensor_facts

        return {n: None if x is None else tensor_facts(x) for n, x in self.arrays.items()}

    def write(self, path: str | Path) -> None:
        """Write the tensors: `.npy`, `.npz` or `.csv`; a single one also as a picture.

        Raises:
            OpgraphError: the suffix is another one or does not suit so many tensors.
        """
        from opgraph.files import write_bytes, write_text
        from opgraph.formats import write_tensors

        target = Path(path)
        check_target(target, several=self.tensor is None)
        suffix = target.suffix.lower()
        if suffix == ".svg":
            write_text(target, self.picture().svg(self.title), RunError)
        elif suffix == ".png":
            write_bytes(target, self.picture().png(), RunError)
        else:
            write_tensors(target, self.known)

    def picture(self) -> Any:
        """The one chosen tensor as a grid of pictures.

        Raises:
            RunError: there are several, or it has no elements.
        """
        from opgraph.render import make_tiles

        if self.tensor is None:
            raise RunError("a picture shows one tensor", where=self.title, hint="choose one")
        (array,) = self.known.values()
        if not array.size:
            raise RunError("there are no elements to draw", where=self.title)
        is_output = self.tensor.startswith(("output", "mask"))
        whole = self.tensors.find(str(self.node), self.tensor)
        is_input = self.run.graph.inner[str(self.node)].kind.category == "input"
        shown = is_input and self.tensor == "output" and self.against is None
        what = "output" if is_output else "weight"
        return make_tiles(array, what, axes=self.axes, rank=whole.ndim, is_picture=shown)


def inspect_step(
    run: Any,
    step: int,
    *,
    node: str | None = None,
    tensor: str | None = None,
    index: str | None = None,
    against: int | None = None,
    unverified: bool = False,
    notify: Callable[[str], object] | None = None,
) -> Inspection:
    """Tensors of a step of a run, had again and proved to be what was recorded.

    Args:
        run: a `Run`, or the path of one.
        step: the number of the step.
        node: all nodes when left out.
        tensor: one of the node's: `output`, `output.grad`, `kernel`, `kernel.grad`,
            `kernel.update`, ...; all of them when left out.
        index: what of it, such as `0,3,:,-1`.
        against: another step; its tensors minus those of `step` are shown.
        unverified: show them even if they differ from the record.
        notify: told what the user should know, one line each.

    Raises:
        RunError: there is no such step, node, tensor or element, or the run cannot be replayed.
        DataError: its data cannot be had any more, or have changed.
    """
    from opgraph.api.run import Run

    run = run if isinstance(run, Run) else Run(run)
    check_choice(run, step, node=node, tensor=tensor, index=index, against=against)
    replay = run.replay(unverified=unverified, notify=notify)
    wanted = [step] if against is None else [step, against]
    found = {tensors.step: tensors for tensors in replay.walk(wanted)}
    first, second = found[step], None if against is None else found[against]
    arrays, axes = _chosen(first, node, tensor, index)
    if second is not None:
        others, _ = _chosen(second, node, tensor, index)
        arrays = {name: _minus(others[name], array) for name, array in arrays.items()}
    return Inspection(run, first, second, arrays, node, tensor, index, axes)


def check_choice(
    run: Run,
    step: int,
    *,
    node: str | None = None,
    tensor: str | None = None,
    index: str | None = None,
    against: int | None = None,
) -> None:
    """Refuse what cannot be meant, before anything heavy is loaded.

    Raises:
        RunError: there is no such step or node, or the index cannot be read.
    """
    from opgraph.errors import suggest
    from opgraph.record import parse_index

    for number in (step, against):
        if number is not None:
            run.record.check_step(number)
    if tensor is not None and node is None:
        raise RunError("a tensor belongs to a node", where=tensor, hint="add --node")
    if index is not None and tensor is None:
        raise RunError("an index belongs to a tensor", where=index, hint="add --tensor")
    if node is not None and node not in run.graph.inner:
        names = run.graph.nodes
        hint = suggest(node, names) or f"there are: {', '.join(names)}"
        raise RunError(f"no node is called {node!r}", where=str(run.path), hint=hint)
    if index is not None:
        parse_index(index, 64)


def check_target(path: str | Path, *, several: bool) -> None:
    """Refuse a file that tensors cannot be written to.

    Raises:
        OpgraphError: its suffix is another one, or takes a single tensor.
    """
    from opgraph.formats import check_tensor_file

    if Path(path).suffix.lower() not in PICTURES:
        check_tensor_file(Path(path), several=several)
    elif several:
        raise RunError("a picture shows one tensor", where=str(path), hint="say which: --tensor")


def _chosen(
    tensors: StepTensors, node: str | None, tensor: str | None, index: str | None
) -> tuple[dict[str, Array | None], tuple[int, ...]]:
    from opgraph.record import take_index

    if node is None:
        return {str(name): array for name, array in tensors.arrays.items()}, ()
    if tensor is None:
        return {f"{node}.{what}": array for what, array in tensors.of(node).items()}, ()
    array = tensors.find(node, tensor)
    chosen, axes = take_index(array, index or "...")
    return {f"{node}.{tensor}": chosen}, axes


def _minus(one: Array | None, other: Array | None) -> Array | None:
    """The difference in float32, or in float64 of wider types; None where shapes differ."""
    if one is None or other is None or one.shape != other.shape:
        return None
    wide = one.dtype == np.float64 or one.dtype.kind in "iub"
    kind = np.float64 if wide else np.float32
    return one.astype(kind) - other.astype(kind)
