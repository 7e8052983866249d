"""Both ways of reducing, and a cache folder that outlives the test session."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from opgraph.errors import MissingDependencyError


@pytest.fixture(scope="session")
def kernel_cache(request: pytest.FixtureRequest) -> Generator[Path]:
    """Where the kernel is kept for tests, never the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        if "OPGRAPH_CACHE" not in os.environ:
            patch.setenv("OPGRAPH_CACHE", str(request.config.cache.mkdir("opgraph")))
        yield Path(os.environ["OPGRAPH_CACHE"])


@pytest.fixture(scope="session")
def kernel(kernel_cache: Path) -> Any:
    """The compiled reductions; skipped where there is no compiler."""
    from opgraph.runtime.kernels import reductions

    try:
        return reductions("kernel")
    except MissingDependencyError as error:
        pytest.skip(error.problem)


@pytest.fixture(scope="session")
def kernel_library(kernel: Any) -> Path:
    """The file that was compiled for the tests, also where the process had it from elsewhere."""
    from opgraph.runtime.kernels import kernel_status, library, reductions

    if kernel_status().library is None:
        library._attempt.cache_clear()
        reductions("kernel")
    found = kernel_status().library
    assert found is not None
    return Path(found)


@pytest.fixture(params=["kernel", "tensorflow"])
def reduced(request: pytest.FixtureRequest) -> Any:
    """Each way of reducing in turn."""
    from opgraph.runtime.kernels import reductions

    if request.param == "kernel":
        return request.getfixturevalue("kernel")
    return reductions("tensorflow")
