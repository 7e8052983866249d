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
FAILURES = (tf.errors.OpError, MemoryError)
EXHAUSTED = (tf.errors.ResourceExhaustedError, MemoryError)
KEPT = "the run holds every step up to this one"
SMALLER = "take a smaller batch (--batch-size), or the same in parts (--accumulate 4)"


def explain(error: Exception, built: Built, step: int, *, is_kept: bool = True) -> TraceError:
    """One clear error for what TensorFlow raised while a step was computed.

    Args:
        error: what was raised: one of `FAILURES`.
        built: the network.
        step: the step that was being taken.
        is_kept: whether the steps before it are written down, so that the hint can say so.
    """
    node = failed_node(str(error), built)
    where = f"step {step}" + (f", node {node!r}" if node else "")
    hint = KEPT if is_kept else None
    if is_kept and isinstance(error, EXHAUSTED):
        hint = f"{SMALLER}; {KEPT}"
    return TraceError(said_by(error), where=where, node=node, hint=hint)


def said_by(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, EXHAUSTED):
        return f"the memory was exhausted{_wanted(str(error))}"
    return f"TensorFlow failed: {_reason(error)}"


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
