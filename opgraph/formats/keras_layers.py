"""Which op a call of a Keras layer is, with which attributes, reading which tensors.

A call that no op can say exactly is carried as an opaque node with its whole configuration; nothing
is dropped in silence. Must not know how the layers of a model hang together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from opgraph.errors import AttributeValueError
from opgraph.formats.keras_calls import Call, Entry, Tensor, tensors_in
from opgraph.formats.keras_operations import translate_operation
from opgraph.formats.keras_options import MISSING, option_value, policy_name
from opgraph.graph import SLOT
from opgraph.ops import Attr, Op, Shape, convert_value, kinds, require

WRAPPED = ("layer", "backward_layer")
UNNAMED = frozenset({"name", "trainable", "dtype"})
# What a layer does anyway, for arguments that an op does not have; others must be None, False or 0.
USUAL: dict[str, Any] = {
    "data_format": "channels_last",
    "use_bias": True,
    "center": True,
    "scale": True,
    "unit_forget_bias": True,
    "reset_after": True,
    "implementation": 2,
}


@dataclass(frozen=True)
class Use:
    """A call of a layer in opgraph's terms: the op, its attributes, what it reads by slot."""

    kind: type[Op]
    given: Mapping[str, Any]
    sources: tuple[Tensor, ...]


def translate(entry: Entry, call: Call, output: Shape | None, implicit: frozenset[Tensor]) -> Use:
    """The op of a call of a layer.

    Args:
        entry: the layer.
        call: one of its uses.
        output: shape of the first output, as far as the file says it.
        implicit: masks that Keras computes by itself when the model is built again.
    """
    if entry.is_operation:
        found = translate_operation(entry, call)
        return Use(*found) if found else opaque(entry, call, output, implicit)
    kind = _kinds().get(entry.class_name) if entry.is_keras else None
    given = None if kind is None else layer_attributes(kind, entry.config)
    if kind is None or given is None:
        return opaque(entry, call, output, implicit)
    placed = _placed(kind, call, implicit)
    if placed is None:
        return opaque(entry, call, output, implicit)
    sources, further = placed
    return Use(kind, {**given, **further}, sources)


@cache
def _kinds() -> dict[str, type[Op]]:
    known = [kind for kind in kinds() if kind.category not in ("input", "opaque")]
    other_names = {alias: kind for kind in known for alias in kind.aliases}
    return other_names | {kind.kind: kind for kind in known}


def layer_attributes(kind: type[Op], config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Attributes of an op from its layer's configuration; None if that says more than they can."""
    dtype = policy_name(config.get("dtype"))
    said = {key: value for key, value in config.items() if key not in UNNAMED}
    schema = kind.schema()
    if dtype is MISSING:
        return None
    if not all(_goes_without_saying(key, said[key]) for key in said if key not in schema):
        return None
    values = {key: _converted(schema[key], said[key]) for key in said if key in schema}
    if any(value is MISSING for value in values.values()):
        return None
    if _is_mirrored(values.get("layer"), values.get("backward_layer")):
        values["backward_layer"] = None
    given = {k: v for k, v in values.items() if v is not None or schema[k].default is not None}
    if dtype is not None:
        given["dtype"] = dtype
    return given | ({"trainable": False} if config.get("trainable") is False else {})


def _is_mirrored(there: Any, back: Any) -> bool:
    """Whether the way back is what Keras makes of the way there when nothing is said."""
    if not isinstance(there, Op) or not isinstance(back, Op) or there.kind != back.kind:
        return False
    return {**there.values(), "go_backwards": True} == back.values()


def _wrapped(entry: Any) -> Any:
    """The layer inside a wrapper, with the attributes of its op."""
    config = entry.get("config") if isinstance(entry, dict) else None
    kind = _kinds().get(cast("dict[str, Any]", entry).get("class_name", ""))
    given = layer_attributes(kind, config) if kind and isinstance(config, dict) else None
    return entry if kind is None or given is None else kind(**given)


def _converted(spec: Attr, value: Any) -> Any:
    if spec.name in WRAPPED and value is not None:
        value = _wrapped(value)
    try:
        return convert_value(spec, option_value(spec.name, value) if spec.option else value)
    except AttributeValueError:
        return MISSING


def _goes_without_saying(key: str, value: Any) -> bool:
    if key in USUAL:
        return value is None or value == USUAL[key]
    if key.endswith("_initializer"):
        return option_value(key, value) is None
    return value is None or value is False or value == 0


# What a call reads -----------------------------------------------------------------------------


def _placed(
    kind: type[Op], call: Call, implicit: frozenset[Tensor]
) -> tuple[tuple[Tensor, ...], dict[str, Any]] | None:
    """The tensors by slot, and attributes that are given with the call; None if there is no place.

    `training` is left out: when a functional model is called with `training`, Keras hands that to
    every layer, whatever the call of the layer said.
    """
    slots, fewest, most = kind.slots()
    positional = list(tensors_in(list(call.args)))
    if len(positional) < _arguments(call):
        return None
    filled = dict(enumerate(positional))
    further: dict[str, Any] = {}
    for key, value in call.kwargs.items():
        tensors = list(tensors_in(value))
        if key == "mask" and all(tensor in implicit for tensor in tensors):
            continue
        if not tensors:
            if not _keep_keyword(kind, key, value, further):
                return None
            continue
        start = _first_slot(key, slots, filled)
        if start is None or len(tensors) != _leaves(value):
            return None
        filled |= {start + offset: tensor for offset, tensor in enumerate(tensors)}
    in_order = sorted(filled)
    fits = fewest <= len(filled) and (most is None or len(filled) <= most)
    if not fits or in_order != list(range(len(filled))):
        return None
    return tuple(filled[slot] for slot in in_order), further


def _arguments(call: Call) -> int:
    return sum(_leaves(argument) for argument in call.args)


def _leaves(value: Any) -> int:
    """Things in an argument that is a tensor or nested lists of them."""
    if isinstance(value, Tensor) or not isinstance(value, list | tuple):
        return 1
    return sum(_leaves(item) for item in cast("list[Any]", value))


def _keep_keyword(kind: type[Op], key: str, value: Any, further: dict[str, Any]) -> bool:
    """Whether a keyword without tensors can be kept, as an attribute, or goes without saying."""
    if key == "training" or value is None:
        return True
    spec = kind.schema().get(key)
    converted = MISSING if spec is None else _converted(spec, value)
    if converted is MISSING:
        return value is False
    further[key] = converted
    return True


def _first_slot(key: str, slots: tuple[str, ...], filled: Mapping[int, Tensor]) -> int | None:
    if key in slots:
        return slots.index(key)
    if key in ("inputs", "sequences", "sequence", "x") and 0 not in filled:
        return 0
    return len(filled) if key == "initial_state" and filled else None


# Layers that no op can say ---------------------------------------------------------------------


def opaque(entry: Entry, call: Call, output: Shape | None, implicit: frozenset[Tensor]) -> Use:
    """A call carried with its whole configuration, to be rebuilt as it was."""
    kwargs = {key: value for key, value in call.kwargs.items() if not _implied(value, implicit)}
    sources = tuple(tensors_in([list(call.args), kwargs]))
    settings: dict[str, Any] = {"module": entry.module}
    if entry.registered_name is not None:
        settings["registered_name"] = entry.registered_name
    settings["config"] = {k: v for k, v in entry.config.items() if k not in ("name", "trainable")}
    if kwargs or list(call.args) != [*sources]:
        numbered = _Numbered()
        settings["call"] = {"args": numbered(list(call.args)), "kwargs": numbered(kwargs)}
    given: dict[str, Any] = {"class_name": entry.class_name, "settings": settings}
    if output is not None:
        given["output"] = output
    if entry.is_operation:
        given["arrays"] = {}
    if entry.config.get("trainable") is False:
        given["trainable"] = False
    return Use(require("Opaque"), given, sources)


def _implied(value: Any, implicit: frozenset[Tensor]) -> bool:
    return value is None or (isinstance(value, Tensor) and value in implicit)


class _Numbered:
    """Replaces tensors by the numbers of the slots in which they come."""

    def __init__(self) -> None:
        self.next = 0

    def __call__(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            self.next += 1
            return {SLOT: self.next - 1}
        if isinstance(value, list):
            return [self(item) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            return {key: self(items[key]) for key in sorted(items)}
        return value
