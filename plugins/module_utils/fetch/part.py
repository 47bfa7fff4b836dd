"""The file beside the destination that bytes are collected in, with aria2's control file beside it."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.codetr.provision.plugins.module_utils.fetch import control
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure


class Part:
    """``<dest>.part``: what is there, whether there is room for the rest, and how it becomes ``dest``."""

    def __init__(self, dest: str) -> None:
        self.dest = dest
        self.folder = os.path.dirname(dest)
        self.path = f"{dest}.part"
        self.control = f"{self.path}.aria2"
        self._kept = f"{self.control}.kept"
        self._draft = f"{self._kept}.new"

    def exists(self) -> bool:
        """Whether there are bytes, good ones or not."""
        return os.path.exists(self.path)

    def keep(self) -> control.Control | None:
        """What aria2 knows now, or None. Its control file gets a second name, for when the disk is full.

        aria2 then puts an empty one in its place. A link needs no room, and what it says stays true: bytes are never taken back.
        """
        there = control.read(self.control)
        if there is None:
            return None
        with contextlib.suppress(OSError):
            self._also_as(self.control, self._kept)
        return there

    def mend(self) -> None:
        """Put the control file that was kept in the place of one that is broken. It stays: the disk may still be full."""
        if os.path.exists(self.control) and control.read(self.control) is None and control.read(self._kept):
            self._also_as(self._kept, self.control)

    def _also_as(self, name: str, other: str) -> None:
        """Give a control file a second name, unless it is broken by now."""
        if os.path.exists(other) and os.path.samefile(name, other):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._draft)
        os.link(name, self._draft)
        if control.read(self._draft):
            os.replace(self._draft, other)

    def resumable(self) -> bool:
        """Whether aria2 can go on with these bytes."""
        return self.exists() and control.read(self.control) is not None

    def arrived(self) -> int:
        """How many bytes aria2 knows to be here."""
        there = control.read(self.control)
        return there.done if there and self.exists() else 0

    def discard(self) -> None:
        """Remove the bytes and what is known of them; whoever was killed while that was written left a draft."""
        for path in (self.path, self.control, f"{self.control}__temp", self._kept, self._draft):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def check_space(self, name: str, size: int | None) -> None:
        """Refuse before the first byte, with figures, where a file of ``size`` bytes cannot fit.

        Raises:
            FetchFailure: which says how much is missing.
        """
        if size is None:
            return
        there = os.stat(self.path).st_blocks * 512 if self.exists() else 0
        disk = os.statvfs(self.folder)
        free, wanted = disk.f_bavail * disk.f_frsize, size - there
        if wanted > free:
            fix = "Free some space, or choose another disk"
            raise FetchFailure(f"{name} needs {wanted} more bytes in {self.folder}, and {free} are free. {fix}.")

    def put_in_place(self, mode: int) -> None:
        """Give the bytes their mode and their name, so that they are on the disk before the name is."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self.path, self.dest)
        self.discard()
        _sync_folder(self.folder)


def _sync_folder(folder: str) -> None:
    """The new name survives a power cut only when its folder is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
