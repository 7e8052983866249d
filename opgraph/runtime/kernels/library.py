"""The compiled kernel of this process: found or made, loaded once, and what is known of it."""

from __future__ import annotations

import ctypes
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from opgraph.errors import OpgraphError, TraceError
from opgraph.runtime.kernels.cache import (
    cache_folder,
    digest_of,
    find_library,
    keep_library,
    make_folder,
    one_at_a_time,
)
from opgraph.runtime.kernels.compiler import Compiler, all_flags, compile_library, find_compiler

SOURCES = Path(__file__).parent / "source"
COMPILED = ("ops.cc", "reductions.cc")


@dataclass(frozen=True)
class KernelStatus:
    """What is known of the kernel on this machine.

    Attributes:
        compiler: path of the compiler; None if there is none.
        compiler_version: what it says of itself.
        tensorflow: the version that the kernel is compiled for.
        folder: where compiled kernels are kept.
        library: the compiled kernel; None if it has not been compiled.
        instruction_sets: those that the kernel has and this processor too; the first is used.
        problem: why it cannot be had, where it cannot.
    """

    compiler: str | None
    compiler_version: str | None
    tensorflow: str
    folder: str
    library: str | None
    instruction_sets: tuple[str, ...]
    problem: str | None

    @property
    def state(self) -> Literal["compiled", "not compiled", "unavailable"]:
        """The whole in a word or two."""
        if self.problem:
            return "unavailable"
        return "compiled" if self.library else "not compiled"

    def as_dict(self) -> dict[str, Any]:
        """The status as plain data, for `--json`."""
        return {"state": self.state, **asdict(self)}


@dataclass(frozen=True)
class Loaded:
    """A kernel that is part of this process."""

    path: Path
    ops: Any
    instruction_sets: tuple[str, ...]


def load_kernel() -> Loaded:
    """The kernel, compiled if need be; an attempt that failed is not repeated in a process.

    Raises:
        OpgraphError: it cannot be had; the message says why.
    """
    found = _attempt()
    if isinstance(found, OpgraphError):
        raise found
    return found


@cache
def _attempt() -> Loaded | OpgraphError:
    try:
        return _load(_build())
    except OpgraphError as error:
        return error


def build_kernel(force: bool = False) -> KernelStatus:
    """Compile the kernel unless that has been done, and load it.

    Args:
        force: compile in any case. What this process has loaded already stays in use.

    Raises:
        MissingDependencyError: there is no C++ compiler.
        TraceError: it cannot be compiled, kept or loaded.
    """
    path = _build(force)
    if isinstance(_attempt(), OpgraphError):
        _attempt.cache_clear()  # what stood in the way may be gone
    return _status(find_compiler(), path, load_kernel())


def kernel_status() -> KernelStatus:
    """What is known of the kernel; compiles nothing, but loads what has been compiled."""
    try:
        compiler = find_compiler()
    except OpgraphError as error:
        return _status(None, None, None, error)
    try:
        path = find_library(cache_folder(), _key(compiler))
        loaded = load_kernel() if path else None
    except OpgraphError as error:
        return _status(compiler, None, None, error)
    return _status(compiler, path, loaded)


def _status(
    compiler: Compiler | None,
    path: Path | None,
    loaded: Loaded | None,
    error: OpgraphError | None = None,
) -> KernelStatus:
    return KernelStatus(
        compiler=compiler.command[0] if compiler else None,
        compiler_version=compiler.version if compiler else None,
        tensorflow=tf.__version__,
        folder=str(cache_folder()),
        library=str(path) if path else None,
        instruction_sets=loaded.instruction_sets if loaded else (),
        problem=error.headline if error else None,
    )


def _flags() -> tuple[str, ...]:
    return all_flags(tf.sysconfig.get_compile_flags(), tf.sysconfig.get_link_flags())


def _key(compiler: Compiler) -> str:
    """Digest of everything that the bytes of the library depend on."""
    texts = [
        tf.__version__,
        tf.version.GIT_VERSION,
        sys.platform,
        platform.machine(),
        *compiler.command,
        compiler.version,
        *_flags(),
    ]
    files = sorted(path for path in SOURCES.iterdir() if path.suffix in (".cc", ".h", ".inc"))
    parts = [text.encode() for text in texts]
    for path in files:
        parts += [path.name.encode(), path.read_bytes()]
    return digest_of(parts)


def _build(force: bool = False) -> Path:
    """The library, compiled if there is none or if forced."""
    compiler, folder = find_compiler(), cache_folder()
    key = _key(compiler)
    found = None if force else find_library(folder, key)
    if found:
        return found
    make_folder(folder)
    with one_at_a_time(folder):
        found = None if force else find_library(folder, key)
        return found or _compile(compiler, folder, key)


def _compile(compiler: Compiler, folder: Path, key: str) -> Path:
    with tempfile.TemporaryDirectory(prefix="opgraph-") as own:
        made = Path(own) / "kernel.so"
        sources = [SOURCES / name for name in COMPILED]
        compile_library(compiler, sources, (f"-I{SOURCES}", *_flags()), made)
        return keep_library(folder, key, made)


# At most one: ops that two libraries register in one process are usable from neither.
_LOADED: list[Loaded] = []


def _load(path: Path) -> Loaded:
    """Load a library, unless this process has one already; that one stays in use."""
    if _LOADED:
        return _LOADED[0]
    try:
        ops = tf.load_op_library(str(path))
        names = ctypes.CDLL(str(path)).opgraph_instruction_sets
    except (tf.errors.OpError, OSError, AttributeError, RuntimeError) as problem:
        raise TraceError(
            f"the statistics kernel cannot be loaded: {str(problem).splitlines()[0]}",
            where=str(path),
            hint="compile it again: opgraph kernel --build",
        ) from None
    names.restype = ctypes.c_char_p
    _LOADED.append(Loaded(path, ops, tuple(names().decode().split(","))))
    return _LOADED[0]
