"""Extracting members of an archive that is still arriving.

Nobody has hashed these bytes yet, so they decide nothing: whatever is odd about them only ends this early work, and what it made
counts only where the whole, hashed archive turns out to be the same file and to say the same of each member.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Protocol

from ansible_collections.codetr.provision.plugins.module_utils.archive import space
from ansible_collections.codetr.provision.plugins.module_utils.archive.header import DATA_DESCRIPTOR, HeaderWrong, Local, read_local
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import (
    DEFLATED,
    STORED,
    ArchiveRefused,
    Entry,
    Member,
    Selection,
    Validator,
    too_much,
)
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import Workers, chunks, cpus, total
from ansible_collections.codetr.provision.plugins.module_utils.archive.worker import Writing

POLL_SECONDS = 0.05
DONE, FAILED = "done", "failed"


class Growing(Protocol):
    """An archive while it is being fetched.

    Bytes that were counted once stay as they are in the same file. A fetch that begins anew makes a new file, or counts less.
    """

    @property
    def path(self) -> str:
        """The file that grows. When the fetch is done it has been renamed."""

    def state(self) -> tuple[int, str]:
        """How many bytes from its start are in the file, and ``running``, ``done`` (hashed and renamed too) or ``failed``."""


def extract_ahead(growing: Growing, source: str, selection: Selection, folder: str, report: Callable[[int, None], None]) -> set[Entry]:
    """Extract into ``folder`` what can be, until the archive is whole at ``source``; the members that are there then.

    Args:
        report: called with the bytes extracted so far, and None: nobody knows how many it will be.

    Raises:
        ArchiveRefused: the archive did not arrive.
        WorkerKilled: a worker ended without an answer.
    """
    with _Early(growing.path, source, selection, folder) as early:
        while True:
            have, word = growing.state()
            if word == DONE:
                return early.finish()
            if word == FAILED:
                raise ArchiveRefused(f"{source} did not arrive, so nothing of it was extracted. Mend what its fetch says, then run again.")
            early.go_on(have)
            report(early.bytes, None)
            if not early.full:
                time.sleep(POLL_SECONDS)


def empty(folder: str) -> None:
    """Remove what is in the temporary folder."""
    shutil.rmtree(folder)
    os.mkdir(folder, 0o700)


class _Early:
    """The early work on one file.

    Attributes:
        bytes: of the files that are finished.
    """

    def __init__(self, path: str, source: str, selection: Selection, folder: str) -> None:
        self.bytes = 0
        self._path, self._source, self._folder = path, source, folder
        self._validator = Validator(source, selection)
        self._workers: Workers[list[Member], None] | None = None
        self._descriptor = -1
        self._done: set[Entry] = set()
        self._walking = True
        # Offset of the next local header: no byte beyond it was used.
        self._at = 0
        self._declared = self._handed_out = 0
        # The rest of the archive needs room too, and a bomb must leave some.
        self._allowance = space.free(folder) // 2

    def __enter__(self) -> _Early:
        return self

    def __exit__(self, *_details: Any) -> None:
        self._close()

    @property
    def full(self) -> bool:
        """Whether all workers have enough to do."""
        return self._workers is not None and self._workers.full

    def go_on(self, have: int) -> None:
        """Take what is finished (waiting a moment where there is much to do), and hand out what has arrived: ``have`` bytes are there."""
        try:
            if self._workers is None:
                self._open(have)
            if self._workers is None:
                return
            if have < self._at or self._is_another(self._path):
                self._drop()
                return
            self._take(self._workers.finished(POLL_SECONDS if self.full else 0))
            for chunk in chunks(self._arrived(have)):
                if not self._has_room(chunk):
                    self._walking = False
                    return
                self._workers.submit(chunk)
                if self.full:
                    return
        except (ArchiveRefused, OSError):
            self._drop()

    def finish(self) -> set[Entry]:
        """The members in the folder, now that the archive is at its place; none where they cannot be believed."""
        try:
            while self._workers is not None and self._workers.busy:
                self._take(self._workers.finished())
            if self._workers is not None and self._is_another(self._source):
                self._drop()
        except (ArchiveRefused, OSError):
            self._drop()
        return self._done

    def _open(self, have: int) -> None:
        if not have or not self._walking:
            return
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._workers = Workers(Writing(self._descriptor, self._source, self._folder), cpus())

    def _close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None
            os.close(self._descriptor)

    def _drop(self) -> None:
        """Believe nothing of it, and do no more. The file is let go of, too: the fetch may have removed it to make room."""
        self._close()
        empty(self._folder)
        self._done.clear()
        self.bytes = 0
        self._walking = False

    def _is_another(self, path: str) -> bool:
        """Whether another file lies at the path than the one that was read."""
        try:
            return not os.path.samestat(os.fstat(self._descriptor), os.stat(path))
        except FileNotFoundError:
            # Between two names: the next look tells.
            return False

    def _take(self, results: Iterable[tuple[list[Member], None]]) -> None:
        for chunk, _unused in results:
            self._done.update(member.entry for member in chunk)
            self.bytes += total(chunk)

    def _has_room(self, chunk: list[Member]) -> bool:
        more = space.needed(chunk, self._folder)
        self._handed_out += more
        return self._handed_out <= self._allowance and more <= space.free(self._folder)

    def _arrived(self, have: int) -> Iterator[Member]:
        """The next wanted members whose bytes are there. Ends the walk at whatever is not a plain member of a plain archive."""

        def read(offset: int, length: int) -> bytes:
            return os.pread(self._descriptor, max(0, min(length, have - offset)), offset)

        while self._walking:
            try:
                local = read_local(read, self._at)
                end = local.start + local.entry.packed
                if end > have and not local.flags & DATA_DESCRIPTOR:
                    return
                path = self._check(local, end)
            except EOFError:
                return
            except (HeaderWrong, ArchiveRefused):
                self._walking = False
                return
            self._at = end
            if path is not None:
                yield Member(local.entry, path)

    def _check(self, local: Local, end: int) -> str | None:
        """Where the member goes, or None where it is not wanted; judged as the central directory will be, by what came until ``end``."""
        entry = local.entry
        path = self._validator.path(entry.name, local.flags)
        self._declared += entry.size
        if local.flags & DATA_DESCRIPTOR or too_much(entry.size, entry.packed) or too_much(self._declared, end):
            raise HeaderWrong("its sizes cannot be believed")
        if path is not None and entry.method not in (STORED, DEFLATED):
            raise HeaderWrong("it is packed in a way that cannot be read")
        return path
