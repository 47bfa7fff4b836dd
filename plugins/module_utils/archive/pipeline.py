"""Fetch and extract several archives: one download at a time, and each archive is extracted while the next one is downloaded."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused
from ansible_collections.codetr.provision.plugins.module_utils.child import Child
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request, fetch

NICE = 10
# Number of parallel ``then`` steps once nothing is fetched or extracted any more.
THEN_AT_ONCE = 2


@dataclass(frozen=True)
class Work:
    """One archive.

    Attributes:
        request: how to fetch it, to ``request.dest``.
        order: how to extract it.
        keep: whether to keep the archive after extraction.
        then: called afterwards, while other archives are fetched; its result is JSON-able.
    """

    request: Request
    order: Order
    keep: bool = False
    then: Callable[[], dict[str, Any]] | None = None


def run(works: Sequence[Work], expected: tuple[type[Exception], ...] = ()) -> dict[str, dict[str, Any]]:
    """Fetch and extract all archives in the given order, one download at a time.

    Args:
        expected: exceptions of a ``then`` whose text is a message for users.

    Returns:
        By name of the request: ``{"fetch", "extract", "then"}``, the result of each step.

    Raises:
        WorkFailed: a step failed. Bytes fetched so far are kept, and the next run resumes.
    """
    return _Running(works, (FetchFailure, ArchiveRefused, *expected)).run()


class _Running:
    def __init__(self, works: Sequence[Work], expected: tuple[type[Exception], ...]) -> None:
        self.waiting = list(works)
        self.expected = expected
        self.answers: dict[str, dict[str, Any]] = {work.request.name: {} for work in works}
        self.afterwards: list[Work] = []
        self.children: dict[Child, tuple[str, Work]] = {}

    def run(self) -> dict[str, dict[str, Any]]:
        try:
            self._fetch_next()
            self._then_next()
            while self.children:
                for child in select.select(list(self.children), [], [])[0]:
                    self._ended(child)
        except BaseException:
            # The next run resumes a download and removes a partial extraction.
            for child in self.children:
                child.stop()
            raise
        return self.answers

    def _start(self, step: str, work: Work, doing: str, action: Callable[[], dict[str, Any]]) -> None:
        self.children[Child(f"{doing} {work.request.name}", action, self.expected)] = (step, work)

    def _fetch_next(self) -> None:
        while self.waiting and not extract(self.waiting[0].order, check=True)["changed"]:
            # Done by an earlier run.
            self.afterwards.append(self.waiting.pop(0))
        if not self.waiting:
            return
        work = self.waiting.pop(0)
        self._start("fetch", work, "fetched", lambda: asdict(fetch(work.request)))

    def _ended(self, child: Child) -> None:
        step, work = self.children.pop(child)
        self.answers[work.request.name][step] = child.answer()
        if step == "fetch":
            self._start("extract", work, "extracted", lambda: _niced(lambda: extract(work.order)))
            self._fetch_next()
        elif step == "extract":
            if not work.keep:
                os.unlink(work.request.dest)
            self.afterwards.append(work)
        self._then_next()

    def _then_next(self) -> None:
        """Start ``then`` steps: one beside fetching and extracting, to limit memory; several once those have ended."""
        running = [step for step, _unused in self.children.values()]
        most = 1 if len(running) > running.count("then") else THEN_AT_ONCE
        while self.afterwards and running.count("then") < most:
            work = self.afterwards.pop(0)
            if work.then:
                self._start("then", work, "checked", partial(_niced, work.then))
                running.append("then")


def _niced(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run with lower CPU priority than the downloads, which are the bottleneck."""
    os.nice(NICE)
    return action()
