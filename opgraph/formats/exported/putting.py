"""All joins that are the same in every format, one after the other."""

from __future__ import annotations

from opgraph.formats.exported.arithmetic import join_scales
from opgraph.formats.exported.gelu import join_gelus
from opgraph.formats.exported.joins import join_copies, join_indices, join_rows, join_shapes
from opgraph.formats.exported.layer_norm import join_layer_norms
from opgraph.formats.exported.steps import Program
from opgraph.formats.exported.wiring import without_unused

JOINS = (join_copies, join_rows, join_indices, join_shapes, join_layer_norms, join_gelus)


def join_common(program: Program, before: Program, product: str, total: str) -> Program:
    """The same graph, in which what converters have taken apart is put together again.

    Args:
        program: to be joined.
        before: the file as it was: what it needed and the result does not is left out.
        product: the format's name of a product.
        total: its name of a sum.
    """
    for join in JOINS:
        program = join(program)
    return without_unused(join_scales(program, product, total), before)
