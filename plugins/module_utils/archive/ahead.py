"""Extract members of an archive that is still arriving.

These bytes are not verified yet, so anything unusual about them only ends the early extraction. Its files are used only if the
complete, verified archive is the same file and lists the same members.
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

    Bytes once reported do not change in the same file. A fetch that restarts creates a new file, or reports fewer bytes.
    """

    @property
    def path(self) -> str:
        """The partial file. It is renamed when the fetch is done."""

    def state(self) -> tuple[int, str]:
        """Return the contiguous bytes in the file, and ``running``, ``done`` (verified and renamed) or ``failed``."""


def extract_ahead(growing: Growing, source: str, selection: Selection, folder: str, report: Callable[[int, None], None]) -> set[Entry]:
    """Extract members to ``folder`` until the archive is complete at ``source``; return the extracted ones.

    Args:
        report: called with the bytes extracted so far, and None for the unknown total.

    Raises:
        ArchiveRefused: the fetch failed.
        WorkerKilled: a worker was killed.
    """
    with _Early(growing.path, source, selection, folder) as early:
        while True:
            have, state = growing.state()
            if state == DONE:
                return early.finish()
            if state == FAILED:
                raise ArchiveRefused(f"{source} could not be fetched, so nothing was extracted. Fix the fetch error, then run again.")
            early.extract(have)
            report(early.bytes, None)
            if not early.full:
                time.sleep(POLL_SECONDS)


def empty(folder: str) -> None:
    """Empty the temporary folder."""
    shutil.rmtree(folder)
    os.mkdir(folder, 0o700)


class _Early:
    """The early extraction of one archive.

    Attributes:
        bytes: total size of the finished files.
    """

    def __init__(self, path: str, source: str, selection: Selection, folder: str) -> None:
        self.bytes = 0
        self._path, self._source, self._folder = path, source, folder
        self._validator = Validator(source, selection)
        self._workers: Workers[list[Member], None] | None = None
        self._descriptor = -1
        self._done: set[Entry] = set()
        self._walking = True
        # Offset of the next local header; no byte beyond it has been used.
        self._at = 0
        self._declared = self._handed_out = 0
        # The rest of the archive needs space, too, and a zip bomb must leave some.
        self._allowance = space.free(folder) // 2

    def __enter__(self) -> _Early:
        return self

    def __exit__(self, *_details: Any) -> None:
        self._close()

    @property
    def full(self) -> bool:
        """Whether all workers have enough to do."""
        return self._workers is not None and self._workers.full

    def extract(self, have: int) -> None:
        """Collect finished members and queue those within the first ``have`` bytes; waits a moment where all workers are busy."""
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
        """Return the members in the folder once the archive is complete; none where they are not trustworthy."""
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
        """Discard the early extraction and stop it. Also closes the file, which the fetch may have removed to free space."""
        self._close()
        empty(self._folder)
        self._done.clear()
        self.bytes = 0
        self._walking = False

    def _is_another(self, path: str) -> bool:
        """Whether the path now leads to another file than the one read."""
        try:
            return not os.path.samestat(os.fstat(self._descriptor), os.stat(path))
        except FileNotFoundError:
            # Just being renamed; the next poll decides.
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
        """Yield the next selected members that have arrived completely. Stops at anything unusual."""

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
        """Return the path of the member, or None where it is not selected; validated like the central directory, up to ``end``."""
        entry = local.entry
        path = self._validator.path(entry.name, local.flags)
        self._declared += entry.size
        if local.flags & DATA_DESCRIPTOR or too_much(entry.size, entry.packed) or too_much(self._declared, end):
            raise HeaderWrong("its sizes are implausible or unknown")
        if path is not None and entry.method not in (STORED, DEFLATED):
            raise HeaderWrong("its compression method is not supported")
        return path
