"""Reductions by the compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import tensorflow as tf

from opgraph.runtime.kernels.contract import (
    MOMENTS,
    Reductions,
    Tensor,
    as_float,
    check_weights,
    in_groups,
    with_channels,
)


@dataclass(frozen=True)
class KernelReductions(Reductions):
    """Each tensor is read once; the bits depend neither on threads nor on the processor.

    Attributes:
        ops: the loaded library.
        isa: `auto` for the best instruction set of the processor, or the name of one.
        threads: the most to use for one tensor; 0 for all of the intra-op pool.
    """

    name: Literal["kernel", "tensorflow"] = field(default="kernel", init=False)
    notice: str | None = field(default=None, init=False)
    ops: Any = field(repr=False)
    isa: str = "auto"
    threads: int = 0

    def moments(self, tensor: Tensor) -> Tensor:  # noqa: D102
        return self.ops.opgraph_moments(x=as_float(tensor), **self._how())

    def moments_of_many(self, tensors: Sequence[Tensor]) -> Tensor:  # noqa: D102
        if not tensors:
            return tf.zeros((0, len(MOMENTS)), tf.float64)
        floats = [as_float(tensor) for tensor in tensors]

        def reduce(places: list[int]) -> Tensor:
            group = [floats[place] for place in places]
            return self.ops.opgraph_moments_of_many(tensors=group, **self._how())

        return in_groups(floats, reduce)

    def moments_and_relu(self, tensor: Tensor) -> Tensor:  # noqa: D102
        return self.ops.opgraph_moments_and_relu(x=as_float(tensor), **self._how())

    def moments_and_affine(  # noqa: D102
        self, tensor: Tensor, scale: Tensor, shift: Tensor, *, relu: bool
    ) -> Tensor:
        return self.ops.opgraph_affine_moments(
            x=tensor, scale=scale, shift=shift, relu=relu, **self._how()
        )

    def moments_of_gate(  # noqa: D102
        self, gate: Tensor, grad: Tensor, *, with_gate: bool, zeros: int = 0
    ) -> Tensor:
        return self.ops.opgraph_gate_moments(
            gate=gate, grad=grad, with_gate=with_gate, padding=zeros, **self._how()
        )

    def weights(  # noqa: D102
        self,
        before: Sequence[Tensor],
        grads: Sequence[Tensor | None],
        after: Sequence[Tensor],
        taken: Sequence[Tensor | None] = (),
    ) -> Tensor:
        old, grad, new = _all_floats(before), _all_floats(grads), _all_floats(after)
        less = _all_floats(taken) if taken else [None] * len(old)
        check_weights(old, grad, new)
        if not old:
            return tf.zeros((0, 3, len(MOMENTS)), tf.float64)

        def reduce(places: list[int]) -> Tensor:
            known = [(i, grad[p]) for i, p in enumerate(places) if grad[p] is not None]
            return self.ops.opgraph_weight_moments(
                before=[old[p] for p in places],
                grads=[x for _, x in known],
                after=[new[p] if less[p] is None else less[p] for p in places],
                grad_of=[i for i, _ in known],
                taken=[less[p] is not None for p in places],
                **self._how(),
            )

        return in_groups(old, reduce)

    def channels(self, tensor: Tensor) -> Tensor:  # noqa: D102
        return self.ops.opgraph_channels(x=with_channels(tensor), **self._how())

    def histogram(self, tensor: Tensor) -> Tensor:  # noqa: D102
        return self.ops.opgraph_histogram(x=as_float(tensor), **self._how())

    def _how(self) -> dict[str, Any]:
        return {"isa": self.isa, "threads": self.threads}


def _all_floats(tensors: Sequence[Tensor | None]) -> list[Any]:
    return [None if tensor is None else as_float(tensor) for tensor in tensors]
