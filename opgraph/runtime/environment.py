"""The process a training runs in: TensorFlow's switches, and the facts that `run.json` keeps.

Owns what must be set before the first compiled call, and what identifies the machine; must not know
networks.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from opgraph.record import RunInfo
from opgraph.version import __version__

# Remapping fuses a matrix product with the activation behind it unless somebody else reads what
# lies between: a squeeze-and-excitation block (dense, sigmoid) then differs in its last bits.
GRAPPLER = {"constant_folding": False, "arithmetic_optimization": False, "remapping": False}


def prepare_grappler() -> None:
    """Switch off the rewrites that treat a tensor with one reader differently from one with two.

    With them, measuring would change the last bits of what is measured.
    """
    current = tf.config.optimizer.get_experimental_options()
    if any(current.get(name) is not value for name, value in GRAPPLER.items()):
        tf.config.optimizer.set_experimental_options({**current, **GRAPPLER})


def software_versions() -> dict[str, str]:
    """Versions of everything that the numbers of a run depend on."""
    return {
        "opgraph": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def machine_facts() -> dict[str, Any]:
    """What identifies the machine as far as bits are concerned."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "byteorder": sys.byteorder,
        "devices": [device.device_type for device in tf.config.list_physical_devices()],
    }


def cpu_name() -> str:
    """The model of the processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def thread_settings() -> dict[str, int]:
    """Thread numbers as set; 0 means that TensorFlow chooses."""
    return {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }


def numeric_flags() -> dict[str, Any]:
    """Switches that change bits."""
    return {
        "grappler": GRAPPLER,
        "op_determinism": tf_config.is_op_determinism_enabled(),
        "jit": False,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "statistics": "tensorflow",
    }


def adopt_threads(threads: Mapping[str, int]) -> None:
    """Use as many threads as a run did, as far as TensorFlow has not begun to compute."""
    setting = tf.config.threading
    try:
        if threads.get("intra_op", 0) != setting.get_intra_op_parallelism_threads():
            setting.set_intra_op_parallelism_threads(threads.get("intra_op", 0))
        if threads.get("inter_op", 0) != setting.get_inter_op_parallelism_threads():
            setting.set_inter_op_parallelism_threads(threads.get("inter_op", 0))
    except RuntimeError:  # TensorFlow has begun; differences() will tell
        return


def differences(info: RunInfo) -> tuple[str, ...]:
    """What differs between the process in which a run was recorded and this one, in words."""
    pairs = (
        ("threads", info.threads, thread_settings()),
        ("version of", info.versions, software_versions()),
        ("machine:", info.machine, machine_facts()),
        ("flag", info.flags, {**numeric_flags(), "jit": info.flags.get("jit", False)}),
    )
    return tuple(line for title, then, now in pairs for line in _differing(title, then, now))


def _differing(title: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in then.items():
        if name in now and now[name] != value:
            yield f"{title} {name}: {value!r} then, {now[name]!r} now"
