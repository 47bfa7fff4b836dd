"""Select the members of a zip and their paths; refuse whatever could write outside the folder, or too much."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from dataclasses import dataclass
from typing import NamedTuple

# JPEGs do not shrink and the data sets' JSON shrinks to a third; a zip bomb exceeds a thousand.
RATIO_LIMIT = 200
SLACK_BYTES = 1 << 20
STORED, DEFLATED = 0, 8
LOCAL_HEADER_BYTES = 30


class ArchiveRefused(Exception):
    """The archive was not extracted. The text is a message for users: what is wrong and how to fix it."""


class Entry(NamedTuple):
    """The header fields of one member. The local header and the central directory of a valid archive agree on them.

    Attributes:
        name: exactly as in the archive; a folder's ends in ``/``.
        method: compression method; only ``STORED`` and ``DEFLATED`` are supported.
        packed, size: compressed and uncompressed bytes.
        offset: of the local header in the archive.
    """

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int


class Member(NamedTuple):
    """One file of the archive and its path below the destination (``/`` between its parts)."""

    entry: Entry
    path: str

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.entry.size


@dataclass(frozen=True)
class Selection:
    """The members to extract, and their names.

    Attributes:
        below: select only members whose name starts with this (``train2017/``); empty selects all.
        strip: number of leading components of each name to drop.
        only: paths (after ``strip``) to select, or None for all.
    """

    below: str = ""
    strip: int = 0
    only: frozenset[str] | None = None


class Validator:
    """Validates the members of an archive one by one.

    Attributes:
        possible: paths of all files seen so far below ``Selection.below``, selected or not.
    """

    def __init__(self, source: str, selection: Selection) -> None:
        self.possible: set[str] = set()
        self._source = source
        self._selection = selection
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def path(self, name: str, flags: int, kind: int = 0) -> str | None:
        """Return the path of the next member, or None where it is not selected.

        Args:
            flags: from its header.
            kind: its file type as in ``st_mode``, 0 where unknown.

        Raises:
            ArchiveRefused: it is unsafe (selected or not), or conflicts with an earlier member.
        """
        wrong = _check(name, flags, kind) or self._check_clash(name)
        if wrong:
            raise refuse(self._source, wrong)
        option = self._selection
        path = "/".join(name.split("/")[option.strip :])
        if name.endswith("/") or not name.startswith(option.below) or not path:
            return None
        if path in self.possible:
            raise refuse(self._source, f"two members become {path!r} when {option.strip} leading components are dropped")
        self.possible.add(path)
        return path if option.only is None or path in option.only else None

    def _check_clash(self, name: str) -> str:
        """Check for duplicates, and for a file that is also a folder."""
        bare = name.rstrip("/")
        parent = bare if name.endswith("/") else os.path.dirname(bare)
        if not name.endswith("/"):
            if bare in self._files:
                return f"the member {bare!r} is in it twice"
            if bare in self._folders:
                return f"{bare!r} is both a file and a folder in it"
            self._files.add(bare)
        while parent and parent not in self._folders:
            if parent in self._files:
                return f"{parent!r} is both a file and a folder in it"
            self._folders.add(parent)
            parent = os.path.dirname(parent)
        return ""


def refuse(source: str, what: str) -> ArchiveRefused:
    """Return the exception for an unsafe or invalid archive."""
    fix = "Fetch the archive from a trusted source, or correct the sha256 of its record"
    return ArchiveRefused(f"{source} is refused: {what}. Nothing was extracted. {fix}.")


def _check(name: str, flags: int, kind: int) -> str:
    """Return what is wrong with a single member, or an empty string."""
    if "\0" in name or "\\" in name or re.match(r"[A-Za-z]:", name):
        return f"the member name {name!r} is not a plain relative path"
    if name.startswith("/"):
        return f"the member {name!r} has an absolute path"
    if ".." in name.split("/"):
        return f"the member {name!r} points outside the folder"
    if any(part in ("", ".") for part in name.rstrip("/").split("/")):
        return f"the member name {name!r} is not normalized"
    if stat.S_ISLNK(kind):
        return f"the member {name!r} is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"the member {name!r} is neither a file nor a folder"
    if flags & 0x1:
        return f"the member {name!r} is encrypted"
    return ""


def _check_bytes(infos: list[zipfile.ZipInfo], source: str, archive_bytes: int) -> None:
    declared = sum(info.file_size for info in infos)
    if declared > archive_bytes * RATIO_LIMIT + SLACK_BYTES:
        raise refuse(source, f"its {archive_bytes} bytes declare {declared} uncompressed bytes, more than {RATIO_LIMIT} times as many")


def _check_overlap(infos: list[zipfile.ZipInfo], source: str, directory: int) -> None:
    """Refuse members that overlap, as in some zip bombs.

    Args:
        infos: sorted by offset.
        directory: offset of the central directory, where the last member must end.
    """
    end = 0
    for info in infos:
        if info.header_offset < end:
            raise refuse(source, f"the member {info.orig_filename!r} overlaps another member")
        end = info.header_offset + LOCAL_HEADER_BYTES + len(info.orig_filename) + info.compress_size
        if end > directory:
            raise refuse(source, f"the member {info.orig_filename!r} overlaps the central directory")


def select(archive: zipfile.ZipFile, source: str, archive_bytes: int, selection: Selection) -> tuple[list[Member], set[str]]:
    """Return the selected files sorted by offset, and the paths of all files below ``selection.below``.

    Raises:
        ArchiveRefused: a member is unsafe (selected or not), the archive expands too much, or a selected file is missing.
    """
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    validator, chosen = Validator(source, selection), []
    for info in infos:
        # zipfile cuts a name at a NUL and may rewrite it, so the original name is validated and used.
        path = validator.path(info.orig_filename, info.flag_bits, stat.S_IFMT(info.external_attr >> 16))
        if path is None:
            continue
        if info.compress_type not in (STORED, DEFLATED):
            what = f"uses compression method {info.compress_type}; only stored and deflated members are supported"
            raise refuse(source, f"the member {info.orig_filename!r} {what}")
        entry = Entry(info.orig_filename, info.compress_type, info.CRC, info.compress_size, info.file_size, info.header_offset)
        chosen.append(Member(entry, path))
    _check_bytes(infos, source, archive_bytes)
    _check_overlap(infos, source, archive.start_dir)
    missing = sorted((selection.only or frozenset()) - validator.possible)
    if missing:
        raise refuse(source, f"{len(missing)} of the selected files are missing from it, first {missing[0]!r}")
    if not chosen:
        raise refuse(source, f"it has no file below {selection.below or 'its root'!r}")
    return chosen, validator.possible
