"""What TensorFlow says when it fails in the middle of a step, in the user's words.

Owns the way from an operation of the compiled program to the node that it belongs to.
"""

from __future__ import annotations

import re

import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.runtime.builder import Built

_OPERATION = re.compile(r"\{\{(?:function_)?node ([^}]+)\}\}|node:? '?([\w/.\-]+)'?")
_STACK = re.compile(r"\s*(Graph execution error|Detected at|File \"|<stack traces)")
_SIZE = re.compile(r"shape\s*(\[[\d,]*\]).*?type (\w+)", re.DOTALL)


def explain(error: Exception, built: Built, step: int) -> TraceError:
    """One clear error for what TensorFlow raised while a step was computed.

    Args:
        error: what was raised: `tf.errors.OpError` or `MemoryError`.
        built: the network.
        step: the step that was being taken.
    """
    node = failed_node(str(error), built)
    where = f"step {step}" + (f", node {node!r}" if node else "")
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return TraceError(
            f"the memory was exhausted{_wanted(str(error))}",
            where=where,
            node=node,
            hint="take a smaller batch (--batch-size), or the same in parts (--accumulate 4); the"
            " run holds every step up to this one",
        )
    return TraceError(
        f"TensorFlow failed: {_reason(error)}",
        where=where,
        node=node,
        hint="the run holds every step up to this one",
    )


def failed_node(message: str, built: Built) -> str | None:
    """The node that a failed operation belongs to; None if none is named."""
    for found in _OPERATION.finditer(message):
        for part in reversed((found[1] or found[2]).split("/")):
            for name in (part, re.sub(r"_\d+$", "", part)):
                if name in built.names.owners:
                    return built.names.owners[name]
    return None


def _reason(error: Exception) -> str:
    """What went wrong, without where in Python code the operation was made."""
    said = str(getattr(error, "message", None) or error).split("[[")[0]
    lines = [line for line in said.splitlines() if not _STACK.match(line)]
    return " ".join(" ".join(lines).split())[:300]


def _wanted(message: str) -> str:
    found = _SIZE.search(message)
    return "" if found is None else f" by a tensor of shape {found[1]} and type {found[2]}"
