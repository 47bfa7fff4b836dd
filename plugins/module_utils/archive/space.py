"""Room on the disk, for members that are to be written."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Member


def free(folder: str) -> int:
    """Bytes that this user may still write on the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def needed(members: Iterable[Member], folder: str) -> int:
    """Bytes that the members take on the folder's disk: each fills its last block."""
    block = os.statvfs(folder).f_frsize
    return sum(-(-member.size // block) * block for member in members)
