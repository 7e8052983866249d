"""A progress bar for steps of a run that are computed again.

Owns how it looks; knows nothing about why they are computed.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opgraph.cli.console import console

if TYPE_CHECKING:
    from opgraph.api.hindsight import OnStep


@contextmanager
def recomputing_bar() -> Generator[OnStep]:
    """A progress bar on stderr, gone when it is done; quiet where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    err = console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        task = progress.add_task("preparing", total=None)

        def on_step(done: int, total: int) -> None:
            progress.update(task, description="computing again", completed=done, total=total)

        yield on_step
