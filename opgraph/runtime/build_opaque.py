"""Layers that opgraph does not know, rebuilt from their Keras configuration.

No code of a file is ever run: only classes that Keras itself ships, or that this process has
registered with Keras, are rebuilt. A configuration comes from a file and is untrusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import keras

from opgraph.errors import BuildError
from opgraph.graph import opaque_arguments, opaque_entry
from opgraph.ops import Op

RUNS_CODE = frozenset(
    {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
DEEPEST = 64


def opaque_layer(op: Op, options: Mapping[str, Any]) -> Any:
    """The Keras layer (or operation) that an opaque op carries.

    Args:
        op: an `Opaque`: `class_name`, and `settings` with `config`, perhaps `module` and
            `registered_name`.
        options: name, dtype and trainable of the layer; they win over the configuration.

    Raises:
        BuildError: the class is not Keras's and not registered, or would run code of the file.
    """
    entry = opaque_entry(op, options)
    class_name = entry["class_name"]
    refuse_code(entry)
    if not _is_known(entry):
        raise BuildError(
            f"{class_name!r} is not a layer of Keras, and no class of that name is registered",
            hint="register it first: keras.saving.register_keras_serializable()",
        )
    return keras.saving.deserialize_keras_object(entry, safe_mode=True)


def opaque_call(op: Op, layer: Any, inputs: list[Any]) -> Any:
    """Apply a rebuilt layer as its settings say."""
    args, keywords = opaque_arguments(op, inputs, _revived)
    return layer(*args, **keywords)


def _revived(entry: dict[str, Any]) -> Any:
    refuse_code(entry)
    return keras.saving.deserialize_keras_object(entry, safe_mode=True)


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
