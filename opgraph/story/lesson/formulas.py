"""What an op computes, in symbols, where that is short enough to stand beside its name.

Owns the table; the sources of the formulas are named at the ops and in `reference`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from opgraph.ops import Op
from opgraph.story.families.activation import NAMES
from opgraph.story.families.merge import KINDS as MERGES
from opgraph.story.families.merge import merged
from opgraph.story.families.normalization import SPREAD
from opgraph.story.formula import (
    Call,
    Expr,
    Fraction,
    Minus,
    Num,
    Over,
    Product,
    Sym,
    add,
    root,
    syms,
    times,
)
from opgraph.story.functions import FUNCTIONS

DIMENSIONS = re.compile(r"[123]D")
X, ONE = Sym("x"), Num(1)


def family(kind: str) -> str:
    """An op without the number of its axes.

    >>> family("Conv2DTranspose"), family("MaxPooling1D"), family("Dense")
    ('ConvTranspose', 'MaxPooling', 'Dense')
    """
    return DIMENSIONS.sub("", kind)


_WINDOW = add(Over("window", times(Sym("x"), Sym("kernel"))), Sym("bias"))
_MEAN = Fraction(Over("window", X), Sym("count"))
_MAX = Call("max", (X,))
_SHIFTED = add(times(Sym("gamma"), SPREAD), Sym("beta"))
_AGREE = Fraction(times(Sym("query"), Sym("key")), root(Sym("key_dim")))
_CELL = add(times(Sym("forget_gate"), Sym("c")), times(Sym("input_gate"), Sym("new")))

_GATE = Sym("update_gate")

FORMULAS: Mapping[str, Expr] = {
    "Conv": _WINDOW,
    "DepthwiseConv": _WINDOW,
    "Dense": add(Over("i", times(Sym("x[i]"), Sym("kernel[i]"))), Sym("bias")),
    "BatchNormalization": _SHIFTED,
    "LayerNormalization": _SHIFTED,
    "GroupNormalization": _SHIFTED,
    "Softmax": Fraction(Call("exp", (X,)), Over("classes", Call("exp", (X,)))),
    "MaxPooling": _MAX,
    "GlobalMaxPooling": _MAX,
    "AveragePooling": _MEAN,
    "GlobalAveragePooling": _MEAN,
    "Dropout": Fraction(times(X, Sym("kept")), add(ONE, Minus(Sym("rate")))),
    "LSTM": times(Sym("output_gate"), Call("tanh", (_CELL,))),
    "GRU": add(times(_GATE, Sym("h")), times(add(ONE, Minus(_GATE)), Sym("new"))),
    "MultiHeadAttention": Product((Call("softmax", (_AGREE,)), Sym("value"))),
    "Rescaling": add(times(X, Sym("scale")), Sym("offset")),
    **{kind: merged(kind, syms("a b")) for kind in MERGES},
    **{kind: FUNCTIONS[function].value(X) for kind, function in NAMES.items()},
}


def formula_of(op: Op) -> Expr | None:
    """What the op computes; None where there is no short formula.

    A layer without a bias has none in its formula.
    """
    found = FORMULAS.get(family(op.kind))
    if family(op.kind) in ("Conv", "DepthwiseConv", "Dense"):
        return found if getattr(op, "use_bias", True) else _without_bias(found)
    if op.kind == "ReLU" and not _is_plain(op):
        return None
    return found


def _without_bias(formula: Expr | None) -> Expr | None:
    terms = getattr(formula, "terms", ())
    return terms[0] if terms else formula


def _is_plain(op: Op) -> bool:
    odd = ("negative_slope", "threshold", "max_value")
    return not any(getattr(op, name, None) for name in odd)
