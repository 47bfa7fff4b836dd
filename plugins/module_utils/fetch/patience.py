"""Retry several URLs of one file, each with its own limits.

aria2 gives up on a server after a few tries and ignores Retry-After. This module decides which URL to try next, after how many
seconds, with how many connections, and when to give up.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from ansible_collections.codetr.provision.plugins.module_utils.fetch.ask import ask
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, Kind, public

# Wait after a failure that brought bytes.
PAUSE_SECONDS = 1.0
# Wait after the first failure without bytes; doubled after each further one.
FIRST_WAIT_SECONDS = 3.0
LONGEST_WAIT_SECONDS = 60.0
# Upper limit for Retry-After, each time.
LONGEST_RETRY_AFTER_SECONDS = 300.0

# Consecutive failures without a new byte before a URL is given up: it has never answered; it answers; it has sent bytes before.
TRIES_UNREACHED = 3
TRIES_ANSWERING = 6
TRIES_PROVEN = 8

Result = TypeVar("Result")


class Exhausted(Exception):
    """No URL provided the file: ``failures`` pairs each URL, without its password, with its last error."""

    def __init__(self, failures: list[tuple[str, str]]) -> None:
        super().__init__()
        self.failures = failures


@dataclass
class _Source:
    """One URL: its history, and when to try it again (``due``, in seconds of the monotonic clock)."""

    url: str
    connections: int
    due: float = 0.0
    fruitless: int = 0
    proven: bool = False
    kind: Kind = Kind.PASSING
    sentence: str = ""

    def spent(self) -> bool:
        """Whether to give it up."""
        most = TRIES_PROVEN if self.proven else TRIES_UNREACHED if self.kind is Kind.UNREACHED else TRIES_ANSWERING
        return self.kind is Kind.GONE or self.fruitless >= most

    def rest(self, seconds: float) -> None:
        """Do not try it for so long, plus a random share, so that many hosts do not return at the same moment."""
        self.due = time.monotonic() + seconds * random.uniform(1.0, 1.25)

    def pause(self) -> None:
        """Do not try it for a while, longer after each failure without bytes."""
        doubled = FIRST_WAIT_SECONDS * 2.0 ** (self.fruitless - 1)
        self.rest(min(doubled, LONGEST_WAIT_SECONDS) if self.fruitless else PAUSE_SECONDS)


class Patience(Generic[Result]):
    """Tries URLs until one provides the file.

    Args:
        attempt: fetches from a URL with the given number of connections, or raises DownloadFailed.
        arrived: returns the number of bytes received.
        waiting: called about once a second while waiting, with the seconds left.
    """

    def __init__(self, attempt: Callable[[str, int], Result], arrived: Callable[[], int], waiting: Callable[[float], None]) -> None:
        self._attempt = attempt
        self._arrived = arrived
        self._waiting = waiting
        # A server that restarts each time sends bytes each time, but never more: only exceeding the maximum counts as progress.
        self._most = arrived()

    def persist(self, urls: list[str], connections: int) -> Result:
        """Return the result of the first successful attempt.

        Raises:
            Exhausted: all URLs were given up.
        """
        sources = [_Source(url, connections) for url in urls]
        while True:
            left = [source for source in sources if not source.spent()]
            if not left:
                raise Exhausted([(public(source.url), source.sentence) for source in sources])
            # The one that is due first; among untried ones, the first in the list.
            source = min(left, key=lambda one: one.due)
            self._wait_until(source.due)
            if source.kind is Kind.BUSY and self._still_busy(source):
                continue
            try:
                return self._attempt(source.url, source.connections)
            except DownloadFailed as failure:
                self._note(source, failure)

    def _note(self, source: _Source, failure: DownloadFailed) -> None:
        source.kind, source.sentence = failure.kind, failure.sentence
        received = self._arrived()
        if received > self._most:
            self._most, source.proven, source.fruitless = received, True, 0
            # It has just sent bytes: redirects lead to links that expire after minutes, and aria2 keeps using the first one.
            if source.kind is Kind.GONE:
                source.kind = Kind.PASSING
        else:
            source.fruitless += 1
        if source.kind is Kind.GONE:
            # Wrong bytes were removed; bytes of other URLs count from zero.
            self._most = received
        if source.kind is Kind.BUSY:
            source.connections = max(1, source.connections // 2)
        source.pause()

    def _still_busy(self, source: _Source) -> bool:
        """Ask the server whether it is still busy, and wait as it requests."""
        answer = ask(source.url)
        if not answer.busy:
            return False
        source.fruitless += 1
        source.pause()
        if answer.wait is not None:
            source.rest(max(PAUSE_SECONDS, min(answer.wait, LONGEST_RETRY_AFTER_SECONDS)))
            if answer.wait > LONGEST_RETRY_AFTER_SECONDS:
                longest = f"more than the limit of {LONGEST_RETRY_AFTER_SECONDS:.0f}"
                source.sentence = f"the server is busy and sends Retry-After: {answer.wait:.0f} seconds, {longest}"
        return True

    def _wait_until(self, due: float) -> None:
        while True:
            left = due - time.monotonic()
            if left <= 0:
                return
            self._waiting(left)
            time.sleep(min(left, 1.0))
