"""A pool of worker processes that end with their parent."""

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

# Beyond that, the disk and the page cache are the bottleneck.
MOST = 8
# Large compared with the cost of handing over a job, small compared with memory.
CHUNK_BYTES, CHUNK_FILES = 8 << 20, 256


class Piece(Protocol):
    """An item of a chunk."""

    @property
    def size(self) -> int:
        """Number of bytes to read or write for it."""


Part = TypeVar("Part", bound=Piece)
Job = TypeVar("Job")
Result = TypeVar("Result")


class WorkerKilled(Exception):
    """A worker ended without a result. The text is a clause of a message."""

    def __init__(self) -> None:
        super().__init__("one of its worker processes was killed, probably because the system ran out of memory")


def cpus() -> int:
    """Return the number of workers for this host: the CPUs that this process may use, at most ``MOST``."""
    return min(len(os.sched_getaffinity(0)), MOST)


def total(pieces: Iterable[Piece]) -> int:
    """Return the sum of their bytes."""
    return sum(piece.size for piece in pieces)


def chunks(pieces: Iterable[Part]) -> Iterator[list[Part]]:
    """Group the pieces, in order, into lists of up to ``CHUNK_BYTES`` or ``CHUNK_FILES``."""
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
    """A pool for one kind of job. Processes are forked at the first job and inherit the descriptors open by then."""

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
        """Whether another job would only wait and use memory."""
        return len(self._pending) >= self._room

    @property
    def busy(self) -> bool:
        """Whether there are jobs whose results were not collected yet."""
        return bool(self._pending)

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises:
            WorkerKilled: the workers have been killed.
        """
        try:
            self._pending[self._executor.submit(self._work, job)] = job
        except BrokenProcessPool:
            raise WorkerKilled from None

    def finished(self, seconds: float | None = None) -> Iterator[tuple[Job, Result]]:
        """Yield finished jobs and their results; waits for the first one, at most so many seconds.

        Raises:
            WorkerKilled: a worker was killed. Exceptions of the job itself are raised, too.
        """
        for future in wait(self._pending, seconds, FIRST_COMPLETED).done:
            job = self._pending.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                raise WorkerKilled from None
            yield job, result

    def each(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Run all jobs and yield their results as they finish; raises what ``finished`` does."""
        for job in jobs:
            if self.full:
                yield from self.finished()
            self.submit(job)
        while self.busy:
            yield from self.finished()

    def close(self) -> None:
        """Wait for the queued jobs and end the processes."""
        self._executor.shutdown()
        self._pending.clear()


def _begin(parent: int) -> None:
    """Initialize a worker."""
    die_with(parent)
    # The parent handles Ctrl-C, and its SIGTERM handler must not run in a worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Garbage collection of the parent's objects would copy its memory in each worker.
    gc.freeze()
