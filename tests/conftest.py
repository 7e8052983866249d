"""Options and fixtures of the whole test suite."""

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write the expected texts under tests/golden anew; look at the difference",
    )


def mounted(path: Path, options: str) -> Iterator[Path]:
    """A file system of its own, while a test runs; needs the right to mount."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("mounting is not allowed here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    yield from mounted(tmp_path / "disk", "size=300k")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that nobody may write to."""
    yield from mounted(tmp_path / "fixed", "ro")


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that records a run of arrays alone; it is a program as well."""
    path = Path(__file__).parent / "record" / "synthetic.py"
    spec = importlib.util.spec_from_file_location("synthetic", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
