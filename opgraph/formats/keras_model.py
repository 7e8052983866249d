"""One Keras model of a configuration: its layers, and the order in which their calls can be made.

A sequential model is turned into calls, each reading the one before. Must not know what stands for
a layer in a graph.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opgraph.errors import FormatError, suggest
from opgraph.formats.keras_calls import (
    Call,
    Entry,
    Tensor,
    mapping,
    read_entry,
    read_tensors,
    sequence,
    tensors_in,
)
from opgraph.ops import Shape

MASK_MAKERS = frozenset({"Embedding", "Masking"})
CallKey = tuple[str, int]


@dataclass(frozen=True)
class KerasModel:
    """The layers of a model, its inputs and outputs.

    Attributes:
        entries: layers by name, in the order of the file.
        inputs: tensors that are handed in.
        outputs: tensors that are handed back.
        trainable: False if the whole model is frozen.
        where: path in the document.
    """

    entries: Mapping[str, Entry]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    trainable: bool
    where: str

    def calls(self) -> dict[CallKey, Call]:
        """All calls of all layers."""
        return {
            (entry.name, index): call
            for entry in self.entries.values()
            for index, call in enumerate(entry.calls)
        }

    def entry(self, tensor: Tensor, where: str) -> Entry:
        """The layer that a tensor comes out of.

        Raises:
            FormatError: there is no such layer, or it is called less often.
        """
        found = self.entries.get(tensor.layer)
        if found is None:
            hint = suggest(tensor.layer, self.entries)
            raise FormatError(f"there is no layer {tensor.layer!r}", where=where, hint=hint)
        if not found.is_input and tensor.call >= len(found.calls):
            problem = f"reads call {tensor.call} of {tensor.layer!r}, which has {len(found.calls)}"
            raise FormatError(problem, where=where)
        return found

    def output_shapes(self) -> dict[CallKey, Shape]:
        """Shapes of first outputs, as far as those who read them say."""
        read = (t for call in self.calls().values() for t in call.tensors())
        return {(t.layer, t.call): t.shape for t in read if t.port == 0 and t.shape is not None}

    def implicit_masks(self) -> frozenset[Tensor]:
        """Masks that Keras computes by itself: made by operations from what a masking layer reads.

        Keras writes them down as if they had been passed; they come back when the model is built.
        """
        masked = {
            tensor[:3]
            for entry in self.entries.values()
            if entry.class_name in MASK_MAKERS and entry.config.get("mask_zero") is not False
            for call in entry.calls
            for tensor in call.tensors()
        }
        masks = {
            tensor
            for call in self.calls().values()
            for tensor in tensors_in(call.kwargs.get("mask"))
        }
        return frozenset(mask for mask in masks if self._leaves(mask) & masked)

    def _leaves(self, mask: Tensor) -> set[tuple[str, int, int]]:
        """What a chain of operations starts from."""
        waiting, leaves, seen = [mask], set[tuple[str, int, int]](), set[Tensor]()
        while waiting:
            tensor = waiting.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            entry = self.entry(tensor, self.where)
            if entry.is_operation:
                waiting += entry.calls[tensor.call].tensors()
            else:
                leaves.add(tensor[:3])
        return leaves


def read_model(config: Mapping[str, Any], where: str) -> KerasModel:
    """The model of a configuration that has layers.

    Raises:
        FormatError: something in it is not as Keras writes it.
    """
    layers = sequence(config.get("layers"), f"{where}.layers")
    items = [read_entry(item, f"{where}.layers[{i}]") for i, item in enumerate(layers)]
    if not items:
        raise FormatError("the model has no layers", where=f"{where}.layers")
    entries = {entry.name: entry for entry in items}
    if len(entries) < len(items):
        names = [entry.name for entry in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"two layers are called {twice!r}", where=f"{where}.layers")
    trainable = config.get("trainable") is not False
    if "output_layers" not in config:
        return _chain(items, trainable, where, config.get("build_input_shape"))
    outputs = read_tensors(config["output_layers"], f"{where}.output_layers")
    return KerasModel(
        entries=entries,
        inputs=tuple(read_tensors(config.get("input_layers"), f"{where}.input_layers")),
        outputs=tuple(_without_own_call(tensor, entries) for tensor in outputs),
        trainable=trainable,
        where=where,
    )


def _without_own_call(tensor: Tensor, entries: Mapping[str, Entry]) -> Tensor:
    """Keras counts the calls of a nested functional model from 1, in `output_layers` only."""
    entry = entries.get(tensor.layer)
    if entry is None or not entry.is_functional:
        return tensor
    return tensor._replace(call=max(0, tensor.call - 1))


def _chain(items: list[Entry], trainable: bool, where: str, build_shape: Any) -> KerasModel:
    """A sequential model as calls, each reading the one before."""
    if not items[0].is_input:
        shape = items[0].config.get("batch_input_shape", build_shape)
        config: Mapping[str, Any] = {} if shape is None else {"batch_shape": list(shape)}
        name = _free("input", items)
        entry = {"class_name": "InputLayer", "name": name, "config": config}
        items = [read_entry(entry, where), *items]
    tensors = [Tensor(entry.name, 0, 0) for entry in items]
    linked = [
        entry.called((Call((before,), {}),))
        for entry, before in zip(items[1:], tensors, strict=False)
    ]
    entries = {entry.name: entry for entry in (items[0], *linked)}
    return KerasModel(entries, (tensors[0],), (tensors[-1],), trainable, where)


def _free(name: str, items: Iterable[Entry]) -> str:
    taken = {entry.name for entry in items}
    while name in taken:
        name += "_"
    return name


def in_order(model: KerasModel, sources: Callable[[CallKey], Iterable[Tensor]]) -> list[CallKey]:
    """The calls that the outputs depend on, each after those that it reads.

    Among several that could be next, the one that stands first in the file.

    Raises:
        FormatError: a layer or call that is read does not exist, or there is a cycle.
    """
    reads = _needed(model, sources)
    rank = {name: index for index, name in enumerate(model.entries)}
    readers: dict[CallKey, list[CallKey]] = {}
    for key, before in reads.items():
        for source in before:
            readers.setdefault(source, []).append(key)
    open_reads = {key: len(before) for key, before in reads.items()}
    ready = [(rank[name], index) for (name, index), count in open_reads.items() if not count]
    heapq.heapify(ready)
    names, ordered = list(model.entries), list[CallKey]()
    while ready:
        at, index = heapq.heappop(ready)
        key = names[at], index
        ordered.append(key)
        for reader in readers.get(key, ()):
            open_reads[reader] -= 1
            if not open_reads[reader]:
                heapq.heappush(ready, (rank[reader[0]], reader[1]))
    if len(ordered) < len(reads):
        stuck = sorted({name for name, index in reads if (name, index) not in set(ordered)})
        shown = ", ".join(repr(name) for name in stuck[:6])
        raise FormatError(f"layers read each other in a ring: {shown}", where=model.where)
    return ordered


def _needed(
    model: KerasModel, sources: Callable[[CallKey], Iterable[Tensor]]
) -> dict[CallKey, set[CallKey]]:
    """For each call that the outputs depend on, the calls that it reads; inputs do not count."""
    reads: dict[CallKey, set[CallKey]] = {}
    waiting = _calls_of(model, model.outputs, f"{model.where}.output_layers")
    while waiting:
        key = waiting.pop()
        if key in reads:
            continue
        place = f"{model.entries[key[0]].where}.inbound_nodes[{key[1]}]"
        before = _calls_of(model, sources(key), place)
        reads[key] = set(before)
        waiting += before
    return reads


def _calls_of(model: KerasModel, tensors: Iterable[Tensor], where: str) -> list[CallKey]:
    return [(t.layer, t.call) for t in tensors if not model.entry(t, where).is_input]


def input_shape(entry: Entry) -> Shape | None:
    """Shape of one example that an input takes, or None where the file does not say it.

    Raises:
        FormatError: it is not a shape, or the input is sparse, ragged or optional.
    """
    for unusual in ("sparse", "ragged", "optional"):
        if entry.config.get(unusual):
            raise FormatError(f"opgraph reads no {unusual} inputs", where=entry.where)
    shape = entry.config.get("batch_shape", entry.config.get("batch_input_shape"))
    if shape is None:
        return None
    dims = sequence(shape, f"{entry.where}.config.batch_shape")
    if not dims or not all(dim is None or (type(dim) is int and dim > 0) for dim in dims):
        raise FormatError(
            f"expected a shape such as [null, 32, 32, 3], received {dims!r}",
            where=f"{entry.where}.config.batch_shape",
        )
    return tuple(dims[1:])


def inner_config(top: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration itself, without the class name and module that may stand around it."""
    return mapping(top.get("config"), "config") if "class_name" in top else top
