"""An op with its attributes as it stands behind a colon, `Conv2D(filters=8)`: read and written.

Other formats write ops this way too, where they have room for a text. Knows nothing of edges.
"""

from __future__ import annotations

from typing import Any

from opgraph.errors import FormatError, ParseError, Source
from opgraph.graph import Node
from opgraph.ops import Op, convert_value, require, unknown_attribute
from opgraph.text.lexer import Lexer
from opgraph.text.values import Setting, print_settings, read_settings


def parse_op(text: str) -> tuple[type[Op], dict[str, Any]]:
    """The op of a text, and the attributes that are given.

    Raises:
        ParseError: it is not written like an op with attributes.
        UnknownOpError: no op has this name.
        AttributeValueError: the op has no such attribute, or the value does not suit it.

    >>> kind, given = parse_op("Conv2D(filters=8, kernel_size=3x3)")
    >>> kind.kind, given
    ('Conv2D', {'filters': 8, 'kernel_size': (3, 3)})
    """
    lexer = Lexer(Source("op", text))
    if lexer.kind != "word":
        problem = f"expected an op such as ReLU, received {lexer.described()}"
        raise ParseError(problem, place=lexer.place())
    kind = require(lexer.value)
    lexer.advance()
    settings = read_settings(lexer) if lexer.is_mark("(") else []
    if not lexer.at("eof"):
        problem = f"expected the end, received {lexer.described()}"
        raise ParseError(problem, place=lexer.place())
    return kind, {setting.name: converted(kind, setting) for setting in settings}


def converted(kind: type[Op], setting: Setting) -> Any:
    """The value of an attribute as its op wants it.

    Raises:
        AttributeValueError: the op has no such attribute, or the value does not suit it.
    """
    schema = kind.schema()
    if setting.name not in schema:
        raise unknown_attribute(kind, setting.name)
    return convert_value(schema[setting.name], setting.value)


def op_text(node: Node, *, defaults: bool = False) -> str:
    """The op of a node with its attributes, given and inferred ones alike.

    Args:
        node: the node.
        defaults: whether attributes that nobody gave are written too.

    Raises:
        FormatError: an attribute value cannot be written.

    >>> op_text(Node("fc", require("Dense"), {"units": 2}))
    'Dense(units=2)'
    """
    values = _all_values(node) if defaults else node.explicit()
    ordered = {name: values[name] for name in node.kind.schema() if name in values}
    try:
        settings = print_settings(ordered)
    except FormatError as error:
        raise FormatError(error.problem, where=node.name, node=node.name) from None
    return f"{node.kind.kind}({settings})" if settings else node.kind.kind


def _all_values(node: Node) -> dict[str, Any]:
    known = node.explicit()
    return {
        name: known.get(name, spec.default)
        for name, spec in node.kind.schema().items()
        if name in known or not spec.is_required
    }
