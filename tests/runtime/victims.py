"""A server of trainings that are meant to be killed: `opgraph` commands, each in its own process.

TensorFlow is imported once, and used only after the fork: so a training begins in a moment. A line
of stdin begins one; it is JSON: `words` of the command, a file `log` for what it says, a file
`ended` that is made when it has, and `slow`, the seconds that every file waits between being
written and being renamed. The next line, whatever it says, asks for the exit code; until then the
process id stays taken.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from opgraph import files
from opgraph.cli import main

NEEDED = ("opgraph.runtime.tracing", "opgraph.cli.trace", "opgraph.cli.outcome", "pandas")


def slow_down(seconds: float) -> None:
    """Make every file wait between being written and being renamed."""
    flush = files.flush

    def slow(path: Path) -> None:
        time.sleep(seconds)
        flush(path)

    files.flush = slow


def train(order: dict[str, Any]) -> int:
    """Run one command; what it says goes to a file."""
    log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    if order["slow"]:
        slow_down(order["slow"])
    try:
        return main(order["words"])
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(order["ended"]).touch()


def serve() -> None:
    for name in NEEDED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(train(json.loads(line)))
        print(child, flush=True)
        sys.stdin.readline()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
