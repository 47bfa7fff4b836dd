"""Worker processes that end with the one that started them, and the work handed to them piece by piece."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Generic, Protocol, TypeVar

from ansible_collections.codetr.provision.plugins.module_utils.child import die_with

# Beyond that the disk and the page cache are what is waited for.
MOST = 8
# A piece of work must be large beside the price of handing it over, and small beside memory and what a cut loses.
CHUNK_BYTES, CHUNK_FILES = 8 << 20, 256


class Piece(Protocol):
    """Something that can be part of a chunk."""

    @property
    def size(self) -> int:
        """Bytes to read or write for it."""


Part = TypeVar("Part", bound=Piece)
Job = TypeVar("Job")
Result = TypeVar("Result")


class WorkerKilled(Exception):
    """A worker ended without an answer. The text is a clause for people."""

    def __init__(self) -> None:
        super().__init__("one of its worker processes was killed before it ended, which the system does when memory runs out")


def processors() -> int:
    """How many workers this host is good for: as many as the processors that we may use, and at most ``MOST``."""
    return min(len(os.sched_getaffinity(0)), MOST)


def total(pieces: Iterable[Piece]) -> int:
    """Bytes of all of them."""
    return sum(piece.size for piece in pieces)


def chunks(pieces: Iterable[Part]) -> Iterator[list[Part]]:
    """The pieces in their order, in lists that are full at ``CHUNK_BYTES`` or ``CHUNK_FILES``."""
    chunk: list[Part] = []
    size = 0
    for piece in pieces:
        chunk.append(piece)
        size += piece.size
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class Workers(Generic[Job, Result]):
    """A pool that does one kind of work. Processes are forked at the first job: they have the descriptors that are open by then."""

    def __init__(self, work: Callable[[Job], Result], count: int) -> None:
        self._work = work
        self._room = 2 * count
        self._pending: dict[Future[Result], Job] = {}
        self._executor = ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _begin, (os.getpid(),))

    def __enter__(self) -> Workers[Job, Result]:
        return self

    def __exit__(self, *_details: Any) -> None:
        self.close()

    @property
    def full(self) -> bool:
        """Whether another job would only wait, and cost memory."""
        return len(self._pending) >= self._room

    @property
    def busy(self) -> bool:
        """Whether there are jobs whose results were not asked for yet."""
        return bool(self._pending)

    def submit(self, job: Job) -> None:
        """Have it done.

        Raises:
            WorkerKilled: there is nobody to do it any more.
        """
        try:
            self._pending[self._executor.submit(self._work, job)] = job
        except BrokenProcessPool:
            raise WorkerKilled from None

    def finished(self, seconds: float | None = None) -> Iterator[tuple[Job, Result]]:
        """Jobs that are done, and their results; waits for the first one, at most so many seconds.

        Raises:
            WorkerKilled: and whatever the work itself raised.
        """
        for future in wait(self._pending, seconds, FIRST_COMPLETED).done:
            job = self._pending.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                raise WorkerKilled from None
            yield job, result

    def each(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """All jobs and their results, in the order in which they get done; raises what ``finished`` does."""
        for job in jobs:
            if self.full:
                yield from self.finished()
            self.submit(job)
        while self.busy:
            yield from self.finished()

    def close(self) -> None:
        """Wait for what was handed out and end the processes."""
        self._executor.shutdown()
        self._pending.clear()


def _begin(parent: int) -> None:
    """The first thing in a worker."""
    die_with(parent)
    # What to do about a Ctrl-C is decided by the parent; a handler that it has for being ended is not for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Looking for garbage among the parent's objects would copy its memory, once for each worker.
    gc.freeze()
