"""Runtimes that a network may be meant for, and what they lack.

The table was measured, not read off a page: `docs/reference/lint/targets.md` says how, and what was
not tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """A runtime, with what was found out by converting the Keras layer of each op.

    Attributes:
        title: as people call it.
        wants_static: whether sizes other than the batch should be known.
        needs_fixed_batch: ops that are converted only with a fixed batch size.
        lacks: ops that it cannot run, and why.
        lacks_functions: activations likewise, by Keras's names.
        lacks_classes: globs of classes of opaque nodes likewise, as exports name them.
    """

    title: str
    wants_static: bool
    needs_fixed_batch: frozenset[str] = frozenset()
    lacks: Mapping[str, str] = field(default_factory=dict[str, str])
    lacks_functions: Mapping[str, str] = field(default_factory=dict[str, str])
    lacks_classes: Mapping[str, str] = field(default_factory=dict[str, str])


_SELECT = "it is converted only with TensorFlow's own kernels linked in (Select TF ops)"


def _left(name: str) -> str:
    return f"tf2onnx leaves TensorFlow's {name} in the file, which ONNX does not know"


TARGETS: Mapping[str, Target] = {
    "litert": Target(
        title="LiteRT",
        wants_static=True,
        needs_fixed_batch=frozenset({"SimpleRNN", "LSTM", "GRU", "Bidirectional"}),
        lacks={"MaxPooling3D": _SELECT, "AveragePooling3D": _SELECT},
        lacks_classes={"Flex*": _SELECT, "Lambda": "it is Python code, which is not read"},
    ),
    "onnxruntime": Target(
        title="ONNX Runtime",
        wants_static=False,
        lacks={"Normalization": "tf2onnx turns its mean and variance into further inputs"},
        lacks_functions={"gelu": _left("Erfc"), "celu": _left("Expm1")},
        lacks_classes={"Lambda": "it is Python code, which is not read"},
    ),
}
