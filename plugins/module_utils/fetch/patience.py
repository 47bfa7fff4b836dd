"""How long to try: several URLs of one file, each with its own patience.

aria2 gives up on a server after a few tries and knows no Retry-After. What it leaves open is decided here: which URL is tried next,
after how many seconds, with how many connections, and when it is enough.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from ansible_collections.codetr.provision.plugins.module_utils.fetch.ask import ask
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, Kind, public

# After a failure that brought bytes.
PAUSE_SECONDS = 1.0
# After the first failure that brought none; doubled after each further one.
FIRST_WAIT_SECONDS = 3.0
LONGEST_WAIT_SECONDS = 60.0
# The most that a server gets of what it asks for with Retry-After, each time.
LONGEST_RETRY_AFTER_SECONDS = 300.0

# Failures in a row without a new byte after which a URL is given up: nobody answers and never has; it answers; it gave bytes before.
TRIES_UNREACHED = 3
TRIES_ANSWERING = 6
TRIES_PROVEN = 8

Result = TypeVar("Result")


class Exhausted(Exception):
    """No URL gave the file: ``failures`` has a pair of each, without its password, and the sentence that it ended with."""

    def __init__(self, failures: list[tuple[str, str]]) -> None:
        super().__init__()
        self.failures = failures


@dataclass
class _Source:
    """One URL: how it did so far, and when it may be tried again (``due``, in seconds of the monotonic clock)."""

    url: str
    connections: int
    due: float = 0.0
    fruitless: int = 0
    proven: bool = False
    kind: Kind = Kind.PASSING
    sentence: str = ""

    def spent(self) -> bool:
        """Whether it is not worth another try."""
        most = TRIES_PROVEN if self.proven else TRIES_UNREACHED if self.kind is Kind.UNREACHED else TRIES_ANSWERING
        return self.kind is Kind.GONE or self.fruitless >= most

    def rest(self, seconds: float) -> None:
        """Leave it alone for so long, and a little longer, so that many hosts do not come back in one moment."""
        self.due = time.monotonic() + seconds * random.uniform(1.0, 1.25)

    def pause(self) -> None:
        """Leave it alone, the longer the less it gave."""
        doubled = FIRST_WAIT_SECONDS * 2.0 ** (self.fruitless - 1)
        self.rest(min(doubled, LONGEST_WAIT_SECONDS) if self.fruitless else PAUSE_SECONDS)


class Patience(Generic[Result]):
    """Tries URLs until one gives the file.

    Args:
        attempt: fetches from a URL with so many connections, or raises DownloadFailed.
        arrived: how many bytes of the file are here.
        waiting: called about every second while nothing can be done, with the seconds that are left.
    """

    def __init__(self, attempt: Callable[[str, int], Result], arrived: Callable[[], int], waiting: Callable[[float], None]) -> None:
        self._attempt = attempt
        self._arrived = arrived
        self._waiting = waiting
        # A server that has to start anew each time brings bytes each time, and never more: only more than ever before counts.
        self._most = arrived()

    def persist(self, urls: list[str], connections: int) -> Result:
        """What ``attempt`` returned.

        Raises:
            Exhausted: no URL is worth another try.
        """
        sources = [_Source(url, connections) for url in urls]
        while True:
            left = [source for source in sources if not source.spent()]
            if not left:
                raise Exhausted([(public(source.url), source.sentence) for source in sources])
            # The one that may be tried first; of those never tried the first in the list.
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
        here = self._arrived()
        if here > self._most:
            self._most, source.proven, source.fruitless = here, True, 0
            # It gave bytes a moment ago: a redirect leads to links that are good for minutes, and aria2 keeps to the one it got.
            if source.kind is Kind.GONE:
                source.kind = Kind.PASSING
        else:
            source.fruitless += 1
        if source.kind is Kind.GONE:
            # Wrong bytes were removed, and what others give from now on is new.
            self._most = here
        if source.kind is Kind.BUSY:
            source.connections = max(1, source.connections // 2)
        source.pause()

    def _still_busy(self, source: _Source) -> bool:
        """Ask, and obey."""
        answer = ask(source.url)
        if not answer.busy:
            return False
        source.fruitless += 1
        source.pause()
        if answer.wait is not None:
            source.rest(max(PAUSE_SECONDS, min(answer.wait, LONGEST_RETRY_AFTER_SECONDS)))
            if answer.wait > LONGEST_RETRY_AFTER_SECONDS:
                longest = f"longer than the {LONGEST_RETRY_AFTER_SECONDS:.0f} that are waited each time"
                source.sentence = f"the server is busy and asks to come back in {answer.wait:.0f} seconds, {longest}"
        return True

    def _wait_until(self, due: float) -> None:
        while True:
            left = due - time.monotonic()
            if left <= 0:
                return
            self._waiting(left)
            time.sleep(min(left, 1.0))
