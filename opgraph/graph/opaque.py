"""What the settings of an opaque node say: the layer's configuration, and how it is called.

    {"module": "keras.layers", "registered_name": None, "config": {...},
     "call": {"args": [{"$slot": 0}, 3.0], "kwargs": {}}}

`config` holds the arguments of the class. Without `call` the layer is called with its inputs one
after the other. Knows neither Keras nor how such settings are written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from opgraph.errors import AttributeValueError
from opgraph.ops import Op

SLOT = "$slot"
DEEPEST = 64


def opaque_entry(op: Op, options: Mapping[str, Any]) -> dict[str, Any]:
    """The layer as Keras serialises it.

    Args:
        op: an `Opaque`.
        options: name, dtype and trainable; they win over the configuration.

    Raises:
        AttributeValueError: the settings are not of the form above.
    """
    settings = _settings(op)
    module = settings.get("module") or "keras.layers"
    registered = settings.get("registered_name")
    if not isinstance(module, str) or not isinstance(registered, str | None):
        raise _malformed("names of classes are text")
    return {
        "module": module,
        "class_name": op.values()["class_name"],
        "config": {**_mapping(settings.get("config") or {}, "config"), **options},
        "registered_name": registered,
    }


def opaque_arguments(
    op: Op, inputs: Sequence[Any], revive: Callable[[dict[str, Any]], Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional arguments and keywords of the call.

    Args:
        op: an `Opaque`.
        inputs: what the node reads, by slot.
        revive: makes an object of its serialised form, `{"class_name": ..., "config": ...}`.

    Raises:
        AttributeValueError: the settings are not of the form above, or a slot is not there.
    """
    call = _settings(op).get("call")
    if call is None:
        return list(inputs), {}
    call = _mapping(call, "call")
    args, keywords = call.get("args", []), _mapping(call.get("kwargs", {}), "kwargs")
    if not isinstance(args, list | tuple):
        raise _malformed("args is a list")
    for key in keywords:
        if not key.isidentifier():
            raise _malformed(f"{key!r} cannot be the name of an argument")
    fill = _Fill(inputs, revive)
    return fill.items(args), {key: fill(item) for key, item in keywords.items()}


class _Fill:
    """Puts inputs in their slots, and objects in place of their serialised form."""

    def __init__(
        self, inputs: Sequence[Any], revive: Callable[[dict[str, Any]], Any], depth: int = 0
    ) -> None:
        self.inputs, self.revive, self.depth = inputs, revive, depth

    def __call__(self, value: Any) -> Any:
        if self.depth > DEEPEST:
            raise _malformed(f"nested more than {DEEPEST} levels deep")
        inner = _Fill(self.inputs, self.revive, self.depth + 1)
        if isinstance(value, Mapping):
            entry = dict(cast("Mapping[str, Any]", value))
            if set(entry) == {SLOT}:
                return self.slot(entry[SLOT])
            if "class_name" in entry:
                return self.revive(entry)
            return {key: inner(item) for key, item in entry.items()}
        if isinstance(value, list | tuple):
            items = list(cast("Iterable[Any]", value))
            filled = inner.items(items)
            return tuple(filled) if any(map(_is_slice, items)) else filled
        return value

    def items(self, values: Iterable[Any]) -> list[Any]:
        return [self(value) for value in values]

    def slot(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self.inputs):
            raise _malformed(f"the call reads slot {number!r} of {len(self.inputs)}")
        return self.inputs[number]


def _is_slice(value: Any) -> bool:
    """Whether an item makes its list an index, which has to be a tuple."""
    names = ("__slice__", "__ellipsis__")
    return isinstance(value, Mapping) and cast("Any", value).get("class_name") in names


def _settings(op: Op) -> Mapping[str, Any]:
    return _mapping(op.values()["settings"] or {}, "settings")


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _malformed(f"{what} is an object")
    keys = cast("Mapping[Any, Any]", value)
    if not all(isinstance(key, str) for key in keys):
        raise _malformed(f"the keys of {what} are text")
    return cast("Mapping[str, Any]", value)


def _malformed(problem: str) -> AttributeValueError:
    return AttributeValueError(f"not the settings of a Keras layer: {problem}")
