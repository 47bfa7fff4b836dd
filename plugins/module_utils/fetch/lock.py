"""A lock against a second run on the same path. It lives as long as any process that holds its descriptor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

PATIENCE_SECONDS = 5.0


class Locked(Exception):
    """Somebody else works on this path."""


def _take(path: str) -> int | None:
    """The descriptor of the locked file, or None where another process has it or has just removed it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before us removes the file when done: a lock on a file that nobody else can open any more guards nothing.
        if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        said = f"{error.strerror}: this file system has no locks (one of Lustre has them when it is mounted with -o flock)"
        raise OSError(error.errno, said, path) from None
    os.close(descriptor)
    return None


@contextlib.contextmanager
def lock(path: str, wait: bool = False) -> Iterator[int]:
    """Hold ``path`` locked; yields the descriptor, so that a child which must not outlive the lock can inherit it.

    Waits a few seconds first: the children of a run that was killed need a moment to notice.

    Args:
        wait: wait as long as it takes.

    Raises:
        Locked: another process holds it.
        OSError: the file cannot be made, or the file system has no locks.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
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
