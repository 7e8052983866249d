"""Reductions of tensors to a few numbers: by our own compiled kernel, or by TensorFlow's ops.

Both give the same numbers; the kernel reads each tensor once and its bits depend neither on the
number of threads nor on the instruction set. Owns how a tensor is reduced, and how the kernel is
compiled and kept; must not know sites, steps or runs.
"""

from opgraph.runtime.kernels.choice import reductions
from opgraph.runtime.kernels.contract import FIGURES, LARGE, MOMENTS, Reductions
from opgraph.runtime.kernels.library import KernelStatus, build_kernel, kernel_status
from opgraph.runtime.kernels.plain import TensorFlowReductions

__all__ = [
    "FIGURES",
    "LARGE",
    "MOMENTS",
    "KernelStatus",
    "Reductions",
    "TensorFlowReductions",
    "build_kernel",
    "kernel_status",
    "reductions",
]
