"""The pool of workers: all jobs, each once, by several processes at a time, and a sentence where one is killed."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import pool
from ansible_collections.codetr.provision.plugins.module_utils.archive.inventory import Row
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import MOST, WorkerKilled, Workers, chunks, cpus
from archive_lab import PATIENCE_SECONDS


def doubled(number: int) -> int:
    return 2 * number


def meet(folder: Path, number: int) -> int:
    """Wait for the other job; its number where it came."""
    (folder / str(number)).touch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / str(1 - number)).exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    return int((folder / str(1 - number)).exists())


def killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def signals(_: int) -> tuple[bool, bool]:
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_every_job_is_done_once() -> None:
    with Workers(doubled, 2) as workers:
        assert sorted(workers.each(iter(range(100)))) == [(number, 2 * number) for number in range(100)]


def test_jobs_are_taken_as_there_is_room_for_them() -> None:
    taken = []

    def jobs() -> object:
        for number in range(50):
            taken.append(number)
            yield number

    with Workers(doubled, 2) as workers:
        for done, _ in enumerate(workers.each(jobs())):  # type: ignore[arg-type]
            assert len(taken) <= done + 1 + 4
    assert taken == list(range(50))


def test_two_work_at_the_same_time(tmp_path: Path) -> None:
    with Workers(partial(meet, tmp_path), 2) as workers:
        assert sorted(workers.each([0, 1])) == [(0, 1), (1, 1)]


def test_a_killed_worker_is_told() -> None:
    with pytest.raises(WorkerKilled, match="one of its worker processes was killed"), Workers(killed, 2) as workers:
        list(workers.each(range(100)))


def test_a_pool_that_lost_a_worker_takes_nothing_more() -> None:
    with Workers(killed, 1) as workers:
        workers.submit(3)
        with pytest.raises(WorkerKilled):
            list(workers.finished())
        with pytest.raises(WorkerKilled):
            workers.submit(1)


def test_workers_leave_signals_to_the_one_that_started_them() -> None:
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Workers(signals, 1) as workers:
            assert list(workers.each([0])) == [(0, (True, True))]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(("sizes", "expected"), [
    ([], []),
    ([1], [[1]]),
    ([10, 1, 5, 4, 3], [[10], [1, 5, 4], [3]]),
    ([25, 1], [[25], [1]]),
    ([0] * 7, [[0, 0, 0], [0, 0, 0], [0]]),
])
def test_chunks_are_full_by_bytes_or_by_number(monkeypatch: pytest.MonkeyPatch, sizes: list[int], expected: list[list[int]]) -> None:
    monkeypatch.setattr(pool, "CHUNK_BYTES", 10)
    monkeypatch.setattr(pool, "CHUNK_FILES", 3)
    made = list(chunks(Row(str(number), size, 0, 0) for number, size in enumerate(sizes)))
    assert [[row.size for row in chunk] for chunk in made] == expected
    assert [row.path for chunk in made for row in chunk] == [str(number) for number in range(len(sizes))]


@pytest.mark.parametrize(("allowed", "expected"), [(1, 1), (3, 3), (64, MOST)])
def test_as_many_workers_as_processors_up_to_a_limit(monkeypatch: pytest.MonkeyPatch, allowed: int, expected: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)))
    assert cpus() == expected
