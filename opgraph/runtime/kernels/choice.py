"""Which way of reducing is used: the kernel where it can be had, else TensorFlow's ops."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from opgraph.errors import OpgraphError, TraceError
from opgraph.runtime.kernels.compiled import KernelReductions
from opgraph.runtime.kernels.contract import Reductions
from opgraph.runtime.kernels.library import load_kernel
from opgraph.runtime.kernels.plain import TensorFlowReductions


def reductions(prefer: Literal["auto", "kernel", "tensorflow"] = "auto") -> Reductions:
    """The functions that reduce tensors in this process.

    The kernel is compiled if that has not been done for this TensorFlow, which takes ten seconds or
    so (`kernel_status().library` is None before).

    Args:
        prefer: `auto` takes the kernel where it can be had and all devices are CPUs, and says in
            `notice` why not; `kernel` insists on it; `tensorflow` never compiles.

    Raises:
        TraceError: the kernel was asked for and cannot be had here.
        MissingDependencyError: the kernel was asked for and there is no C++ compiler.
    """
    if prefer == "tensorflow":
        return TensorFlowReductions()
    try:
        _require_cpus()
        return KernelReductions(ops=load_kernel().ops)
    except OpgraphError as error:
        if prefer == "kernel":
            raise
        notice = f"statistics are made by TensorFlow's ops, which is slower: {error.headline}"
        return TensorFlowReductions(notice=notice)


def _require_cpus() -> None:
    others = [x for x in tf.config.get_visible_devices() if x.device_type != "CPU"]
    if others:
        raise TraceError(
            f"the statistics kernel runs on CPUs, and tensors may live on {others[0].device_type}",
            hint="hide other devices from TensorFlow, or use its own ops for statistics",
        )
