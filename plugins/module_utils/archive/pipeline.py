"""Several archives from their URLs to their folders: one is extracted while it arrives, and the next arrives meanwhile."""

from __future__ import annotations

import mmap
import os
import select
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused
from ansible_collections.codetr.provision.plugins.module_utils.child import Child, WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request, fetch

NICE = 10
# How much is done afterwards side by side, where nothing is fetched or extracted any more.
THEN_AT_ONCE = 2
STATES = ("running", "done", "failed")


class Arriving:
    """How far an archive is, told by the process that fetches to the one that extracts.

    Attributes:
        path: the file that its bytes are in until it is whole.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Anonymous and shared: a forked process sees what another writes. One machine word each, so never half of one.
        self._shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    def report(self, ready: int) -> None:
        """So many bytes from the start are on the disk."""
        self._shared[0] = ready

    def end(self, state: str) -> None:
        """It is ``done``, checked and under its own name, or ``failed``."""
        self._shared[1] = STATES.index(state)

    def state(self) -> tuple[int, str]:
        """Bytes from the start that are on the disk, and one of ``running``, ``done``, ``failed``."""
        # The state first: bytes that are read after "running" may be too few, never too many.
        state = STATES[self._shared[1]]
        return self._shared[0], state


@dataclass(frozen=True)
class Work:
    """One archive.

    Attributes:
        request: how it is fetched, to ``request.dest``.
        order: how it is extracted.
        keep: whether the archive stays once it is extracted.
        then: what is done afterwards, while others are still on their way; its answer is JSON-able.
    """

    request: Request
    order: Order
    keep: bool = False
    then: Callable[[], dict[str, Any]] | None = None


def run(works: Sequence[Work], expected: tuple[type[Exception], ...] = ()) -> dict[str, dict[str, Any]]:
    """Fetch and extract all of them in the given order, one download at a time.

    Args:
        expected: exceptions of a ``then`` whose text is a sentence for people.

    Returns:
        By name of the request: ``{"fetch", "extract", "then"}``, what each step answered.

    Raises:
        WorkFailed: one could not be done. What was fetched so far stays, and the next run goes on from there.
    """
    return _Running(works, (FetchFailure, ArchiveRefused, *expected)).run()


class _Running:
    def __init__(self, works: Sequence[Work], expected: tuple[type[Exception], ...]) -> None:
        self.waiting = list(works)
        self.expected = expected
        self.answers: dict[str, dict[str, Any]] = {work.request.name: {} for work in works}
        self.afterwards: list[Work] = []
        self.children: dict[Child, tuple[str, Work]] = {}
        self.arriving: dict[str, Arriving] = {}

    def run(self) -> dict[str, dict[str, Any]]:
        try:
            self._fetch_next()
            self._then_next()
            while self.children:
                for child in select.select(list(self.children), [], [])[0]:
                    self._ended(child)
        except BaseException:
            # A download goes on where it stopped, and half an extraction is removed by the next one.
            for child in self.children:
                child.stop()
            raise
        return self.answers

    def _start(self, step: str, work: Work, doing: str, action: Callable[[], dict[str, Any]]) -> None:
        self.children[Child(f"{doing} {work.request.name}", action, self.expected)] = (step, work)

    def _fetch_next(self) -> None:
        while self.waiting and not extract(self.waiting[0].order, check=True)["changed"]:
            # An earlier run came this far.
            self.afterwards.append(self.waiting.pop(0))
        if not self.waiting:
            return
        work = self.waiting.pop(0)
        arriving = self.arriving[work.request.name] = Arriving(f"{work.request.dest}.part")
        self._start("fetch", work, "fetched", lambda: _fetch(work.request, arriving))
        self._start("extract", work, "extracted", lambda: _politely(lambda: extract(work.order, growing=arriving)))

    def _ended(self, child: Child) -> None:
        step, work = self.children.pop(child)
        try:
            self.answers[work.request.name][step] = child.answer()
        except WorkFailed:
            # Where its archive does not come, the extraction has nothing of its own to say.
            if step == "extract" and self.arriving[work.request.name].state()[1] == "failed":
                return
            raise
        if step == "fetch":
            self._fetch_next()
        elif step == "extract":
            if not work.keep:
                os.unlink(work.request.dest)
            self.afterwards.append(work)
        self._then_next()

    def _then_next(self) -> None:
        """Start what is done afterwards: one beside fetching and extracting, which need memory, too; several once those have ended."""
        running = [step for step, _unused in self.children.values()]
        most = 1 if len(running) > running.count("then") else THEN_AT_ONCE
        while self.afterwards and running.count("then") < most:
            work = self.afterwards.pop(0)
            if work.then:
                self._start("then", work, "checked", partial(_politely, work.then))
                running.append("then")


def _politely(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it with what the downloads leave of the processors: those are what everything waits for."""
    os.nice(NICE)
    return action()


def _fetch(request: Request, arriving: Arriving) -> dict[str, Any]:
    try:
        outcome = fetch(request, ready=arriving.report)
    except BaseException:
        arriving.end("failed")
        raise
    arriving.end("done")
    return asdict(outcome)
