"""Cases that are easy to get wrong: shared layers, residual branches, opaque nodes, two outputs."""

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.rules import TARGETS, Known, lint, rules
from opgraph.text import parse

IMAGE = "image: Input(shape=16x16x3)"
PAIR = "x: Input(shape=(8,))\ny: Input(shape=(8,))\n"
CROSS = "sparse_categorical_crossentropy"
KERNEL = np.arange(12.0).reshape(4, 3)
TWINS = {"a": {"kernel": KERNEL}, "b": {"kernel": KERNEL.copy()}}

# Family, what is tricky about it, the edge list, what is known besides, the findings.
CASES = [
    (
        "normalization", "a residual branch reads the sums as well, so the bias does count",
        f"{IMAGE} -> conv[filters=8] -> bn -> sum: Add -> gap -> logits\nconv -> sum", {}, [],
    ),
    (
        "normalization", "a shared layer whose other use is not normalised needs its bias",
        f"{IMAGE} -> a: Conv2D(filters=3, kernel_size=3) -> bn -> b -> gap -> logits\nb = a",
        {}, [],
    ),
    (
        "normalization", "nor can it be folded into a layer that is used elsewhere",
        f"{IMAGE} -> a: Conv2D(filters=3, kernel_size=3, use_bias=false) -> bn -> b -> gap"
        " -> logits\nb = a", {"is_export": True}, [],
    ),
    (
        "normalization", "without beta nothing takes the place of the bias",
        f"{IMAGE} -> conv[filters=8] -> bn[center=false] -> gap -> logits", {}, [],
    ),
    (
        "normalization", "statistics of each row do not take an offset of each channel away",
        f"{IMAGE} -> conv[filters=8] -> bn[axis=1] -> gap -> logits", {}, [],
    ),
    (
        "normalization", "channels first: axis 1 is that of the channels",
        "image: Input(shape=(3, 16, 16)) -> conv[filters=8, data_format=channels_first]"
        " -> bn[axis=1] -> gap[data_format=channels_first] -> logits", {}, [("OG101", "conv")],
    ),
    (
        "normalization", "the trained layer stands behind an activation and a pooling",
        f"{IMAGE} -> conv[filters=8] -> relu -> pool: MaxPooling2D -> bn[trainable=false] -> gap"
        " -> logits", {}, [("OG103", "bn")],
    ),
    (
        "normalization", "behind a sum no single layer can be folded into",
        f"{IMAGE} -> conv[filters=3, use_bias=false] -> sum: Add -> bn -> gap -> logits\n"
        "image -> sum", {"is_export": True}, [],
    ),
    (
        "activation", "the ReLU behind a sum is not the second of its branch",
        f"{IMAGE} -> conv[filters=3] -> relu_1 -> sum: Add -> relu_2 -> gap -> logits\n"
        "image -> sum", {}, [],
    ),
    (
        "activation", "a softmax behind flattening and dropout is still a second one",
        "x: Input(shape=(4, 2)) -> softmax_1 -> flat: Flatten -> dropout -> softmax_2",
        {}, [("OG202", "softmax_2")],
    ),
    (
        "activation", "what an opaque node does is not known",
        "x: Input(shape=(4,)) -> softmax_1 -> odd: Opaque(class_name=Odd, output=(4,))"
        " -> softmax_2", {}, [],
    ),
    (
        "activation", "a loss in scores, two outputs, one of them probabilities",
        "x: Input(shape=(8,)) -> hidden: Dense(units=4)\nhidden -> scores: Dense(units=3)\n"
        "hidden -> other: Dense(units=3) -> softmax",
        {"loss": CROSS, "from_logits": True}, [("OG203", "softmax")],
    ),
    (
        "activation", "an output that is an opaque node is not judged",
        "x: Input(shape=(8,)) -> odd: Opaque(class_name=Odd, output=(3,))",
        {"loss": CROSS, "from_logits": False}, [],
    ),
    (
        "regularization", "a dropout in one branch of two: the sum stands between",
        f"{IMAGE} -> conv[filters=3] -> dropout -> sum: Add -> bn -> gap -> logits\nimage -> sum",
        {}, [],
    ),
    (
        "regularization", "through a convolution and an activation the variance is still shifted",
        f"{IMAGE} -> dropout -> conv[filters=8, use_bias=false] -> relu -> bn -> gap -> logits",
        {}, [("OG301", "dropout")],
    ),
    (
        "regularization", "two outputs, one dropped on its way out, one read by a layer",
        "x: Input(shape=(8,)) -> hidden: Dense(units=4) -> dropout_1 -> one: Dense(units=3)\n"
        "hidden -> two: Dense(units=3) -> dropout_2", {}, [("OG302", "dropout_2")],
    ),
    (
        "regularization", "an opaque node may have weights",
        "x: Input(shape=(8,)) -> hidden: Dense(units=4) -> dropout"
        " -> odd: Opaque(class_name=Odd, output=(4,))", {}, [],
    ),
    (
        "convolution", "the row that is missed is a zero of the padding before",
        "image: Input(shape=16x16x3) -> pad: ZeroPadding2D -> pool: MaxPooling2D(pool_size=3,"
        " strides=2) -> conv[filters=4] -> gap -> logits", {}, [],
    ),
    (
        "convolution", "zeros at the start make up for nothing at the end",
        "image: Input(shape=16x16x3) -> pad: ZeroPadding2D(padding=((1, 0), (1, 0))) -> pool:"
        " MaxPooling2D -> conv[filters=4] -> gap -> logits", {}, [("OG403", "pool")],
    ),
    (
        "convolution", "channels first: the channels are not an axis that is pooled",
        "image: Input(shape=(3, 16, 16)) -> pool: MaxPooling2D(pool_size=2,"
        " data_format=channels_first) -> flatten -> logits", {}, [],
    ),
    (
        "wiring", "two outputs that both look like ends",
        "x: Input(shape=(8,)) -> hidden: Dense(units=4)\nhidden -> one: Dense(units=3) -> softmax\n"
        "hidden -> two: Dense(units=1, activation=sigmoid)", {}, [],
    ),
    (
        "wiring", "a difference of two uses of a shared layer is not 0",
        f"{PAIR}x -> a: Dense(units=4)\ny -> b\nb = a\n"
        "a, b -> gap_of_both: Subtract -> logits: Dense(units=2)", {}, [],
    ),
    (
        "wiring", "an opaque end beside an answer may be an output",
        "x: Input(shape=(8,)) -> hidden: Dense(units=4) -> logits\n"
        "hidden -> odd: Opaque(class_name=Odd, output=(4,))", {}, [],
    ),
    (
        "wiring", "a residual branch that was forgotten, beside an answer",
        f"{IMAGE} -> conv[filters=3] -> gap -> logits -> softmax\nimage -> side[filters=3]"
        "\nside: Conv2D", {}, [("OG503", "side")],
    ),
    (
        "weights", "a layer that is shared stores its numbers once",
        "x: Input(shape=(4,)) -> a: Dense(units=3)\ny: Input(shape=(4,)) -> b\nb = a\n"
        "a, b -> sum: Add", {"arrays": TWINS}, [],
    ),
    (
        "weights", "two that hold only zeros are not copies of each other",
        "x: Input(shape=(4,)) -> a: Dense(units=3)\nx -> b: Dense(units=3)\na, b -> sum: Add",
        {"arrays": {name: {"bias": np.zeros(3)} for name in "ab"}}, [],
    ),
    (
        "weights", "copies at both ends of a residual branch",
        "x: Input(shape=(4,)) -> a: Dense(units=3)\nx -> b: Dense(units=3)\na, b -> sum: Add",
        {"arrays": TWINS}, [("OG601", "b")],
    ),
    (
        "export", "training mode of one use only, outside of an export nobody minds",
        f"{IMAGE} -> bn -> gap -> logits", {"in_training_mode": frozenset({"bn"})}, [],
    ),
    (
        "export", "an opaque node whose class the runtime lacks",
        "x: Input(shape=(4,)) -> odd: Opaque(class_name=FlexErf, output=(4,)) -> logits[units=2]",
        {"target": TARGETS["litert"]}, [("OG703", "odd")],
    ),
    (
        "export", "an activation that stands inside a layer with two outputs after it",
        "x: Input(shape=(4,)) -> hidden: Dense(units=4, activation=gelu)\n"
        "hidden -> one: Dense(units=2)\nhidden -> two: Dense(units=2)",
        {"target": TARGETS["onnxruntime"]}, [("OG703", "hidden")],
    ),
    (
        "dtypes", "a residual branch in half precision",
        "x: Input(shape=(4,)) -> a: Dense(units=4, dtype=mixed_float16) -> sum: Add\nx -> sum",
        {}, [("OG802", "sum")],
    ),
    (
        "dtypes", "the type of an opaque node is not known",
        "x: Input(shape=(4,)) -> odd: Opaque(class_name=Odd, output=(4,), dtype=float16)"
        " -> sum: Add\nx -> sum", {}, [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "text", "known", "expected"),
    [(family, *rest) for family, _, *rest in CASES],
    ids=[f"{family}: {what}" for family, what, *_ in CASES],
)
def test_tricky(family, text, known, expected):
    chosen = [rule for rule in rules() if rule.family == family]
    report = lint(analyze(parse(text, "tricky")), Known(**known), chosen)
    off_by_default = {rule.code for rule in chosen if not rule.is_default}
    found = [(f.code, f.node) for f in report.findings if f.code not in off_by_default]
    assert found == expected


def test_every_family_has_two():
    families = [family for family, *_ in CASES]
    assert all(families.count(rule.family) >= 2 for rule in rules())
