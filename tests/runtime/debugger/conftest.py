"""Sessions over trainings of a few steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opgraph.formats import to_json
from opgraph.record import Record

STEPS = 12
OPTIONS: dict[str, Any] = {"steps": STEPS, "batch_size": 16, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def data(making: SimpleNamespace) -> Any:
    """100 examples: batches of 16 and a last one of 4."""
    return making.blobs(100)


@pytest.fixture(scope="module")
def live(networks: Callable[[str], Any], data: Any) -> Callable[..., Any]:
    """A new session over a training in memory; Adam with a cosine if nothing else is said.

    A training is prepared once for all sessions of the same options and begins anew for each.
    """
    from opgraph.runtime import Recipe
    from opgraph.runtime.debugger import LiveSource, Session, prepare_steered
    from opgraph.runtime.debugger.steering import steer

    @cache
    def training(name: str, given: Any, options: tuple[Any, ...]) -> Any:
        recipe = Recipe(**{**OPTIONS, **dict(options)})
        made = prepare_steered(networks(name), data if given is None else given, recipe)
        return made, made.keyframe(0)

    def session(name: str = "tiny", given: Any = None, **options: Any) -> Session:
        made, start = training(name, given, tuple(sorted(options.items())))
        made.restore(start)
        steer(made, None)
        return Session(LiveSource(made))

    return session


@pytest.fixture(scope="module")
def record(
    tmp_path_factory: pytest.TempPathFactory, networks: Callable[[str], Any], data: Any
) -> Record:
    """The same training, recorded."""
    from opgraph.runtime import trace

    graph = networks("tiny")
    path: Path = tmp_path_factory.mktemp("runs") / "run"
    options = {**OPTIONS, "keyframe_every": 5}
    return trace(graph, data, run_dir=path, graph_json=to_json(graph), **options)


@pytest.fixture(scope="module")
def run_source(record: Record, networks: Callable[[str], Any], data: Any) -> Callable[..., Any]:
    """The recorded run as a source of steps."""
    from opgraph.runtime.debugger.recorded import RunSource

    def source(**options: Any) -> RunSource:
        return RunSource(record, networks("tiny"), data, **options)

    return source


@pytest.fixture(scope="module")
def recorded(run_source: Callable[..., Any]) -> Callable[..., Any]:
    """A new session over the recorded run, which is prepared once."""
    from opgraph.runtime.debugger import Session

    shared = run_source()
    return lambda: Session(shared)
