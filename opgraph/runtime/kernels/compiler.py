"""The C++ compiler of this machine: which it is, and compiling the kernel with it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opgraph.errors import MissingDependencyError, TraceError

NAMES = ("c++", "g++", "clang++")
TIME_LIMIT = 600  # seconds
# No contraction of a * b + c: whether it happens would depend on the instruction set.
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-fast-math", "-fPIC", "-shared", "-w")
DARWIN_FLAGS = ("-undefined", "dynamic_lookup")


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler.

    Attributes:
        command: its path, and arguments that CXX adds.
        version: the first line of what it says of itself.
    """

    command: tuple[str, ...]
    version: str


def find_compiler() -> Compiler:
    """The compiler that CXX names, else the first on the path.

    Raises:
        MissingDependencyError: there is none.
    """
    named = shlex.split(os.environ.get("CXX", ""))
    for name, *arguments in [named] if named else [[name] for name in NAMES]:
        path = shutil.which(name)
        version = _version(path) if path else None
        if path and version:
            return Compiler((path, *arguments), version)
    looked = f"CXX={os.environ['CXX']}" if named else ", ".join(NAMES)
    raise MissingDependencyError(
        f"the statistics kernel needs a C++ compiler, and none was found (looked for {looked})",
        hint="install g++ or clang++, or name one in the environment variable CXX",
    )


def _version(path: str) -> str | None:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


def all_flags(compile_flags: Sequence[str], link_flags: Sequence[str]) -> tuple[str, ...]:
    """Every flag of the one call that compiles and links, those for TensorFlow included."""
    system = DARWIN_FLAGS if sys.platform == "darwin" else ()
    ours = [flag for flag in compile_flags if not flag.lstrip("-").startswith("std=")]
    return (*FLAGS, *ours, *system, *link_flags)


def compile_library(
    compiler: Compiler, sources: Sequence[Path], flags: Sequence[str], output: Path
) -> None:
    """Compile and link a shared library.

    Raises:
        TraceError: the compiler fails, or does not end in ten minutes.
    """
    link = [flag for flag in flags if flag.startswith(("-l", "-L"))]
    rest = [flag for flag in flags if flag not in link]
    command = [*compiler.command, *rest, *map(str, sources), "-o", str(output), *link]
    environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(output.parent)}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise _failed(compiler, f"did not end within {TIME_LIMIT} s") from None
    except OSError as problem:
        raise _failed(compiler, f"cannot be run: {problem.strerror}") from None
    if done.returncode != 0 or not output.is_file():
        raise _failed(compiler, f"ended with {done.returncode}: {_first_error(done.stderr)}")


def _failed(compiler: Compiler, what: str) -> TraceError:
    return TraceError(
        f"the statistics kernel cannot be compiled: {compiler.command[0]} {what}",
        hint=f"compiler: {compiler.version}; another can be named in CXX",
    )


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[0][:300]
