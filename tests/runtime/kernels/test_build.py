"""Compiling, keeping and loading the kernel, and doing without it where that fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opgraph.errors import MissingDependencyError, OpgraphError, TraceError

pytestmark = [
    pytest.mark.tf,
    pytest.mark.skipif(os.name == "nt", reason="the compilers of these tests are shell scripts"),
]

AT_ONCE = """
import sys, time, numpy as np
from opgraph.runtime.kernels import reductions
while time.time() < float(sys.argv[1]): time.sleep(0.01)
found = reductions("kernel")
print(found.name, found.moments(np.arange(5.0)).numpy().tolist())
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty cache, and a process that has tried nothing; a loaded kernel stays what it is."""
    from opgraph.runtime.kernels import library

    monkeypatch.setenv("OPGRAPH_CACHE", str(tmp_path / "cache"))
    library._attempt.cache_clear()
    yield tmp_path / "cache" / "kernels"
    library._attempt.cache_clear()


def script(path: Path, body: str) -> Path:
    """A compiler made of a few lines of shell; `$out` is the file it is to make."""
    find = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done'
    version = '[ "$1" = --version ] && { echo "fake 1.0"; exit 0; }'
    path.write_text(f"#!/bin/sh\n{version}\n{find}\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def copying(kernel_library, tmp_path, monkeypatch):
    """A compiler that takes a second to hand out what the real one made, and counts its runs."""
    made, runs = tmp_path / "made.so", tmp_path / "runs"
    shutil.copy(kernel_library, made)
    runs.touch()
    path = script(tmp_path / "copying", f'echo run >> "{runs}"; sleep 1; cp "{made}" "$out"')
    monkeypatch.setenv("CXX", str(path))
    return runs


def test_without_a_compiler_tensorflows_ops_are_used_and_the_notice_says_why(fresh, monkeypatch):
    from opgraph.runtime.kernels import kernel_status, reductions

    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    found = reductions()
    assert found.name == "tensorflow"
    assert found.notice == (
        "statistics are made by TensorFlow's ops, which is slower: the statistics kernel needs a"
        " C++ compiler, and none was found (looked for c++, g++, clang++)"
    )
    assert np.asarray(found.moments(np.arange(4.0)))[4] == 6
    assert kernel_status().problem == (
        "the statistics kernel needs a C++ compiler, and none was found"
        " (looked for c++, g++, clang++)"
    )
    with pytest.raises(MissingDependencyError) as caught:
        reductions("kernel")
    assert str(caught.value) == (
        "the statistics kernel needs a C++ compiler, and none was found"
        " (looked for c++, g++, clang++)\n"
        "   install g++ or clang++, or name one in the environment variable CXX"
    )
    assert reductions("tensorflow").notice is None
    assert not fresh.exists()


def test_a_compiler_that_is_named_and_missing_is_named_in_the_message(fresh, monkeypatch):
    from opgraph.runtime.kernels import build_kernel

    monkeypatch.setenv("CXX", "no-such-compiler --fast")
    with pytest.raises(MissingDependencyError, match="looked for CXX=no-such-compiler --fast"):
        build_kernel()


def test_a_compiler_that_fails_is_quoted_once(fresh, monkeypatch, tmp_path):
    from opgraph.runtime.kernels import build_kernel, reductions

    runs = tmp_path / "runs"
    body = f'echo run >> "{runs}"; echo "x.cc:7: error: no such thing" >&2; exit 3'
    path = script(tmp_path / "failing", body)
    monkeypatch.setenv("CXX", str(path))
    with pytest.raises(TraceError) as caught:
        build_kernel()
    assert str(caught.value) == (
        f"the statistics kernel cannot be compiled: {path} ended with 3:"
        " x.cc:7: error: no such thing\n"
        "   compiler: fake 1.0; another can be named in CXX"
    )
    assert "cannot be compiled" in (reductions().notice or "")
    assert "cannot be compiled" in (reductions().notice or "")
    assert runs.read_text().count("run") == 2, "a failed attempt is not repeated in a process"
    assert not list(fresh.glob("kernel-*"))


def test_a_compiler_that_makes_no_library_is_found_out(fresh, monkeypatch, tmp_path):
    from opgraph.runtime.kernels import library, reductions

    monkeypatch.setattr(library, "_LOADED", [])  # as in a process that has loaded none
    monkeypatch.setenv("CXX", str(script(tmp_path / "empty", "exit 0")))
    assert "ended with 0: it said nothing" in (reductions().notice or "")
    library._attempt.cache_clear()
    monkeypatch.setenv("CXX", str(script(tmp_path / "text", 'echo hello > "$out"')))
    found = reductions()
    assert found.name == "tensorflow"
    assert "the statistics kernel cannot be loaded: " in (found.notice or "")


def test_a_folder_that_cannot_be_written_is_no_obstacle_to_training(
    fresh, monkeypatch, tmp_path, copying
):
    from opgraph.runtime.kernels import reductions

    (tmp_path / "file").touch()
    monkeypatch.setenv("OPGRAPH_CACHE", str(tmp_path / "file"))
    assert reductions().notice == (
        "statistics are made by TensorFlow's ops, which is slower:"
        f" {tmp_path}/file/kernels: cannot be made: Not a directory"
    )
    assert not copying.read_text(), "nothing is compiled that cannot be kept"


def test_other_devices_than_cpus_are_left_to_tensorflow(fresh, monkeypatch):
    import tensorflow as tf

    from opgraph.runtime.kernels import reductions

    devices = [*tf.config.get_visible_devices(), tf.config.PhysicalDevice("/GPU:0", "GPU")]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda: devices)
    assert reductions().notice == (
        "statistics are made by TensorFlow's ops, which is slower:"
        " the statistics kernel runs on CPUs, and tensors may live on GPU"
    )
    with pytest.raises(TraceError, match="runs on CPUs"):
        reductions("kernel")


def test_what_has_been_compiled_is_not_compiled_again_unless_forced(fresh, copying):
    from opgraph.runtime.kernels import build_kernel, kernel_status

    assert kernel_status().state == "not compiled"
    first = build_kernel()
    assert first.state == "compiled"
    assert Path(first.library or "").parent == fresh
    assert build_kernel().library == first.library
    assert copying.read_text().count("run") == 1
    build_kernel(force=True)
    assert copying.read_text().count("run") == 2


def test_a_process_loads_no_second_kernel(kernel, fresh, copying):
    """With the ops registered twice, TensorFlow would refuse to run any of them."""
    from opgraph.runtime.kernels import build_kernel, reductions

    build_kernel(force=True)
    assert reductions("kernel").ops is kernel.ops
    assert np.asarray(kernel.moments(np.ones(3, np.float32)))[4] == 3


@pytest.mark.parametrize("damage", ["cut short", "altered"])
def test_a_damaged_library_is_made_again(fresh, copying, damage):
    from opgraph.runtime.kernels import build_kernel

    kept = Path(build_kernel().library or "")
    content = kept.read_bytes()
    kept.write_bytes(content[:5000] if damage == "cut short" else content[:-9] + b"something")
    assert Path(build_kernel().library or "").read_bytes() == content
    assert copying.read_text().count("run") == 2
    assert len(list(fresh.glob("kernel-*"))) == 1


def test_the_key_follows_sources_compiler_and_flags(fresh, monkeypatch, tmp_path):
    from opgraph.runtime.kernels import library
    from opgraph.runtime.kernels.compiler import Compiler

    compiler = Compiler(("/usr/bin/c++",), "c++ 12")
    keys = [library._key(compiler), library._key(Compiler(("/usr/bin/c++",), "c++ 13"))]
    shutil.copytree(library.SOURCES, tmp_path / "source")
    with (tmp_path / "source" / "lanes.inc").open("a") as source:
        source.write("// changed\n")
    for name, value in {
        "SOURCES": tmp_path / "source",
        "_flags": lambda: ("-O0",),
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(library, name, value)
            keys.append(library._key(compiler))
    assert len(set(keys)) == 4
    assert library._key(compiler) == keys[0]


def run_at_once(count: int, delay: float) -> list[subprocess.CompletedProcess[str]]:
    import time

    start = str(time.time() + delay)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, start],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    return [subprocess.CompletedProcess(p.args, p.wait() or 0, *p.communicate()) for p in running]


@pytest.mark.slow
def test_processes_that_start_at_once_end_with_one_whole_library(fresh, copying):
    results = run_at_once(3, 15)
    for result in results:
        assert result.stdout == "kernel [5.0, 0.0, 0.0, 1.0, 10.0, 30.0, 0.0, 4.0]\n", result.stderr
    assert len(list(fresh.glob("kernel-*"))) == 1
    assert copying.read_text().count("run") == 1, "the others wait for the first"
    assert not [path for path in fresh.iterdir() if path.suffix == ".tmp"]


@pytest.mark.slow
def test_the_real_compiler_makes_it_in_a_process_of_its_own(kernel, fresh):
    for result in run_at_once(2, 0):
        assert result.stdout == "kernel [5.0, 0.0, 0.0, 1.0, 10.0, 30.0, 0.0, 4.0]\n", result.stderr
    assert len(list(fresh.glob("kernel-*"))) == 1


@pytest.mark.slow
def test_the_sources_compile_without_a_warning_of_our_own(kernel, tmp_path):
    """Only the part without TensorFlow's headers, which warn a great deal."""
    from opgraph.runtime.kernels import kernel_status, library

    command = [kernel_status().compiler or "", "-std=c++17", "-O1", "-ffp-contract=off"]
    command += ["-Wall", "-Wextra", "-Wno-maybe-uninitialized", "-c", "-o", tmp_path / "x.o"]
    source = library.SOURCES / "reductions.cc"
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


def test_the_status_is_plain_data(kernel):
    from opgraph.runtime.kernels import kernel_status

    told = json.loads(json.dumps(kernel_status().as_dict()))
    assert told["state"] == "compiled"
    assert told["instruction_sets"][-1] == "baseline"
    assert told["problem"] is None
    assert Path(told["library"]).parent == Path(told["folder"])


def test_an_error_is_the_same_object_each_time(fresh, monkeypatch):
    """So that a training and its report say one thing."""
    from opgraph.runtime.kernels.library import load_kernel

    monkeypatch.setenv("CXX", "no-such-compiler")
    errors: list[OpgraphError] = []
    for _ in range(2):
        with pytest.raises(OpgraphError) as caught:
            load_kernel()
        errors.append(caught.value)
    assert errors[0] is errors[1]
