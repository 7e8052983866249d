"""Layers that opgraph does not know, rebuilt from their Keras configuration.

No code of a file is ever run: only classes that Keras itself ships, or that this process has
registered with Keras, are rebuilt. A configuration comes from a file and is untrusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import keras

from opgraph.errors import BuildError
from opgraph.ops import Op

RUNS_CODE = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
DEEPEST = 64
SLOT = "$slot"


def opaque_layer(op: Op, options: Mapping[str, Any]) -> Any:
    """The Keras layer (or operation) that an opaque op carries.

    Args:
        op: an `Opaque`: `class_name`, and `settings` with `config`, perhaps `module` and
            `registered_name`.
        options: name, dtype and trainable of the layer; they win over the configuration.

    Raises:
        BuildError: the class is not Keras's and not registered, or would run code of the file.
    """
    class_name = str(op.values()["class_name"])
    settings: dict[str, Any] = dict(op.values()["settings"] or {})
    refuse_class({"class_name": class_name})
    entry = {
        "class_name": class_name,
        "module": settings.get("module") or "keras.layers",
        "registered_name": settings.get("registered_name"),
        "config": {**settings.get("config", {}), **options},
    }
    if not _is_known(entry):
        raise BuildError(
            f"{class_name!r} is not a layer of Keras, and no class of that name is registered",
            hint="register it first: keras.saving.register_keras_serializable()",
        )
    return keras.saving.deserialize_keras_object(entry, safe_mode=True)


def opaque_call(op: Op, layer: Any, inputs: list[Any]) -> Any:
    """Apply a rebuilt layer as its configuration says, its tensors being `{"$slot": number}`."""
    settings: dict[str, Any] = dict(op.values()["settings"] or {})
    if "call" not in settings:
        return layer(*inputs)
    args = [_argument(item, inputs) for item in settings["call"].get("args", [])]
    kwargs = settings["call"].get("kwargs", {})
    return layer(*args, **{key: _argument(item, inputs) for key, item in kwargs.items()})


def _argument(value: Any, inputs: list[Any]) -> Any:
    if isinstance(value, Mapping):
        entry = dict(cast("Mapping[str, Any]", value))
        if set(entry) == {SLOT}:
            return inputs[entry[SLOT]]
        if "class_name" in entry:
            return keras.saving.deserialize_keras_object(entry, safe_mode=True)
        return {key: _argument(item, inputs) for key, item in entry.items()}
    if isinstance(value, list | tuple):
        items = [_argument(item, inputs) for item in cast("Iterable[Any]", value)]
        is_index = any(isinstance(item, slice) for item in items)
        return tuple(items) if is_index else items
    return value


def _is_known(entry: Mapping[str, Any]) -> bool:
    registered = entry["registered_name"] or entry["class_name"]
    if keras.saving.get_registered_object(registered) is not None:
        return True
    module = str(entry["module"])
    if module.startswith("keras.src."):
        return True
    return module == "keras.layers" and hasattr(keras.layers, entry["class_name"])


def refuse_code(value: Any, where: str | None = None, depth: int = 0) -> None:
    """Refuse a configuration that holds, at any depth, something whose loading runs code.

    Raises:
        BuildError: it does, or it is nested absurdly deep.
    """
    if depth > DEEPEST:
        raise BuildError(f"a configuration nested more than {DEEPEST} levels deep", where=where)
    if isinstance(value, Op):
        value = value.values()
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        refuse_class(mapping, where)
        for item in mapping.values():
            refuse_code(item, where, depth + 1)
    elif isinstance(value, list | tuple):
        for item in cast("Iterable[Any]", value):
            refuse_code(item, where, depth + 1)


def refuse_class(entry: Mapping[str, Any], where: str | None = None) -> None:
    """Refuse a class whose loading runs code.

    Raises:
        BuildError: it is one.
    """
    class_name = entry.get("class_name")
    if class_name in RUNS_CODE:
        raise BuildError(
            f"{class_name} runs code of the file that it comes from; opgraph never does",
            where=where,
            hint="write the same with ops that opgraph knows",
        )
