"""The kernel's bits depend neither on threads nor on the instruction set."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tf

FLOATS = ("float32", "float16", "bfloat16", "float64")
DIGEST = """
import hashlib, sys
import numpy as np, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[2]))
from opgraph.runtime.kernels import reductions
kernel = reductions("kernel")
random = np.random.default_rng(3)
x = (random.normal(size=(40, 50_001)) * 10.0 ** random.integers(-9, 9, (40, 1))).astype("float32")
y = (x * 1.01).astype("float32")
x[17, 1000] = np.nan

@tf.function
def step(x, y):
    return [kernel.moments(x), kernel.moments_and_relu(x), kernel.channels(x),
            kernel.histogram(x), kernel.moments_of_many([x, y, x[3]]),
            kernel.weights([x, y[1]], [y, None], [y, x[1]])]

print(hashlib.sha256(b"".join(r.numpy().tobytes() for r in step(x, y))).hexdigest())
"""


def values(shape: tuple[int, ...], dtype: str, kind: str) -> np.ndarray:
    import tensorflow as tf

    random = np.random.default_rng(5)
    x = random.normal(size=shape) * 2.0 ** random.integers(-12, 12, shape)
    flat = x.reshape(-1)
    if kind == "planted" and x.size:
        flat[:: max(1, x.size // 9)] = np.nan
        flat[1 :: max(2, x.size // 5)] = -np.inf
    if kind == "tiny":
        flat *= 1e-40
    return x.astype(tf.as_dtype(dtype).as_numpy_dtype)


def all_results(way: Any, x: np.ndarray) -> list[bytes]:
    y = (x * x.dtype.type(1.25)).astype(x.dtype)
    results = [
        way.moments(x),
        way.moments_and_relu(x),
        way.moments_of_many([x, y, x[:1]]),
        way.weights([x, y], [y, None], [y, x]),
        way.channels(x),
        way.histogram(x),
    ]
    return [np.asarray(result).tobytes() for result in results]


def instruction_sets() -> tuple[str, ...]:
    from opgraph.runtime.kernels import kernel_status

    return kernel_status().instruction_sets


@pytest.mark.parametrize("kind", ["plain", "planted", "tiny"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_instruction_set_gives_the_same_bits(kernel, dtype, kind):
    names = instruction_sets()
    assert "baseline" in names
    for shape in ((1, 1), (3, 5), (100, 37), (700, 64)):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            x = values(shape, dtype, kind)
            results = [all_results(dataclasses.replace(kernel, isa=isa), x) for isa in names]
        assert all(result == results[0] for result in results)


def test_a_processor_with_vectors_uses_them(kernel):
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        pytest.skip("no independent list of what the processor can do")
    flags = facts.read_text(encoding="utf-8")
    names = instruction_sets()
    assert ("avx2" in names) == (" avx2 " in flags and " fma " in flags)
    assert ("avx512" in names) == (" avx512f " in flags)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_a_limit_of_threads_changes_no_bit(kernel, threads):
    x = values((1100, 2048), "float32", "planted")
    results = [all_results(dataclasses.replace(kernel, threads=n), x) for n in (1, threads, 0)]
    assert results[0] == results[1] == results[2]


@pytest.mark.slow
def test_processes_with_other_numbers_of_threads_agree(kernel, kernel_cache):
    digests = set()
    for intra, inter in ((1, 1), (2, 2), (4, 2), (7, 1)):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(intra), str(inter)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OPGRAPH_CACHE": str(kernel_cache)},
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64
