"""Which attributes define a node, and how they are written in a picture or table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opgraph.graph import Node, Provenance
from opgraph.ops import Attr, freeze
from opgraph.render.wording import value_text

FIRST = ("kernel_size", "pool_size", "num_heads")
UNTOLD = {"input": ("shape",), "opaque": ("output", "more", "arrays")}  # columns of their own
BARE = frozenset({"kernel_size", "pool_size", "filters", "padding", "activation", "class_name"})
SHOWN_DEFAULTS = frozenset({"kernel_size", "pool_size", "rate", "size", "num_heads"})
SHORT = {
    "strides": "stride",
    "dilation_rate": "dilation",
    "num_heads": "heads",
    "kernel_size": "kernel",
    "pool_size": "window",
    "input_dim": "vocabulary",
    "output_dim": "size",
    "use_bias": "bias",
    "key_dim": "key",
}


@dataclass(frozen=True, slots=True)
class ShownAttr:
    """One attribute of a node, in words.

    Attributes:
        name: Keras's name.
        text: short, with a name only where the value does not speak for itself.
        named: always with a name.
        provenance: where the value comes from.
        reason: the rule that inferred it.
    """

    name: str
    text: str
    named: str
    provenance: Provenance
    reason: str | None = None


class _Signature:
    """A node, equal to all others with the same op and attributes."""

    __slots__ = ("key", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.key = node.kind, freeze(node.given), freeze(node.inferred)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Signature) and self.key == other.key


def defining_attrs(node: Node) -> tuple[ShownAttr, ...]:
    """The attributes to show: those given or inferred, and the few defaults that matter.

    >>> from opgraph.ops import require
    >>> conv = Node("c", require("Conv2D"), {"filters": 8, "strides": (2, 2)})
    >>> [(a.text, a.provenance) for a in defining_attrs(conv)]
    [('3×3', 'default'), ('8', 'given'), ('stride 2', 'given'), ('same', 'default')]
    """
    return _defining(_Signature(node))


def all_attrs(node: Node) -> tuple[ShownAttr, ...]:
    """Every attribute that has a value, for tooltips; unset options are left out."""
    return _all(_Signature(node))


@lru_cache(maxsize=4096)
def _defining(signature: _Signature) -> tuple[ShownAttr, ...]:
    node = signature.node
    explicit = node.explicit()
    shown = [
        _shown(node, spec, explicit.get(spec.name, spec.default))
        for spec in node.kind.schema().values()
        if _is_defining(node, spec, explicit)
    ]
    return tuple(sorted(shown, key=lambda attr: attr.name not in FIRST))


@lru_cache(maxsize=4096)
def _all(signature: _Signature) -> tuple[ShownAttr, ...]:
    node = signature.node
    explicit = node.explicit()
    return tuple(
        _shown(node, spec, explicit.get(spec.name, spec.default))
        for spec in node.kind.schema().values()
        if spec.name in explicit or _is_telling(spec)
    )


def _is_telling(spec: Attr) -> bool:
    """Whether a default is worth a line: not what every op has, not what is unset."""
    unset = spec.is_required or spec.default is None
    return not unset and spec.name not in ("trainable", "dtype", "data_format")


def _is_defining(node: Node, spec: Attr, explicit: dict[str, Any]) -> bool:
    if spec.name in UNTOLD.get(node.kind.category, ()):
        return False
    if spec.name == "settings" and not explicit.get("settings", {}).get("config", True):
        return False
    if spec.name in explicit:
        return explicit[spec.name] is not None and not spec.option
    if spec.is_required:
        return False
    windowed = spec.name == "padding" and "kernel_size" in node.kind.schema()
    return windowed or spec.name in SHOWN_DEFAULTS


def _shown(node: Node, spec: Attr, value: Any) -> ShownAttr:
    name = SHORT.get(spec.name, spec.name.replace("_", " "))
    if node.kind.category == "opaque" and spec.name == "settings" and "config" in value:
        name, value = "with", value["config"]
    inferred = node.inferred.get(spec.name) if spec.name not in node.given else None
    return ShownAttr(
        spec.name,
        value_text(value) if spec.name in BARE else _with_name(name, value),
        _with_name(name, value),
        node.provenance(spec.name),
        inferred.reason if inferred else None,
    )


def _with_name(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if name in ("stride", "dilation", "size") and isinstance(value, tuple):
        value = value[0] if len(set(value)) == 1 else value
    return f"{name} {value_text(value)}"
