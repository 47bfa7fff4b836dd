"""Which members of a zip are taken and where each goes; whatever could write outside the folder, or too much, is refused."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from dataclasses import dataclass
from typing import NamedTuple

# JPEGs do not shrink and the data sets' JSON shrinks to a third; a zip bomb is beyond a thousand.
RATIO_LIMIT = 200
SLACK_BYTES = 1 << 20
STORED, DEFLATED = 0, 8
LOCAL_HEADER_BYTES = 30


class ArchiveRefused(Exception):
    """The archive was not extracted. The text is for people: what is wrong and what to do."""


class Entry(NamedTuple):
    """What a header says of one member. Equal for the local header and the central directory of an honest archive.

    Attributes:
        name: in the archive's own spelling; a folder's ends in ``/``.
        method: how it is packed, ``STORED`` or ``DEFLATED`` for what can be read.
        packed, size: bytes in the archive, and of the file.
        offset: of the local header, in bytes from the archive's start.
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
    """Which members are wanted, and how they are called.

    Attributes:
        below: take only members whose name starts with this (``train2017/``); empty takes all.
        strip: leading parts of each name to drop.
        only: paths (after ``strip``) to take, or None for all.
    """

    below: str = ""
    strip: int = 0
    only: frozenset[str] | None = None


class Judgement:
    """Judges an archive name by name: the same for its central directory and for what has arrived of it so far.

    Attributes:
        possible: paths of all files so far that the archive could give at this place, wanted or not.
    """

    def __init__(self, source: str, selection: Selection) -> None:
        self.possible: set[str] = set()
        self._source = source
        self._selection = selection
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def path(self, name: str, flags: int, kind: int = 0) -> str | None:
        """Where the next member goes, or None where it is not wanted.

        Args:
            flags: of its header.
            kind: its file type as in ``st_mode``, 0 where nobody says.

        Raises:
            ArchiveRefused: it is dangerous (wanted or not), or does not go together with those before it.
        """
        wrong = _check(name, flags, kind) or self._check_clash(name)
        if wrong:
            raise refuse(self._source, wrong)
        option = self._selection
        path = "/".join(name.split("/")[option.strip :])
        if name.endswith("/") or not name.startswith(option.below) or not path:
            return None
        if path in self.possible:
            raise refuse(self._source, f"two members become {path!r} when {option.strip} leading parts are dropped")
        self.possible.add(path)
        return path if option.only is None or path in option.only else None

    def _check_clash(self, name: str) -> str:
        """Whether it is there twice, or a file is the folder of another."""
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
    """The refusal of an archive that is not what it should be."""
    fix = "Fetch the archive from a source you trust, or give its record the right sha256"
    return ArchiveRefused(f"{source} is refused: {what}. Nothing was extracted. {fix}.")


def _check(name: str, flags: int, kind: int) -> str:
    """What is wrong with a member by itself, or an empty string."""
    if "\0" in name or "\\" in name or re.match(r"[A-Za-z]:", name):
        return f"the member name {name!r} is not a plain relative path"
    if name.startswith("/"):
        return f"the member {name!r} has an absolute path"
    if ".." in name.split("/"):
        return f"the member {name!r} points outside the folder"
    if any(part in ("", ".") for part in name.rstrip("/").split("/")):
        return f"the member name {name!r} is not in its simplest form"
    if stat.S_ISLNK(kind):
        return f"the member {name!r} is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"the member {name!r} is neither a file nor a folder"
    if flags & 0x1:
        return f"the member {name!r} is encrypted"
    return ""


def too_much(declared: int, packed: int) -> bool:
    """Whether so many bytes cannot honestly come out of so few."""
    return declared > packed * RATIO_LIMIT + SLACK_BYTES


def _check_bytes(infos: list[zipfile.ZipInfo], source: str, archive_bytes: int) -> None:
    declared = sum(info.file_size for info in infos)
    if too_much(declared, archive_bytes):
        raise refuse(source, f"its {archive_bytes} bytes claim to hold {declared}, more than {RATIO_LIMIT} times as many")


def _check_overlap(infos: list[zipfile.ZipInfo], source: str, directory: int) -> None:
    """Members that share bytes unpack the same bytes again and again.

    Args:
        infos: in the order of their places.
        directory: where the central directory begins: no member reaches beyond.
    """
    end = 0
    for info in infos:
        if info.header_offset < end:
            raise refuse(source, f"the member {info.orig_filename!r} lies on bytes of another member")
        end = info.header_offset + LOCAL_HEADER_BYTES + len(info.orig_filename) + info.compress_size
        if end > directory:
            raise refuse(source, f"the member {info.orig_filename!r} reaches into the archive's list of members")


def select(archive: zipfile.ZipFile, source: str, archive_bytes: int, selection: Selection) -> tuple[list[Member], set[str]]:
    """The wanted files in the order of their bytes, and the paths of all files that the archive could give at this place.

    Raises:
        ArchiveRefused: a member is dangerous (wanted or not), the whole is too large, or something wanted is not there.
    """
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    judgement, chosen = Judgement(source, selection), []
    for info in infos:
        # zipfile cuts a name at a NUL and may rewrite it: the archive's own spelling is judged, and it is the one that counts.
        path = judgement.path(info.orig_filename, info.flag_bits, stat.S_IFMT(info.external_attr >> 16))
        if path is None:
            continue
        if info.compress_type not in (STORED, DEFLATED):
            way = f"is packed by method {info.compress_type}, and only stored and deflated members can be read"
            raise refuse(source, f"the member {info.orig_filename!r} {way}")
        entry = Entry(info.orig_filename, info.compress_type, info.CRC, info.compress_size, info.file_size, info.header_offset)
        chosen.append(Member(entry, path))
    _check_bytes(infos, source, archive_bytes)
    _check_overlap(infos, source, archive.start_dir)
    missing = sorted((selection.only or frozenset()) - judgement.possible)
    if missing:
        raise refuse(source, f"{len(missing)} of the files wanted are not in it, the first is {missing[0]!r}")
    if not chosen:
        raise refuse(source, f"it holds no file below {selection.below or 'its root'!r}")
    return chosen, judgement.possible
