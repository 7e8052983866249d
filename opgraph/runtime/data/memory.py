"""How much memory arrays may take.

Owns the bound and its message; must not know what the arrays are for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from opgraph.errors import DataError
from opgraph.ops import Shape
from opgraph.runtime.data.result import Request


def require_memory(request: Request, examples: int, shapes: Sequence[Shape]) -> None:
    """Refuse data whose arrays would not fit in the memory that they may take.

    Args:
        request: what was asked for, with the bound.
        examples: number of examples.
        shapes: of one example, for each input.

    Raises:
        DataError: before anything is allocated.
    """
    needed = sum(
        examples * math.prod(dim or 1 for dim in shape) * wanted.dtype.itemsize
        for shape, wanted in zip(shapes, request.wanted, strict=True)
    )
    if needed > request.most_bytes:
        raise DataError(
            f"{examples:,} examples would take {size_text(needed)} of memory; at most"
            f" {size_text(request.most_bytes)} are allowed",
            where=request.spec,
            hint="use fewer or smaller examples, or a smaller input",
        )


def size_text(count: int) -> str:
    """A number of bytes for people.

    >>> size_text(999), size_text(123_456), size_text(4 << 30)
    ('999 B', '120.6 KiB', '4.0 GiB')
    """
    if count < 1024:
        return f"{count} B"
    power = min(4, (count.bit_length() - 1) // 10)
    return f"{count / 1024**power:,.1f} {'KMGT'[power - 1]}iB"
