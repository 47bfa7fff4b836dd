"""Which members of a zip are taken and where each goes; whatever could write outside the folder, or too much, is refused."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass

# JPEGs do not shrink and the data sets' JSON shrinks to a third; a zip bomb is beyond a thousand.
RATIO_LIMIT = 200
SLACK_BYTES = 1 << 20


class ArchiveRefused(Exception):
    """The archive was not extracted. The text is for people: what is wrong and what to do."""


@dataclass(frozen=True)
class Member:
    """One file of the archive and its path below the destination (``/`` between its parts)."""

    info: zipfile.ZipInfo
    path: str


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


def _refuse(source: str, what: str) -> ArchiveRefused:
    way_out = "Fetch the archive from a source you trust, or give its record the right sha256"
    return ArchiveRefused(f"{source} is refused: {what}. Nothing was extracted. {way_out}.")


def _judge(info: zipfile.ZipInfo) -> str:
    """What is wrong with a member, or an empty string."""
    # zipfile cuts a name at a NUL and may rewrite it: the archive's own spelling is judged.
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
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
    if info.flag_bits & 0x1:
        return f"the member {name!r} is encrypted"
    return ""


def _judge_all(infos: Iterable[zipfile.ZipInfo], source: str) -> None:
    """Refuse bad members, duplicates, and files that are folders of others."""
    files: set[str] = set()
    folders: set[str] = set()
    for info in infos:
        wrong = _judge(info)
        if wrong:
            raise _refuse(source, wrong)
        name = info.filename.rstrip("/")
        if not info.is_dir():
            if name in files:
                raise _refuse(source, f"the member {name!r} is in it twice")
            files.add(name)
        else:
            folders.add(name)
        parent = os.path.dirname(name)
        while parent and parent not in folders:
            folders.add(parent)
            parent = os.path.dirname(parent)
    both = files & folders
    if both:
        raise _refuse(source, f"{min(both)!r} is both a file and a folder in it")


def _judge_bytes(infos: list[zipfile.ZipInfo], source: str, archive_bytes: int) -> None:
    declared = sum(info.file_size for info in infos)
    if declared > archive_bytes * RATIO_LIMIT + SLACK_BYTES:
        raise _refuse(source, f"its {archive_bytes} bytes claim to hold {declared}, more than {RATIO_LIMIT} times as many")


def select(archive: zipfile.ZipFile, source: str, archive_bytes: int, selection: Selection) -> tuple[list[Member], set[str]]:
    """The wanted files in the archive's order, and the paths of all files that the archive could give at this place.

    Raises:
        ArchiveRefused: a member is dangerous (wanted or not), the whole is too large, or something wanted is not there.
    """
    infos = archive.infolist()
    _judge_all(infos, source)
    _judge_bytes(infos, source, archive_bytes)
    possible = {}
    for info in infos:
        path = "/".join(info.filename.split("/")[selection.strip :])
        if info.is_dir() or not info.filename.startswith(selection.below) or not path:
            continue
        if path in possible:
            raise _refuse(source, f"two members become {path!r} when {selection.strip} leading parts are dropped")
        possible[path] = info
    missing = sorted((selection.only or frozenset()) - set(possible))
    if missing:
        raise _refuse(source, f"{len(missing)} of the files wanted are not in it, the first is {missing[0]!r}")
    chosen = [Member(info, path) for path, info in possible.items() if selection.only is None or path in selection.only]
    if not chosen:
        raise _refuse(source, f"it holds no file below {selection.below or 'its root'!r}")
    return chosen, set(possible)
