"""What the tests of the data share: an empty folder to work in, and the text of a refusal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opgraph.errors import OpgraphError
from opgraph.runtime.data import Data, load


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one, so that messages hold short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Call something that must refuse, and return the whole message."""

    def message(call: Callable[..., Any], *args: Any, **named: Any) -> str:
        with pytest.raises(OpgraphError) as caught:
            call(*args, **named)
        return str(caught.value)

    return message


@pytest.fixture
def load_one() -> Callable[..., Data]:
    """Load data for one input named `x`."""

    def loaded(spec: str, shape: tuple[int | None, ...], dtype: str | None = None, **named: Any):
        return load(spec, [("x", shape, dtype)], **named)

    return loaded


@pytest.fixture
def save_npz(place: Path) -> Callable[..., str]:
    """Save arrays as `data.npz` and return its name."""

    def save(**arrays: Any) -> str:
        np.savez("data.npz", **arrays)
        return "data.npz"

    return save


@pytest.fixture
def unreadable() -> Callable[[Path], None]:
    """Take away the right to read a file; skips where that cannot be done."""

    def forbid(path: Path) -> None:
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user reads every file")

    return forbid
