"""What `opgraph kernel` says."""

from __future__ import annotations

import json
import os

import pytest

from opgraph.errors import MissingDependencyError

pytestmark = [
    pytest.mark.tf,
    pytest.mark.skipif(os.name == "nt", reason="the compilers of these tests are shell scripts"),
]


@pytest.fixture
def command(capsys, monkeypatch):
    """The command in this process: (exit code, lines)."""
    from opgraph.cli import console
    from opgraph.cli.kernel import command

    monkeypatch.setenv("COLUMNS", "60")

    def run(*arguments: str) -> tuple[int, list[str]]:
        console.console.cache_clear()
        code = command.main(list(arguments), standalone_mode=False)
        return code, capsys.readouterr().out.splitlines()

    yield run
    console.console.cache_clear()


def test_a_compiled_kernel_is_told_with_what_it_uses(kernel, command):
    from opgraph.runtime.kernels import kernel_status

    status = kernel_status()
    code, lines = command()
    used, *others = status.instruction_sets
    assert code == 0
    assert lines == [
        f"statistics kernel for TensorFlow {status.tensorflow}: compiled",
        f"  instructions  {', '.join([f'{used} (used)', *others])}",
        f"  compiler      {status.compiler} · {status.compiler_version}",
        f"  library       {status.library}",
    ]


def test_json_is_the_status(kernel, command):
    from opgraph.runtime.kernels import kernel_status

    code, lines = command("--json")
    assert code == 0
    assert json.loads("\n".join(lines)) == json.loads(json.dumps(kernel_status().as_dict()))


def test_one_that_is_not_compiled_says_how(kernel, command, monkeypatch, tmp_path):
    monkeypatch.setenv("OPGRAPH_CACHE", str(tmp_path))
    code, lines = command()
    assert code == 0
    assert lines[0].endswith(
        ": not compiled yet: the first training does it, or opgraph kernel --build"
    )
    assert lines[-1] == f"  folder        {tmp_path}/kernels"
    assert not list(tmp_path.iterdir()), "asking makes nothing"


def test_without_a_compiler_the_answer_is_no(command, monkeypatch, tmp_path):
    monkeypatch.setenv("OPGRAPH_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    code, lines = command()
    assert code == 1
    assert lines[0].endswith(": cannot be had here")
    assert lines[1:] == [
        "  problem       the statistics kernel needs a C++ compiler, and none was found"
        " (looked for c++, g++, clang++)",
        "  instead       TensorFlow's ops make the statistics instead: the same numbers, slower",
        f"  folder        {tmp_path}/kernels",
    ]
    with pytest.raises(MissingDependencyError):
        command("--build")
