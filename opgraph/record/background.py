"""Work that a thread does in order while the caller goes on.

A thread lives only as long as there is work, so that none is left behind and none keeps the
interpreter from ending. What waits is bounded: whoever hands over too much waits. Knows nothing
about runs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

MOST_BYTES = 128 << 20
MOST_JOBS = 16

Job = Callable[[], object]


class Background:
    """Does jobs one after the other, in a thread.

    The first job that raises is the last that is done; its error stands in `error`.

    Attributes:
        error: what a job raised.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, most_jobs: int = MOST_JOBS) -> None:
        """An idle worker.

        Args:
            most_bytes: what may wait, in bytes; a single job may be larger, if it waits alone.
            most_jobs: how many jobs may wait.
        """
        self.error: BaseException | None = None
        self._most_bytes = most_bytes
        self._most_jobs = most_jobs
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, job: Job, size: int = 0) -> None:
        """Hand over a job; waits while there is no room. Nothing is done after an error.

        Args:
            job: what to do.
            size: the bytes that it holds on to until it is done.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size))
            if self.error is not None:
                return
            self._jobs.append((job, size))
            self._bytes += size
            if self._thread is None:
                self._start()

    def drain(self) -> None:
        """Wait until everything is done, or has failed, and the thread has ended."""
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _has_room(self, size: int) -> bool:
        if self.error is not None or not self._jobs:
            return True
        return len(self._jobs) < self._most_jobs and self._bytes + size <= self._most_bytes

    def _start(self) -> None:
        """Begin a thread; at the interpreter's end, when nobody waits for threads, work at once."""
        if not threading.main_thread().is_alive():
            self._work()
            return
        self._thread = threading.Thread(target=self._work, name="opgraph-writer")
        self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._thread = None
                    return
                job, size = self._jobs[0]
            try:
                job()
            except BaseException as error:  # whatever it is, the caller is to hear of it
                self._give_up(error)
            else:
                self._done(size)
            del job

    def _done(self, size: int) -> None:
        with self._changed:
            self._jobs.popleft()
            self._bytes -= size
            self._changed.notify_all()

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            self.error = error
            self._jobs.clear()
            self._bytes = 0
            self._changed.notify_all()
