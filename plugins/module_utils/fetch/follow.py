"""The sha256 of a file while aria2 still writes it: only what is left is hashed at the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO, Callable

from ansible_collections.codetr.provision.plugins.module_utils.fetch.part import Part

SECONDS_BETWEEN_LOOKS = 0.2
BLOCK = 1 << 20
# Between two looks at the control file at most so much is hashed, so that others hear of new bytes while we are behind.
BLOCKS_AT_ONCE = 128


class Follower:
    """Hashes ``part`` as far as aria2's control file beside it says that the bytes are on the disk.

    What was hashed counts only as long as the file is the same one and nothing before that point can have been written again. In
    any doubt the hash starts from byte 0 again, at the latest in ``finish``.

    Args:
        ready: called from any thread with the number of bytes from the start that are on the disk; with 0 when the file starts
            anew, which is then another file. It must not raise.
    """

    def __init__(self, part: Part, ready: Callable[[int], None] | None) -> None:
        self._part = part
        self._ready = ready
        self._known = -1
        self.anew()

    def anew(self) -> None:
        """Forget the file: it is gone, or about to go."""
        self._identity: tuple[int, int] | None = None
        self._digest, self._hashed = hashlib.sha256(), 0
        self._tell(0)

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
        """The sha256 and size of the whole file, now that nobody writes it any more; ``on_block`` hears of the bytes hashed so far."""
        with open(self._part.path, "rb") as handle:
            now = os.fstat(handle.fileno())
            # A hole where there should be bytes means that somebody cut the file after we had read it.
            if self._is_another(now, now.st_size) or now.st_blocks * 512 < now.st_size:
                self.anew()
            self._tell(now.st_size)
            handle.seek(self._hashed)
            while self._take(handle, BLOCK):
                on_block(self._hashed)
            return self._digest.hexdigest(), self._hashed

    def _follow(self, stop: threading.Event) -> None:
        behind = False
        while not stop.wait(0 if behind else SECONDS_BETWEEN_LOOKS):
            try:
                behind = self._look(stop)
            except OSError:
                behind = False
                self.anew()

    def _look(self, stop: threading.Event) -> bool:
        """Hash what is new; whether there is more."""
        there = self._part.keep()
        if there is None:
            return False
        with open(self._part.path, "rb") as handle:
            now = os.fstat(handle.fileno())
            known = min(there.prefix, now.st_size)
            if self._is_another(now, known):
                self.anew()
                self._identity = now.st_dev, now.st_ino
            self._tell(known)
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

    def _tell(self, known: int) -> None:
        if known != self._known:
            self._known = known
            if self._ready is not None:
                self._ready(known)
