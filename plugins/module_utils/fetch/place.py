"""From an artifact record to a file that can be believed: nothing lies at the destination that was not hashed as a whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from typing import Callable
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, FetchFailure, public
from ansible_collections.codetr.provision.plugins.module_utils.fetch.lock import Locked, lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress

BLOCK = 1 << 20
SCHEMES = ("http", "https", "ftp", "file")
OTHER_RECORD = "give another record in provision_artifacts, or a mirror that has the file in provision_mirror"


@dataclass(frozen=True)
class Request:
    """One artifact record and where it goes.

    Attributes:
        sha256: of the whole file, or None when unknown: refused then, unless ``insecure_ok``.
        size: bytes, or None.
        mode: permission bits of the file.
        progress: path of the progress file, or empty.
    """

    name: str
    urls: list[str]
    dest: str
    sha256: str | None = None
    size: int | None = None
    mode: int = 0o644
    transfer: aria2.Transfer = field(default_factory=aria2.Transfer)
    insecure_ok: bool = False
    progress: str = ""


@dataclass(frozen=True)
class Outcome:
    """What is at the destination now, or would be in check mode (then without hash and URL)."""

    changed: bool
    sha256: str | None = None
    size: int | None = None
    url: str | None = None
    resumed: bool = False


def sha256_of(path: str, on_block: Callable[[int], None] | None = None) -> str:
    """The sha256 of a file's bytes; ``on_block`` is called with the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(BLOCK), b""):
            digest.update(block)
            done += len(block)
            if on_block:
                on_block(done)
    return digest.hexdigest()


def fetch(request: Request, check: bool = False) -> Outcome:
    """Make ``request.dest`` the artifact. With ``check`` only say whether it would change.

    Raises:
        FetchFailure: it is not there; the text says why and what to do.
    """
    _judge_record(request)
    if check:
        return _believed(request) or Outcome(changed=True)
    folder = os.path.dirname(request.dest)
    try:
        os.makedirs(folder, exist_ok=True)
        with lock(f"{request.dest}.lock") as held:
            return _believed(request, adjust=True) or _Fetching(request, held).run()
    except Locked:
        raise FetchFailure(f"Another run is fetching {request.dest} right now. Wait for it to end, then run again.") from None
    except OSError as error:
        way_out = "Free some space" if error.errno == errno.ENOSPC else "Make that folder writable for the user that fetches"
        said = error.strerror or error
        raise FetchFailure(f"{request.name} cannot be written to {folder}: {said}. {way_out}, or choose another folder.") from error


def _judge_record(request: Request) -> None:
    """Refuse a record that cannot be fetched safely."""
    if not request.urls:
        raise FetchFailure(f"The record {request.name} has no URL; {OTHER_RECORD}.")
    for url in request.urls:
        if urlsplit(url).scheme not in SCHEMES or any(ord(letter) <= 32 for letter in url):
            schemes = ", ".join(SCHEMES)
            raise FetchFailure(f"{public(url)!r} in the record {request.name} is not a URL of {schemes} without spaces; {OTHER_RECORD}.")
    if request.sha256 is None and not request.insecure_ok:
        raise FetchFailure(
            f"The record {request.name} has no sha256, so its bytes cannot be checked. "
            "Put the sha256 in provision_artifacts, or allow this one fetch without.",
        )
    if request.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", request.sha256):
        way_out = "Correct it in provision_artifacts"
        raise FetchFailure(f"{request.sha256!r} in the record {request.name} is not a sha256 (64 small hexadecimal digits). {way_out}.")
    if os.path.isdir(request.dest):
        way_out = "Move the folder away, or choose another path"
        raise FetchFailure(f"{request.dest} is a folder, and {request.name} is to be a file there. {way_out}.")


def _believed(request: Request, adjust: bool = False) -> Outcome | None:
    """The outcome where the destination already has the right bytes; without a sha256 nothing there can be believed."""
    if request.sha256 is None or not os.path.isfile(request.dest):
        return None
    now = os.stat(request.dest)
    if (request.size is not None and now.st_size != request.size) or sha256_of(request.dest) != request.sha256:
        return None
    differs = now.st_mode & 0o7777 != request.mode
    if differs and adjust:
        os.chmod(request.dest, request.mode)
    return Outcome(changed=differs, sha256=request.sha256, size=now.st_size)


class _Fetching:
    """One fetch under its lock, URL after URL: a mirror that is dead or wrong costs time, never the result."""

    def __init__(self, request: Request, held: int) -> None:
        self.request = request
        self.held = held
        self.part = f"{request.dest}.part"
        self.control = f"{self.part}.aria2"
        self.progress = Progress(request.progress)
        self.resumed = False

    def run(self) -> Outcome:
        # Without a control file aria2 ended before we were cut off: the file is either finished or not one of ours.
        if os.path.exists(self.part) and not os.path.exists(self.control):
            if self.request.sha256 is not None and self._hash() == self.request.sha256:
                self.resumed = True
                return self._put_in_place(self.request.sha256, None)
            self._discard()
        self._judge_space()
        failures: list[tuple[str, str]] = []
        for url in self.request.urls:
            try:
                return self._put_in_place(self._obtain(url), url)
            except DownloadFailed as error:
                if error.code in aria2.LOCAL_CODES:
                    raise FetchFailure(
                        f"{self.request.name} could not be stored in {os.path.dirname(self.part)}: {error.sentence}. "
                        "Free some space or choose another disk, and run again.",
                    ) from None
                failures.append((public(url), error.sentence))
        said = ". ".join(f"{url}: {sentence}" for url, sentence in failures)
        way_out = "Run again when the source answers (it goes on where it stopped)"
        raise FetchFailure(f"{self.request.name} could not be fetched. {said}. {way_out}, or {OTHER_RECORD}.")

    def _obtain(self, url: str) -> str:
        """The sha256 of a finished and accepted ``part``."""
        self.resumed = os.path.exists(self.control)
        try:
            return self._once(url)
        except DownloadFailed as error:
            # Bytes kept from another try, another mirror or an older record may be what is wrong: once more from nothing.
            if not self.resumed or error.code not in (*aria2.STALE_CODES, -1):
                raise
        self._discard()
        self.resumed = False
        return self._once(url)

    def _once(self, url: str) -> str:
        if urlsplit(url).scheme == "file":
            self._copy(url)
        else:
            aria2.download(
                url,
                self.part,
                self.request.transfer,
                lambda done, total, rate: self.progress.report("download", done, total, rate),
                self.held,
            )
        got, size = self._hash(), os.path.getsize(self.part)
        wrong_size = self.request.size is not None and size != self.request.size
        if wrong_size or got != (self.request.sha256 or got):
            self._discard()
            expected = f"sha256 {self.request.sha256}" + (f" ({self.request.size} bytes)" if self.request.size is not None else "")
            what = f"expected {expected}, got sha256 {got} ({size} bytes)"
            raise DownloadFailed(-1, f"the file there is not the one expected: {what}; the bytes were removed")
        return got

    def _copy(self, url: str) -> None:
        """A file on this host: aria2 does not do those."""
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise DownloadFailed(-1, f"a file:// URL must not name a host, and this one names {parts.netloc}")
        self._discard()
        try:
            with open(url2pathname(parts.path), "rb") as source, open(self.part, "wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
        except FileNotFoundError:
            raise DownloadFailed(-1, "there is no such file on this host") from None
        except PermissionError:
            raise DownloadFailed(-1, "this file cannot be read by the user that fetches") from None

    def _hash(self) -> str:
        started, size = time.monotonic(), os.path.getsize(self.part)
        return sha256_of(self.part, lambda done: self.progress.report("check", done, size, done / max(time.monotonic() - started, 1e-3)))

    def _judge_space(self) -> None:
        """Refuse before the first byte, with figures, where the file cannot fit."""
        if self.request.size is None:
            return
        folder = os.path.dirname(self.part)
        there = os.stat(self.part).st_blocks * 512 if os.path.exists(self.part) else 0
        disk = os.statvfs(folder)
        free, wanted = disk.f_bavail * disk.f_frsize, self.request.size - there
        if wanted > free:
            way_out = "Free some space, or choose another disk"
            raise FetchFailure(f"{self.request.name} needs {wanted} more bytes in {folder}, and {free} are free. {way_out}.")

    def _put_in_place(self, sha256: str, url: str | None) -> Outcome:
        size = os.path.getsize(self.part)
        descriptor = os.open(self.part, os.O_RDONLY)
        try:
            os.fchmod(descriptor, self.request.mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self.part, self.request.dest)
        _sync_folder(os.path.dirname(self.request.dest))
        self.progress.report("done", size, size)
        return Outcome(changed=True, sha256=sha256, size=size, url=None if url is None else public(url), resumed=self.resumed)

    def _discard(self) -> None:
        for path in (self.part, self.control):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _sync_folder(folder: str) -> None:
    """The new name survives a power cut only when its folder is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
