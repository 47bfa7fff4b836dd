"""A lock against a second run on the same path. It is held as long as any process has its descriptor open."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

TIMEOUT_SECONDS = 5.0


class Locked(Exception):
    """Another process holds the lock of this path."""


def _take(path: str) -> int | None:
    """Lock the file and return its descriptor, or None where another process holds it or has just removed it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder removes the file when done, and a lock on a removed file protects nothing.
        if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        text = f"{error.strerror}: this file system does not support locks (Lustre supports them when mounted with -o flock)"
        raise OSError(error.errno, text, path) from None
    os.close(descriptor)
    return None


@contextlib.contextmanager
def lock(path: str, wait: bool = False) -> Iterator[int]:
    """Lock ``path``; yields the descriptor, for a child that must keep the lock to inherit.

    Waits a few seconds: the children of a killed run need a moment to end.

    Args:
        wait: wait without a time limit.

    Raises:
        Locked: another process holds it.
        OSError: the file cannot be created, or the file system does not support locks.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        descriptor = _take(path)
        if descriptor is not None:
            break
        if not wait and time.monotonic() > deadline:
            raise Locked(path)
        time.sleep(0.1)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
