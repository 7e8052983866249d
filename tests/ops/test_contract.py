"""Every op of the library keeps the contract, without Keras."""

from __future__ import annotations

import opgraph.ops as ops
from opgraph.ops.contract import check_op


def test_every_op_has_a_case(cases):
    assert [kind.kind for kind in ops.kinds() if kind.__module__.startswith("opgraph.")] == [
        kind.kind for kind in ops.kinds() if kind.kind in cases
    ]
    assert set(cases) <= {kind.kind for kind in ops.kinds()}


def test_op_keeps_the_contract(op_name, cases):
    check_op(ops.require(op_name), cases[op_name])
