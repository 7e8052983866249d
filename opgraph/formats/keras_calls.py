"""The parts of a Keras configuration: layer entries, their calls, and the tensors between them.

Owns the JSON forms that Keras 3 writes, and the list form of Keras 2. What is read is untrusted.
Must not know which op stands for which layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from opgraph.errors import FormatError

DEEPEST = 64


class Tensor(NamedTuple):
    """An output of a call of a layer, with its shape as far as the file says it."""

    layer: str
    call: int
    port: int
    shape: tuple[int | None, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Call:
    """One use of a layer: its arguments, in which tensors stand as `Tensor`."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def tensors(self) -> list[Tensor]:
        """All tensors that the call reads, in the order of its arguments."""
        return list(tensors_in((self.args, dict(self.kwargs))))


@dataclass(frozen=True)
class Entry:
    """A layer as it stands in the configuration of a model.

    Attributes:
        name: unique in the model.
        class_name: name of the layer's class.
        module: where the class is from.
        registered_name: name under which a class that is not Keras's own was registered.
        config: arguments of the class.
        calls: its uses, in order.
        where: path in the document, for messages.
    """

    name: str
    class_name: str
    module: str
    registered_name: str | None
    config: Mapping[str, Any]
    calls: tuple[Call, ...]
    where: str

    @property
    def is_model(self) -> bool:
        """Whether this is a model of its own, with layers inside.

        A user's own layer may well have an argument called `layers`.
        """
        if not isinstance(self.config.get("layers"), list):
            return False
        return self.is_functional or (self.class_name == "Sequential" and self.is_keras)

    @property
    def is_functional(self) -> bool:
        """Whether this is a model whose layers say what they read."""
        return "output_layers" in self.config and isinstance(self.config.get("layers"), list)

    @property
    def is_keras(self) -> bool:
        """Whether the class is Keras's own; a user's class may have the same name."""
        own = self.registered_name is None or self.registered_name == self.class_name
        return own and (self.module == "keras" or self.module.startswith("keras."))

    @property
    def is_operation(self) -> bool:
        """Whether this is a function of `keras.ops`, not a layer."""
        return self.module.startswith("keras.src.ops")

    def called(self, calls: tuple[Call, ...]) -> Entry:
        """The same layer with other calls."""
        return replace(self, calls=calls)

    @property
    def is_input(self) -> bool:
        """Whether data enters here."""
        return self.class_name == "InputLayer"


def read_entry(data: Any, where: str) -> Entry:
    """A layer entry, checked.

    Raises:
        FormatError: it is not one.
    """
    entry = mapping(data, where)
    config = mapping(entry.get("config"), f"{where}.config")
    nodes = sequence(entry.get("inbound_nodes", []), f"{where}.inbound_nodes")
    name = entry.get("name", config.get("name"))
    registered = entry.get("registered_name")
    return Entry(
        name=text(name, f"{where}.name"),
        class_name=text(entry.get("class_name"), f"{where}.class_name"),
        module=str(entry.get("module") or "keras.layers"),
        registered_name=registered if isinstance(registered, str) else None,
        config=config,
        calls=tuple(_calls(nodes, f"{where}.inbound_nodes")),
        where=where,
    )


def _calls(nodes: list[Any], where: str) -> Iterator[Call]:
    for index, node in enumerate(nodes):
        place = f"{where}[{index}]"
        if isinstance(node, list):
            yield _old_call(cast("list[Any]", node), place)
            continue
        data = mapping(node, place)
        args = sequence(data.get("args", []), f"{place}.args")
        kwargs = mapping(data.get("kwargs", {}), f"{place}.kwargs")
        yield Call(
            tuple(_argument(item, f"{place}.args") for item in args),
            {key: _argument(item, f"{place}.kwargs.{key}") for key, item in kwargs.items()},
        )


def _old_call(node: list[Any], where: str) -> Call:
    """Keras 2 writes `[[layer, call, port, {keywords}], ...]`."""
    found: list[Tensor] = []
    keywords: dict[str, Any] = {}
    for item in node:
        if not isinstance(item, list) or len(cast("list[Any]", item)) not in (3, 4):
            raise FormatError(
                f"expected [layer, call, output, keywords], received {brief(item)}", where=where
            )
        parts = cast("list[Any]", item)
        found.append(read_tensor(parts[:3], where))
        keywords |= mapping(parts[3], where) if len(parts) == 4 else {}
    return Call((found[0] if len(found) == 1 else found,), keywords)


def _argument(value: Any, where: str, depth: int = 0) -> Any:
    """An argument of a call, with `Tensor` where a Keras tensor is written."""
    if depth > DEEPEST:
        raise FormatError(f"nested more than {DEEPEST} levels deep", where=where)
    if isinstance(value, list):
        return [_argument(item, where, depth + 1) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, Any]", value)
    if items.get("class_name") == "__keras_tensor__":
        config = mapping(items.get("config"), where)
        tensor = read_tensor(config.get("keras_history"), where)
        return tensor._replace(shape=_shape(config.get("shape")), dtype=_word(config.get("dtype")))
    return {key: _argument(item, where, depth + 1) for key, item in items.items()}


def _shape(value: Any) -> tuple[int | None, ...] | None:
    """A shape without the batch, or None where it is not written as one."""
    if not isinstance(value, list) or not value:
        return None
    dims = cast("list[Any]", value)[1:]
    return tuple(dims) if all(d is None or type(d) is int for d in dims) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def read_tensor(value: Any, where: str) -> Tensor:
    """A tensor from `[layer, call, port]`.

    Raises:
        FormatError: it is not of this form.
    """
    if isinstance(value, list) and len(cast("list[Any]", value)) == 3:
        layer, call, port = cast("list[Any]", value)
        if isinstance(layer, str) and _is_natural(call) and _is_natural(port):
            return Tensor(layer, call, port)
    raise FormatError(f"expected [layer, call, output], received {brief(value)}", where=where)


def read_tensors(value: Any, where: str) -> list[Tensor]:
    """All tensors of `input_layers` or `output_layers`: one, or any nest of lists and objects."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if len(items) == 3 and isinstance(items[0], str):
            return [read_tensor(items, where)]
    elif isinstance(value, dict):
        items = _by_key(cast("dict[str, Any]", value))
    else:
        raise FormatError(f"expected a list of layers, received {brief(value)}", where=where)
    return [tensor for item in items for tensor in read_tensors(item, where)]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors inside an argument, from left to right."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in _by_key(cast("dict[str, Any]", value)):
            yield from tensors_in(item)


def _by_key(items: Mapping[str, Any]) -> list[Any]:
    """Values in the order of their keys, which is how Keras flattens a dictionary."""
    return [items[key] for key in sorted(items)]


def as_json(value: Any, where: str, depth: int = 0) -> Any:
    """The same data as if it had been written to JSON and read again: lists for tuples.

    Raises:
        FormatError: it is nested absurdly deep.
    """
    if depth > 4 * DEEPEST:
        raise FormatError(f"nested more than {4 * DEEPEST} levels deep", where=where)
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(key): as_json(item, where, depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [as_json(item, where, depth + 1) for item in cast("list[Any]", value)]
    return value


def mapping(data: Any, where: str) -> Mapping[str, Any]:
    """The object that should stand here.

    Raises:
        FormatError: something else does.
    """
    if not isinstance(data, dict):
        raise FormatError(f"expected an object, received {brief(data)}", where=where)
    return cast("dict[str, Any]", data)


def sequence(data: Any, where: str) -> list[Any]:
    """The list that should stand here.

    Raises:
        FormatError: something else does.
    """
    if not isinstance(data, list):
        raise FormatError(f"expected a list, received {brief(data)}", where=where)
    return cast("list[Any]", data)


def text(value: Any, where: str) -> str:
    """The text that should stand here.

    Raises:
        FormatError: something else does.
    """
    if not isinstance(value, str) or not value:
        raise FormatError(f"expected a text, received {brief(value)}", where=where)
    return value


def brief(value: Any) -> str:
    """A value as shown in a message, cut to a line.

    >>> brief(None), brief([1, 2])
    ('nothing', '[1, 2]')
    """
    if value is None:
        return "nothing"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _is_natural(value: Any) -> bool:
    return type(value) is int and value >= 0
