"""The form in which an operation is written down.

An op is a class whose body is its schema: attributes (type, default, doc, converter), `shape`,
`weights`, `flops` and the Keras layer that stands for it. Owns `Op`, `attr` and `@op`; knows no
particular op and never imports Keras (the builder hands it in).

Shapes leave out the batch. A dimension that is not known is `None`; a shape whose rank is not known
is `None` as a whole and never reaches an op.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, ClassVar, Literal, TypeVar, cast, dataclass_transform, get_type_hints

from opgraph.errors import AttributeValueError, ShapeError, suggest
from opgraph.ops.checks import anything, convert_to

Dim = int | None
Shape = tuple[Dim, ...]
Category = Literal[
    "input",
    "convolution",
    "dense",
    "normalization",
    "activation",
    "pooling",
    "shape",
    "merge",
    "recurrent",
    "attention",
    "regularization",
    "opaque",
]
T = TypeVar("T")
Converter = Callable[[Any], Any]


class _Required:
    """Marks an attribute that has no default."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute of an op.

    Attributes:
        name: Keras's name for it.
        default: the value when nothing is said; `REQUIRED` when there is none.
        doc: one line for tables and help.
        convert: turns what was written into a value, or raises `ValueError`.
        rule: name of the completion rule that may fill it (see `analysis.complete`).
        field: name of the Python attribute, where Keras's name is taken by a method.
        option: True for those that every weight brings along (initialiser, regulariser, ...).
    """

    name: str
    default: Any
    doc: str
    convert: Converter
    rule: str | None = None
    field: str = ""
    option: bool = False

    @property
    def is_required(self) -> bool:
        """Whether a value must be given or inferred."""
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True)
class Weight:
    """An array that a layer owns: its shape, whether training changes it, how it starts."""

    shape: Shape
    trainable: bool = True
    initializer: str | None = None

    @property
    def size(self) -> int | None:
        """Number of elements, or None while a dimension is unknown."""
        total = 1
        for dim in self.shape:
            if dim is None:
                return None
            total *= dim
        return total


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an op looks along each spatial axis, for the receptive field.

    `window` is the number of neighbouring input positions that one output position reads (already
    dilated; None means all of them), `stride` the step between windows (a fraction for ops that
    enlarge).
    """

    window: tuple[int, ...] | None
    stride: tuple[int | Fraction, ...] = ()


POINTWISE = Reach((), ())
WHOLE = Reach(None, ())


@dataclass(frozen=True, slots=True)
class _Declared:
    """What `attr()` leaves in a class body until the class is finished."""

    default: Any
    doc: str
    convert: Converter | None
    rule: str | None
    keras: str | None


def attr(
    *,
    doc: str,
    default: Any = REQUIRED,
    converter: Callable[[Any], T] | None = None,
    rule: str | None = None,
    keras: str | None = None,
) -> Any:
    """Declare an attribute in the body of an op.

    Args:
        doc: one line for tables and help.
        default: value when nothing is said; leave out for a required attribute.
        converter: turns what was written into the value; from the annotation when left out.
        rule: completion rule that may fill it when it is not given.
        keras: Keras's name, where a method of `Op` has the same one (`shape`).
    """
    return _Declared(default, doc, converter, rule, keras)


def for_weights(*names: str) -> tuple[str, ...]:
    """Attribute names that each named weight brings along: initialiser, regulariser, constraint."""
    return tuple(
        f"{name}_{what}" for name in names for what in ("initializer", "regularizer", "constraint")
    )


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attr,))
class Op:
    """Base of all ops: an immutable set of attribute values and what follows from them.

    Subclasses are final. `shape` has one parameter for each input slot; a default makes a slot
    optional, `*rest` any number more. The parameter names are the slot names.
    """

    kind: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]]
    category: ClassVar[Category]
    family: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    commutative: ClassVar[bool] = False

    trainable: bool = attr(default=True, doc="False freezes the weights of the node")
    dtype: str | None = attr(default=None, doc="dtype policy of the layer; Keras's own when None")

    def __init__(self, **values: Any) -> None:
        schema = self.schema()
        for name in values:
            if name not in schema:
                raise unknown_attribute(type(self), name)
        for spec in schema.values():
            object.__setattr__(self, spec.field, _value(spec, values))
        self.check()

    def check(self) -> None:
        """Refuse attribute values that do not go together; ops override it."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; make another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; make another one")

    def values(self) -> dict[str, Any]:
        """All attributes, in the order of the schema."""
        return {name: getattr(self, spec.field) for name, spec in self.schema().items()}

    @cached_property
    def _key(self) -> Any:
        return type(self), freeze(self.values())

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Op) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        schema = self.schema()
        shown = {k: v for k, v in self.values().items() if v != schema[k].default}
        return f"{self.kind}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

    # What an op says about itself ------------------------------------------------------------

    def shape(self, *inputs: Any, **named: Any) -> Any:
        """Output shape for the input shapes; a list of shapes where there are several ports.

        Raises:
            ShapeError: the inputs do not fit this op.
        """
        raise NotImplementedError(f"{self.kind} does not say its shape")

    def weights(self, *inputs: Any, **named: Any) -> dict[str, Weight] | None:
        """The arrays the layer owns, by Keras's names and in Keras's order; None if not known."""
        return {}

    def flops(self, *inputs: Any, **named: Any) -> int | None:
        """Forward floating-point operations for one example, 2 per multiply-add; None if unknown.

        Called only with shapes whose dimensions are all known.
        """
        return None

    def reach(self, *inputs: Any, **named: Any) -> Reach | None:
        """How far the op looks along the spatial axes; None if that cannot be said."""
        return POINTWISE

    def layer(self, keras: Any, **common: Any) -> Any:
        """The Keras layer that does this; `keras` is the module, `common` name and dtype.

        The usual layer takes the op's own attributes under the same names.
        """
        return getattr(keras.layers, self.kind)(**self.config(), **common)

    def call(self, layer: Any, inputs: list[Any]) -> Any:
        """Apply the Keras layer to its inputs; ops with named slots override it."""
        return layer(inputs[0] if len(inputs) == 1 else inputs)

    # For use by ops ---------------------------------------------------------------------------

    def config(self, *leave_out: str) -> dict[str, Any]:
        """Attributes as keyword arguments of the Keras layer; unset options are left out."""
        skipped = {"dtype", "trainable", *leave_out}
        schema = self.schema()
        return {
            name: value
            for name, value in self.values().items()
            if name not in skipped and not (schema[name].option and value is None)
        }

    def refuse(self, problem: str) -> ShapeError:
        """A shape error; whoever walks the graph adds the node, its sources and the place."""
        return ShapeError(problem)

    def initializer(self, weight: str, default: str) -> str:
        """Name of the initialiser of a weight in small letters, as `glorot_uniform`."""
        chosen = getattr(self, f"{weight}_initializer", None)
        if chosen is None:
            return default
        name = chosen.get("class_name", "custom") if isinstance(chosen, dict) else chosen
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower()

    # The schema --------------------------------------------------------------------------------

    @classmethod
    @cache
    def schema(cls) -> dict[str, Attr]:
        """The attributes of this op, own ones first, in the order of the class body."""
        hints = get_type_hints(cls)
        own = [_finish(name, cls.__dict__[name], hints[name]) for name in _declared(cls)]
        options = [
            Attr(name, None, f"Keras {name.rsplit('_', 1)[1]}", anything, field=name, option=True)
            for name in cls.options
        ]
        inherited = [name for name in _declared(Op) if name not in cls.__dict__]
        base = [_finish(name, Op.__dict__[name], hints[name]) for name in inherited]
        return {spec.name: spec for spec in (*own, *options, *base)}

    @classmethod
    @cache
    def slots(cls) -> tuple[tuple[str, ...], int, int | None]:
        """Slot names, fewest and most inputs (None: any number)."""
        parameters = list(inspect.signature(cls.shape).parameters.values())[1:]
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        fewest = sum(p.default is p.empty for p in named)
        return tuple(p.name for p in named), fewest, None if variadic else len(named)


def _declared(cls: type[Op]) -> list[str]:
    return [name for name, value in vars(cls).items() if isinstance(value, _Declared)]


def _finish(name: str, declared: _Declared, annotation: Any) -> Attr:
    convert = declared.convert or convert_to(annotation)
    default = declared.default
    if default is not REQUIRED and default is not None:
        default = convert(default)
    return Attr(declared.keras or name, default, declared.doc, convert, declared.rule, name)


def _value(spec: Attr, values: Mapping[str, Any]) -> Any:
    if spec.name in values:
        return convert_value(spec, values[spec.name])
    if spec.is_required:
        raise AttributeValueError("a value is needed, none was given or inferred", where=spec.name)
    return spec.default


def convert_value(spec: Attr, value: Any) -> Any:
    """The value of an attribute from what was written.

    Raises:
        AttributeValueError: naming the attribute, what was expected and what was received.
    """
    if value is spec.default or (value is None and spec.default is None):
        return value
    try:
        return spec.convert(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise AttributeValueError(f"{error}, received {value!r}", where=spec.name) from None


def unknown_attribute(kind: type[Op], name: str) -> AttributeValueError:
    """The error for an attribute that an op does not have, with a suggestion."""
    known = [spec.name for spec in kind.schema().values() if not spec.option]
    hint = suggest(name, kind.schema()) or f"{kind.kind} has: {', '.join(known)}"
    return AttributeValueError(f"{kind.kind} has no attribute {name!r}", where=name, hint=hint)


def freeze(value: Any) -> Any:
    """A hashable stand-in for a JSON-like value."""
    if isinstance(value, Mapping):
        return tuple((key, freeze(item)) for key, item in cast("Mapping[str, Any]", value).items())
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in cast("Iterable[Any]", value))
    return value


def describe(kind: type[Op]) -> dict[str, Any]:
    """What an op is, as plain data: names, inputs, attributes."""
    names, fewest, most = kind.slots()
    return {
        "op": kind.kind,
        "summary": kind.summary,
        "family": kind.family,
        "category": kind.category,
        "aliases": list(kind.aliases),
        "inputs": {"names": list(names), "fewest": fewest, "most": most},
        "attributes": [
            {
                "name": spec.name,
                "required": spec.is_required,
                "default": None if spec.is_required else spec.default,
                "doc": spec.doc,
                "completed_by": spec.rule,
            }
            for spec in kind.schema().values()
        ],
    }
