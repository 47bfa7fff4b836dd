"""Fetch an artifact record to its destination. Nothing reaches the destination before its sha256 was verified."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import replace
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, FetchFailure, Kind, public
from ansible_collections.codetr.provision.plugins.module_utils.fetch.follow import Follower
from ansible_collections.codetr.provision.plugins.module_utils.fetch.lock import Locked, lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.part import Part
from ansible_collections.codetr.provision.plugins.module_utils.fetch.patience import Exhausted, Patience
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress
from ansible_collections.codetr.provision.plugins.module_utils.fetch.record import OTHER_RECORD, Outcome, Request, validate

__all__ = ["Outcome", "Request", "fetch"]

BLOCK = 1 << 20


def fetch(request: Request, check: bool = False) -> Outcome:
    """Make ``request.dest`` the artifact; with ``check``, only report whether it would change.

    Raises:
        FetchFailure: it could not be fetched; the text says why and how to fix it.
    """
    validate(request)
    if check:
        return _existing(request) or Outcome(changed=True)
    folder = os.path.dirname(request.dest)
    try:
        os.makedirs(folder, exist_ok=True)
        with lock(f"{request.dest}.lock") as held:
            return _existing(request, adjust=True) or _Fetching(request, held).run()
    except Locked:
        raise FetchFailure(f"Another run is fetching {request.dest} right now. Wait for it to end, then run again.") from None
    except OSError as error:
        fix = "Free some space" if error.errno == errno.ENOSPC else "Make the folder writable for the user that fetches"
        text = error.strerror or error
        raise FetchFailure(f"{request.name} cannot be written to {folder}: {text}. {fix}, or choose another folder.") from error


def _existing(request: Request, adjust: bool = False) -> Outcome | None:
    """Return the outcome where the destination is already correct; without a sha256 that cannot be known."""
    if request.sha256 is None or not os.path.isfile(request.dest):
        return None
    now = os.stat(request.dest)
    if (request.size is not None and now.st_size != request.size) or _sha256_of(request.dest) != request.sha256:
        return None
    differs = now.st_mode & 0o7777 != request.mode
    if differs and adjust:
        os.chmod(request.dest, request.mode)
    return Outcome(changed=differs, sha256=request.sha256, size=now.st_size)


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


class _Mixed(Exception):
    """The file is wrong, and its bytes came from more than one try, so the source of the wrong ones is unknown."""


class _Fetching:
    """One fetch under its lock: a mirror that is dead or wrong costs time, never the result."""

    def __init__(self, request: Request, held: int) -> None:
        self.request = request
        self.held = held
        self.part = Part(request.dest)
        self.follower = Follower(self.part)
        self.progress = Progress(request.progress)
        self.part.restore()
        self.resumed = self.part.resumable()
        self.alone = False

    def run(self) -> Outcome:
        # Without a control file, aria2 had finished before we were interrupted, or the file is not ours.
        if self.part.exists() and not os.path.exists(self.part.control):
            sha256, size = self._hash()
            if self.request.sha256 == sha256:
                self.resumed = True
                return self._put_in_place(None, sha256, size)
            self._discard()
        self.part.check_space(self.request.name, self.request.size)
        try:
            return self._persist(self.request.urls)
        except _Mixed:
            pass
        except Exhausted as exhausted:
            raise self._failure(exhausted.failures) from None
        # Each URL on its own, from scratch, to identify the one with wrong bytes and keep it from spoiling the others.
        self.alone = True
        failures = []
        for url in self.request.urls:
            self._discard()
            try:
                return self._persist([url])
            except Exhausted as exhausted:
                failures += exhausted.failures
        raise self._failure(failures)

    def _persist(self, urls: list[str]) -> Outcome:
        patience = Patience(self._attempt, self.part.arrived, self._waiting)
        return patience.persist(urls, self.request.transfer.connections)

    def _failure(self, failures: list[tuple[str, str]]) -> FetchFailure:
        reasons = ". ".join(f"{url}: {sentence}" for url, sentence in failures)
        fix = "Run again when the source is available (the download resumes)"
        return FetchFailure(f"{self.request.name} could not be fetched. {reasons}. {fix}, or {OTHER_RECORD}.")

    def _waiting(self, seconds: float) -> None:
        self.progress.report("wait", self.part.arrived(), self.request.size, 0, seconds)

    def _attempt(self, url: str, connections: int) -> Outcome:
        """Fetch from one URL, and once more from scratch where the partial file is the obstacle."""
        had = self.part.resumable()
        if not had:
            self._discard()
        try:
            return self._once(url, connections, had)
        except DownloadFailed as failure:
            if failure.kind is Kind.LOCAL:
                raise FetchFailure(
                    f"{self.request.name} could not be stored in {self.part.folder}: {failure.sentence}. "
                    "Free some space or choose another disk, and run again.",
                ) from None
            if failure.kind is not Kind.STALE:
                raise
            self._discard()
            if not had:
                raise
        return self._once(url, connections, False)

    def _once(self, url: str, connections: int, had: bool) -> Outcome:
        if urlsplit(url).scheme == "file":
            self._copy(url)
        else:
            with self.follower.following():
                aria2.download(
                    url,
                    self.part.path,
                    replace(self.request.transfer, connections=connections),
                    self.request.size,
                    lambda done, total, rate: self.progress.report("download", done, total, rate),
                    self.held,
                )
        got, size = self._hash()
        wrong_size = self.request.size is not None and size != self.request.size
        if wrong_size or got != (self.request.sha256 or got):
            self._discard()
            if had and not self.alone:
                raise _Mixed
            expected = f"sha256 {self.request.sha256}" + (f" ({self.request.size} bytes)" if self.request.size is not None else "")
            what = f"expected {expected}, got sha256 {got} ({size} bytes)"
            raise DownloadFailed(Kind.GONE, f"it is not the expected file: {what}; the bytes were removed")
        return self._put_in_place(url, got, size)

    def _copy(self, url: str) -> None:
        """Copy a file on this host; aria2 does not support file URLs."""
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise DownloadFailed(Kind.GONE, f"a file:// URL must not contain a host, but this one contains {parts.netloc}")
        try:
            with open(url2pathname(parts.path), "rb") as source:
                self._discard()
                with open(self.part.path, "wb") as target:
                    shutil.copyfileobj(source, target, BLOCK)
        except FileNotFoundError:
            raise DownloadFailed(Kind.GONE, "the file does not exist on this host") from None
        except PermissionError:
            raise DownloadFailed(Kind.GONE, "the user that fetches may not read this file") from None

    def _hash(self) -> tuple[str, int]:
        report, size = self.progress.paced("check"), os.path.getsize(self.part.path)
        return self.follower.finish(lambda done: report(done, size))

    def _put_in_place(self, url: str | None, sha256: str, size: int) -> Outcome:
        self.part.put_in_place(self.request.mode)
        self.progress.report("done", size, size)
        return Outcome(changed=True, sha256=sha256, size=size, url=None if url is None else public(url), resumed=self.resumed)

    def _discard(self) -> None:
        self.follower.restart()
        self.part.discard()
        self.resumed = False
