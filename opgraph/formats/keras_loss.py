"""The loss that a Keras model was compiled with, as far as its file says it.

Reads names and flags; must not know what a loss computes, and never makes one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from opgraph.formats.archive import keras_file_config


class CompiledLoss(NamedTuple):
    """A loss: Keras's name of it in small letters, and whether it takes scores."""

    name: str
    from_logits: bool


def read_loss(path: Path) -> CompiledLoss | None:
    """The loss in a `.keras` file; None if there is none, or several, or one of the user's own.

    Raises:
        FormatError: it is not such a file.
    """
    if path.suffix != ".keras":
        return None
    return loss_of(keras_file_config(path))


def loss_of(config: Any) -> CompiledLoss | None:
    """The loss in what `config.json` of a `.keras` file holds.

    >>> entry = {"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}
    >>> loss_of({"compile_config": {"loss": entry}})
    CompiledLoss(name='binary_crossentropy', from_logits=True)
    """
    loss = _field(_field(config, "compile_config"), "loss")
    if isinstance(loss, str):
        return CompiledLoss(_snake(loss), False)
    name = _field(loss, "class_name")
    if not isinstance(name, str) or name == "function":
        return None
    return CompiledLoss(_snake(name), _field(_field(loss, "config"), "from_logits") is True)


def _field(data: Any, key: str) -> Any:
    return cast("Mapping[str, Any]", data).get(key) if isinstance(data, Mapping) else None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
