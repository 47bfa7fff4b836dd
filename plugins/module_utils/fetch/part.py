"""The partial file beside the destination, and aria2's control file."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.codetr.provision.plugins.module_utils.fetch import control
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure


class Part:
    """``<dest>.part``: its state, the space it still needs, and the rename to ``dest``."""

    def __init__(self, dest: str) -> None:
        self.dest = dest
        self.folder = os.path.dirname(dest)
        self.path = f"{dest}.part"
        self.control = f"{self.path}.aria2"
        self._kept = f"{self.control}.kept"
        self._draft = f"{self._kept}.new"

    def exists(self) -> bool:
        """Whether the partial file exists, valid or not."""
        return os.path.exists(self.path)

    def keep(self) -> control.Control | None:
        """Read aria2's control file, or None; and hard-link it as a backup.

        On a full disk, aria2 replaces its control file by an empty one. A link needs no space, and its content stays true: bytes are
        never taken back.
        """
        state = control.read(self.control)
        if state is None:
            return None
        with contextlib.suppress(OSError):
            self._link(self.control, self._kept)
        return state

    def restore(self) -> None:
        """Replace a broken control file by the backup, which is kept: the disk may still be full."""
        if os.path.exists(self.control) and control.read(self.control) is None and control.read(self._kept):
            self._link(self._kept, self.control)

    def _link(self, name: str, other: str) -> None:
        """Hard-link a control file, unless it is broken by now."""
        if os.path.exists(other) and os.path.samefile(name, other):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._draft)
        os.link(name, self._draft)
        if control.read(self._draft):
            os.replace(self._draft, other)

    def resumable(self) -> bool:
        """Whether aria2 can resume."""
        return self.exists() and control.read(self.control) is not None

    def arrived(self) -> int:
        """Return the number of bytes that aria2 has recorded."""
        state = control.read(self.control)
        return state.done if state and self.exists() else 0

    def discard(self) -> None:
        """Remove the partial file, its control files and drafts of a killed run."""
        for path in (self.path, self.control, f"{self.control}__temp", self._kept, self._draft):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def check_space(self, name: str, size: int | None) -> None:
        """Refuse, with figures, a file of ``size`` bytes that does not fit.

        Raises:
            FetchFailure: the text has the missing space.
        """
        if size is None:
            return
        allocated = os.stat(self.path).st_blocks * 512 if self.exists() else 0
        disk = os.statvfs(self.folder)
        free, needed = disk.f_bavail * disk.f_frsize, size - allocated
        if needed > free:
            fix = "Free some space, or choose another disk"
            raise FetchFailure(f"{name} needs {needed} more bytes in {self.folder}, but only {free} are free. {fix}.")

    def put_in_place(self, mode: int) -> None:
        """Set the mode, sync, and rename: the content is on the disk before the name is."""
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
    """Sync a folder, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
