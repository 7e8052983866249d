"""Initialisers, regularisers, constraints and dtype policies, as one would type them.

What every layer of Keras does anyway is None. Knows no layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

MISSING: Any = object()
KERAS_DTYPE = "float32"
# What Keras starts a weight with, by the name of the weight.
USUAL_INITIALIZERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "kernel": ("GlorotUniform", {}),
    "depthwise": ("GlorotUniform", {}),
    "pointwise": ("GlorotUniform", {}),
    "recurrent": ("Orthogonal", {"gain": 1.0}),
    "embeddings": ("RandomUniform", {"minval": -0.05, "maxval": 0.05}),
    "bias": ("Zeros", {}),
    "beta": ("Zeros", {}),
    "moving_mean": ("Zeros", {}),
    "alpha": ("Zeros", {}),
    "gamma": ("Ones", {}),
    "moving_variance": ("Ones", {}),
}


def option_value(name: str, value: Any) -> Any:
    """The value of an option as one would type it; None for what Keras does anyway.

    >>> option_value("gamma_initializer", {"class_name": "Ones", "config": {}})
    >>> option_value("kernel_initializer", {"class_name": "HeNormal", "config": {"seed": None}})
    'he_normal'
    """
    if isinstance(value, str):
        usual = USUAL_INITIALIZERS.get(name.removesuffix("_initializer"), ("", {}))[0]
        is_usual = name.endswith("_initializer") and value in (usual, _snake(usual))
        return None if is_usual else value
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    entry = cast("Mapping[str, Any]", value)
    class_name, config = entry["class_name"], entry.get("config")
    if not isinstance(class_name, str) or not isinstance(config, Mapping):
        return dict(entry)
    said = {k: v for k, v in cast("Mapping[str, Any]", config).items() if v is not None}
    if not str(entry.get("module") or "keras.").startswith("keras."):
        return dict(entry)
    if (class_name, said) == USUAL_INITIALIZERS.get(name.removesuffix("_initializer")):
        return None
    if not said and name.endswith("_initializer"):
        return _snake(class_name)
    return {"class_name": class_name, "config": said}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def policy_name(value: Any) -> Any:
    """The name of a dtype policy; None for the usual one, `MISSING` if a name does not say it all.

    >>> policy_name({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}})
    'mixed_float16'
    """
    if isinstance(value, Mapping):
        entry = cast("Mapping[str, Any]", value)
        config = entry.get("config")
        if entry.get("class_name") not in ("DTypePolicy", "Policy") or not isinstance(config, dict):
            return MISSING
        value = cast("dict[str, Any]", config).get("name")
    if value is None or value == KERAS_DTYPE:
        return None
    return value if isinstance(value, str) else MISSING
