"""Loads the table of cases, and hands its rows to tests that ask for `kind` or `case`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _load_cases() -> ModuleType:
    spec = importlib.util.spec_from_file_location("op_cases", Path(__file__).with_name("cases.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = _load_cases()


@pytest.fixture(scope="session")
def cases() -> dict[str, list[object]]:
    """The table of cases by op."""
    return TABLE.CASES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "op_name" in metafunc.fixturenames:
        metafunc.parametrize("op_name", list(TABLE.CASES))
