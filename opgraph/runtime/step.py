"""The compiled training step: measured, bare, or handing over all its tensors.

One core, three things that are fetched from it. Each batch signature has programs of its own, all
made before the first step, so that nothing is traced while training goes on. Owns the programs;
must not know data sources or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.record import Array, Layout, StepTensors, TensorName, output_name
from opgraph.runtime.builder import Built
from opgraph.runtime.core import Core, CoreTensors, make_core
from opgraph.runtime.environment import prepare_grappler
from opgraph.runtime.objective import Objective, choose_objective
from opgraph.runtime.statistics import densify, make_sites, pack_statistics

Mode = Literal["measured", "bare", "tensors"]
Signature = tuple[tuple[tuple[int, ...], str], ...]


class Step:
    """The programs of one training step.

    Attributes:
        core: what is computed, whatever is fetched.
        layout: where each number stands in the packed vector; known once a program is made.
        traces: how many programs have been traced so far.
    """

    def __init__(self, built: Built, optimizer: Any, *, objective: Objective | None = None) -> None:
        prepare_grappler()
        chosen = objective or choose_objective(built.graph)
        self.core: Core = make_core(built, optimizer, chosen)
        self._layout: Layout | None = None
        self._programs: dict[tuple[Mode, Signature], Any] = {}
        self._names: list[TensorName] = []
        self.traces = 0

    @property
    def layout(self) -> Layout:
        """Where each number of a step stands in the packed vector."""
        if self._layout is None:
            raise TraceError("the step has no program yet", hint="call prepare() first")
        return self._layout

    def prepare(self, batches: Iterable[Sequence[Array]], mode: Mode = "measured") -> None:
        """Make the programs for batches like these: (*inputs, labels) each."""
        for arrays in batches:
            self._program(mode, arrays)

    def measured(self, inputs: Sequence[Array], labels: Array) -> Array:
        """One step; its moments, in the order of the layout."""
        return self._run("measured", (*inputs, labels)).numpy()

    def bare(self, inputs: Sequence[Array], labels: Array) -> float:
        """The same step with nothing measured; its loss."""
        return float(self._run("bare", (*inputs, labels)).numpy())

    def tensors(
        self, inputs: Sequence[Array], labels: Array, *, step: int, indices: Array | None = None
    ) -> StepTensors:
        """The same step with everything handed over."""
        packed, *values = self._run("tensors", (*inputs, labels))
        arrays: dict[TensorName, Array | None] = {
            name: value.numpy() for name, value in zip(self._names, values, strict=True)
        }
        arrays |= {
            output_name(site.node, site.port).grad: None
            for site in self.layout.of("output_grad")
            if not site.connected
        }
        arrays |= {
            TensorName(site.node, f"{site.weight}.grad"): None
            for site in self.layout.of("weight")
            if not site.connected
        }
        return StepTensors(step, arrays, tuple(inputs), labels, packed.numpy(), indices)

    def _run(self, mode: Mode, arrays: Sequence[Array]) -> Any:
        return self._program(mode, arrays)(*(tf.constant(array) for array in arrays))

    def _program(self, mode: Mode, arrays: Sequence[Array]) -> Any:
        signature = tuple((array.shape, array.dtype.str) for array in arrays)
        key = mode, signature
        if key not in self._programs:
            specs = [tf.TensorSpec(array.shape, array.dtype) for array in arrays]
            function = tf.function(getattr(self, f"_{mode}"), autograph=False, jit_compile=False)
            self._programs[key] = function.get_concrete_function(*specs)
        return self._programs[key]

    def _bare(self, *tensors: Any) -> Any:
        return self._traced(tensors).loss

    def _measured(self, *tensors: Any) -> Any:
        return pack_statistics(self._traced(tensors), self.layout)

    def _tensors(self, *tensors: Any) -> list[Any]:
        core = self._traced(tensors)
        named = {name: x for name, x in _named(core).items() if x is not None}
        self._names = list(named)
        return [pack_statistics(core, self.layout), *named.values()]

    def _traced(self, tensors: Sequence[Any]) -> CoreTensors:
        """The tensors of the core; the body of every program."""
        self.traces += 1
        *inputs, labels = tensors
        core = self.core.run(inputs, labels)
        layout = Layout(make_sites(core))
        if self._layout not in (None, layout):
            raise TraceError("what can be measured depends on the size of the batch")
        self._layout = layout
        return core


def _named(core: CoreTensors) -> dict[TensorName, Any]:
    """Every tensor of a step under its name."""
    found: dict[TensorName, Any] = {}
    for end, tensor in core.outputs.items():
        name = output_name(end.node, end.port)
        found[name] = tensor
        found[name.grad] = core.output_grads[end]
    for key, weight in core.weights.items():
        node, _, own = key.rpartition("/")
        name = TensorName(node, own)
        grad = None if weight.grad is None else densify(weight.grad)
        found |= {name: weight.before, name.grad: grad}
        found |= {name.update: weight.update, name.after: weight.after}
    for node, bn in core.bn.items():
        for what in ("batch_mean", "batch_variance"):
            found[TensorName(node, what)] = getattr(bn, what)
        for what in ("moving_mean", "moving_variance"):
            found[TensorName(node, what)] = getattr(bn, f"{what}_before")
            found[TensorName(node, f"{what}.after")] = getattr(bn, what)
    return found
