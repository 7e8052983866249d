"""The edge list: a small language for graphs of operations, read and written.

Knows graphs and ops; must not know shapes, training, or other formats.
"""

from opgraph.text.notation import op_text, parse_op
from opgraph.text.printer import to_text
from opgraph.text.reader import parse
from opgraph.text.settings import parse_setting
from opgraph.text.source import decode, read_source

__all__ = [
    "decode",
    "op_text",
    "parse",
    "parse_op",
    "parse_setting",
    "read_source",
    "to_text",
]
