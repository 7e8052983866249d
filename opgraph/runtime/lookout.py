"""Seeing every node while a live model is called: outputs, batch statistics, masks.

The model runs its own graph; on the way each call is handed to us with the node it stands for.
Nothing is put between the nodes, but where a layer hands its input on as it is and nobody else
reads that: bits are those of the plain call. Owns what is replaced on the model meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import Endpoint, OpGraph
from opgraph.runtime.live import calls_of, function_of, marks_output
from opgraph.runtime.watch import Watch, is_dropout, watched

Tensor = Any
RUN = "_run_through_graph"


@dataclass
class Seen:
    """What one call of a model made.

    Attributes:
        outputs: each node's outputs.
        moments: batch mean and variance of batch normalisations, by node.
        masks: what dropouts kept, by node.
        joined: outputs that are the very tensor of another node which has further readers: the
            gradient at one of them cannot be told from that at the other.
    """

    outputs: dict[Endpoint, Tensor] = field(default_factory=dict[Endpoint, Tensor])
    moments: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    joined: set[Endpoint] = field(default_factory=set[Endpoint])


@contextmanager
def looking(
    model: Any, graph: OpGraph, layers: Mapping[str, Any], watch_input: Callable[[Tensor], object]
) -> Generator[Seen]:
    """See all nodes of a model while it is called; afterwards the model is as it was.

    Args:
        model: a functional or sequential model.
        graph: its graph.
        layers: the layer of each node.
        watch_input: told each float input, for its gradient.
    """
    lookout = _Lookout(graph, watch_input)
    with ExitStack() as stack:
        for layer in {id(layer): layer for layer in layers.values()}.values():
            if _is_watched(layer):
                stack.enter_context(watched(layer, lookout.watch))
        lookout.take(model, stack)
        yield lookout.seen


def _is_watched(layer: Any) -> bool:
    """Whether a layer makes more than its output; one that hands on its input is left alone."""
    if is_dropout(layer):
        return layer.rate > 0
    return isinstance(layer, keras.layers.BatchNormalization)


@dataclass
class _Lookout:
    graph: OpGraph
    watch_input: Callable[[Tensor], object]
    seen: Seen = field(default_factory=Seen)
    watch: Watch = field(default_factory=Watch)
    prefix: list[str] = field(default_factory=lambda: [""])

    def take(self, model: Any, stack: ExitStack) -> None:
        """Step between a model, those inside it, and their layers."""
        functions = {id(f): f for f in _functions(function_of(model))}
        for number, function in enumerate(functions.values()):
            stack.enter_context(replaced(function, RUN, self._runner(function, top=not number)))

    def _runner(self, function: Any, *, top: bool) -> Callable[..., Any]:
        run, order = getattr(function, RUN), calls_of(function)

        def through(
            inputs: Any, operation_fn: Callable[[Any], Any] = lambda part: part, call_fn: Any = None
        ) -> Any:
            if call_fn is not None:
                return run(inputs, operation_fn=operation_fn, call_fn=call_fn)
            if top:
                self._note_inputs(inputs)
            waiting = iter(order)

            def chosen(part: Any) -> Callable[..., Any]:
                name, expected = next(waiting, ("", None))
                if expected is not part:
                    raise TraceError(
                        f"Keras calls {part.name!r} where {name!r} was expected",
                        where="attach",
                        hint="this version of Keras runs a model in another order than opgraph"
                        " knows; take the one in the list of requirements",
                    )
                return self._caller(f"{self.prefix[-1]}{name}", part, operation_fn(part))

            return run(inputs, operation_fn=chosen)

        return through

    def _note_inputs(self, inputs: Any) -> None:
        names = [node.name for node in self.graph if node.kind.category == "input"]
        for name, tensor in zip(names, keras.tree.flatten(inputs), strict=True):
            if tensor.dtype.is_floating:
                self.watch_input(tensor)
            self.seen.outputs[Endpoint(name)] = tensor

    def _caller(self, name: str, part: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if function_of(part) is None:
                return self._noted(name, call, args, kwargs)
            self.prefix.append(f"{name}/")
            try:
                return call(*args, **kwargs)
            finally:
                self.prefix.pop()

        return called

    def _noted(
        self, name: str, call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        self.watch.moments.clear()
        self.watch.masks.clear()
        result = call(*args, **kwargs)
        if name not in self.graph.nodes:
            return result  # nothing that is handed back depends on it
        flat = [self._own(name, port, x) for port, x in enumerate(keras.tree.flatten(result))]
        self.seen.outputs |= {Endpoint(name, port): x for port, x in enumerate(flat)}
        for moments in self.watch.moments.values():
            self.seen.moments[name] = moments
        for mask in self.watch.masks.values():
            self.seen.masks[name] = mask
        return keras.tree.pack_sequence_as(result, flat)

    def _own(self, name: str, port: int, tensor: Tensor) -> Tensor:
        """A tensor of its own for a node that hands on its input, if no sum changes by that."""
        source = self._handed_on(name, tensor)
        if source is None:
            return tensor
        if not is_only_reader(self.graph, source):
            self.seen.joined.add(Endpoint(name, port))
            return tensor
        own = tf.identity(tensor)
        mask = getattr(tensor, "_keras_mask", None)
        if mask is not None:
            own._keras_mask = mask
        return own

    def _handed_on(self, name: str, tensor: Tensor) -> Endpoint | None:
        ends = self.graph.inputs(name)
        return next((end for end in ends if self.seen.outputs.get(end) is tensor), None)


def is_only_reader(graph: OpGraph, end: Endpoint) -> bool:
    """Whether an output is read once."""
    return sum(edge.port == end.port for edge in graph.edges_from(end.node)) == 1


def complete(seen: Seen, graph: OpGraph) -> None:
    """Add the nodes that mark outputs, and see that all others were called.

    Raises:
        TraceError: a node was not.
    """
    for name in graph.order:
        if not marks_output(graph, name) or Endpoint(name) in seen.outputs:
            continue
        source = graph.inputs(name)[0]
        if source in seen.outputs:
            seen.outputs[Endpoint(name)] = seen.outputs[source]
            if not is_only_reader(graph, source):
                seen.joined.add(Endpoint(name))
    made = {end.node for end in seen.outputs}
    missing = [name for name in graph.order if name not in made]
    if missing:
        raise TraceError(
            f"the model did not call {missing[0]!r}",
            where=missing[0],
            node=missing[0],
            hint="was a layer replaced after the model was made?",
        )


def _functions(function: Any) -> list[Any]:
    """A functional model and those inside it, the outermost first."""
    inner = [function_of(part) for _, part in calls_of(function)]
    return [function, *(found for one in inner if one is not None for found in _functions(one))]


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Generator[None]:
    """Give an object an attribute of its own for a while, past Keras's bookkeeping."""
    had = name in vars(owner)
    before = vars(owner).get(name)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if had:
            object.__setattr__(owner, name, before)
        else:
            object.__delattr__(owner, name)
