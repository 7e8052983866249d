"""The thread that writes: order, back-pressure, errors, and that no thread is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from opgraph.record.background import Background


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "opgraph-writer"]


def test_jobs_are_done_in_order_by_another_thread() -> None:
    background, done = Background(), list[tuple[int, str]]()
    for number in range(50):
        background.put(lambda n=number: done.append((n, threading.current_thread().name)))
    background.drain()
    assert done == [(number, "opgraph-writer") for number in range(50)]
    assert writers() == []


@pytest.mark.parametrize(
    ("limits", "most"),
    [({"most_jobs": 3}, 3), ({"most_bytes": 100}, 2), ({"most_bytes": 1}, 1)],
)
def test_whoever_hands_over_too_much_waits(limits: dict[str, int], most: int) -> None:
    """Jobs of 50 bytes: never more of them wait than the limit lets; a larger one waits alone."""
    background, waiting, seen = Background(**limits), [0], list[int]()

    def job() -> None:
        time.sleep(0.002)
        waiting[0] -= 1

    for _ in range(20):
        background.put(job, 50)
        waiting[0] += 1
        seen.append(waiting[0])
    background.drain()
    assert max(seen) <= most
    assert waiting == [0]


def test_caller_is_held_up_until_there_is_room() -> None:
    background, gate = Background(most_jobs=1), threading.Event()
    background.put(gate.wait)
    caller = threading.Thread(target=lambda: background.put(lambda: None))
    caller.start()
    caller.join(0.1)
    assert caller.is_alive()
    gate.set()
    caller.join(5)
    assert not caller.is_alive()
    background.drain()


def test_after_an_error_nothing_more_is_done_and_nobody_waits() -> None:
    background, done = Background(most_jobs=1), list[int]()

    def fail() -> None:
        raise OSError("full")

    background.put(fail)
    for number in range(5):
        background.put(lambda n=number: done.append(n))
    background.drain()
    assert str(background.error) == "full"
    assert done == []
    assert writers() == []


def test_caller_who_waits_is_freed_by_an_error() -> None:
    background, gate = Background(most_jobs=1), threading.Event()

    def fail() -> None:
        gate.wait()
        raise OSError("full")

    background.put(fail)
    caller = threading.Thread(target=lambda: background.put(lambda: None))
    caller.start()
    gate.set()
    caller.join(5)
    assert not caller.is_alive()
    background.drain()


def test_interpreter_waits_for_what_was_handed_over_and_then_ends() -> None:
    """Nothing is lost or stuck when the caller neither drains nor ends, or ends in an error."""
    program = (
        "import time, atexit\n"
        "from opgraph.record.background import Background\n"
        "b = Background()\n"
        "atexit.register(lambda: b.put(lambda: print('late')))\n"
        "b.put(lambda: (time.sleep(0.2), print('done')))\n"
        "raise SystemExit(3)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done\nlate\n", "")
