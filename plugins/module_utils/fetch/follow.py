"""Hash a file while aria2 writes it, so that little is left to hash at the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO, Callable

from ansible_collections.codetr.provision.plugins.module_utils.fetch.part import Part

POLL_SECONDS = 0.2
BLOCK = 1 << 20
# Limit per poll of the control file, so that a file that is restarted is noticed even while hashing lags behind.
BLOCKS_AT_ONCE = 128


class Follower:
    """Hashes ``part`` as far as aria2's control file lists bytes on the disk.

    The hash is valid only while the file is the same one and nothing before that point can have been rewritten. In any doubt it
    restarts from byte 0, at the latest in ``finish``.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self.restart()

    def restart(self) -> None:
        """Forget the file: it has been removed, or is about to be."""
        self._identity: tuple[int, int] | None = None
        self._digest, self._hashed, self._known = hashlib.sha256(), 0, 0

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Hash in a thread until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._follow, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def finish(self, on_block: Callable[[int], None]) -> tuple[str, int]:
        """Return the sha256 and size of the complete file; ``on_block`` is called with the bytes hashed so far."""
        with open(self._part.path, "rb") as handle:
            now = os.fstat(handle.fileno())
            # A hole means that the file was truncated after we had read it.
            if self._is_another(now, now.st_size) or now.st_blocks * 512 < now.st_size:
                self.restart()
            self._known = now.st_size
            handle.seek(self._hashed)
            while self._take(handle, BLOCK):
                on_block(self._hashed)
            return self._digest.hexdigest(), self._hashed

    def _follow(self, stop: threading.Event) -> None:
        behind = False
        while not stop.wait(0 if behind else POLL_SECONDS):
            try:
                behind = self._poll(stop)
            except OSError:
                behind = False
                self.restart()

    def _poll(self, stop: threading.Event) -> bool:
        """Hash new bytes; return whether more are waiting."""
        known_to_aria2 = self._part.keep()
        if known_to_aria2 is None:
            return False
        with open(self._part.path, "rb") as handle:
            now = os.fstat(handle.fileno())
            known = min(known_to_aria2.prefix, now.st_size)
            if self._is_another(now, known):
                self.restart()
                self._identity = now.st_dev, now.st_ino
            self._known = known
            handle.seek(self._hashed)
            for _unused in range(BLOCKS_AT_ONCE):
                if stop.is_set() or not self._take(handle, min(BLOCK, known - self._hashed)):
                    break
        return self._hashed < known

    def _is_another(self, now: os.stat_result, known: int) -> bool:
        return self._identity != (now.st_dev, now.st_ino) or known < self._known

    def _take(self, handle: BinaryIO, amount: int) -> bool:
        data = handle.read(amount)
        self._digest.update(data)
        self._hashed += len(data)
        return bool(data)
