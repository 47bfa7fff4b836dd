"""Free and needed disk space."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Member


def free(folder: str) -> int:
    """Return the bytes that this user may still write to the folder's file system."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def needed(members: Iterable[Member], folder: str) -> int:
    """Return the bytes that the members occupy on the folder's file system, in full blocks."""
    block = os.statvfs(folder).f_frsize
    return sum(-(-member.size // block) * block for member in members)
