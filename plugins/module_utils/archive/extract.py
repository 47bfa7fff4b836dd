"""From a zip to a folder in one step: it is there whole and checked, or it is not there."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.archive import manifest
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Member, Selection, select
from ansible_collections.codetr.provision.plugins.module_utils.fetch.lock import Locked, lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress

BLOCK = 1 << 20
FETCH_ANEW = "Remove it and run again: it is then fetched anew."


@dataclass(frozen=True)
class Order:
    """What to extract and where.

    Attributes:
        src: the zip. It is believed to be the bytes of ``sha256``: whoever fetched it has hashed it.
        dest: the folder to make.
        manifest: path of the folder's manifest.
        note: further keys for the manifest.
    """

    src: str
    dest: str
    sha256: str
    manifest: str
    selection: Selection = field(default_factory=Selection)
    note: dict[str, Any] = field(default_factory=dict)
    progress: str = ""


def extract(order: Order, check: bool = False) -> dict[str, Any]:
    """Make ``order.dest`` the wanted folder: ``{"changed", "files", "bytes"}``; with ``check`` only say whether it would change.

    Raises:
        ArchiveRefused: it was not done; the text says why and what to do.
    """
    wanted = manifest.identity(order.sha256, order.selection)
    there = manifest.read(order.manifest)
    if manifest.describes(there, wanted, order.dest):
        assert there is not None
        return {"changed": False, "files": there["files"], "bytes": there["bytes"]}
    if check:
        return {"changed": True, "files": None, "bytes": None}
    if os.path.lexists(order.dest) and there is None:
        raise ArchiveRefused(f"{order.dest} is there already and was not made by this project. Move it away, or choose another folder.")
    try:
        os.makedirs(os.path.dirname(order.dest), exist_ok=True)
        with lock(f"{order.dest}.lock"):
            return _extract(order, wanted)
    except Locked:
        raise ArchiveRefused(f"Another run is extracting {order.dest} right now. Wait for it to end, then run again.") from None
    except OSError as error:
        said = error.strerror or error
        raise ArchiveRefused(f"{order.src} could not be extracted to {order.dest}: {said}. Mend that, then run again.") from error


def _extract(order: Order, wanted: dict[str, Any]) -> dict[str, Any]:
    for leftover in glob.glob(glob.escape(order.dest) + ".part-*"):
        shutil.rmtree(leftover)
    part = tempfile.mkdtemp(prefix=os.path.basename(order.dest) + ".part-", dir=os.path.dirname(order.dest))
    try:
        members, possible = _read_index(order)
        _judge_replacing(order.dest, possible)
        _judge_space(members, part)
        write_members(order.src, members, part, Progress(order.progress))
        os.chmod(part, 0o755)
        # One call for all: 118,000 single fsyncs take minutes, and a rename before the data is on the disk could show empty files.
        os.sync()
        done = {"files": len(members), "bytes": sum(member.info.file_size for member in members)}
        manifest.write(order.manifest, {**order.note, **wanted, **done, "source": os.path.basename(order.src)})
        _swap(part, order.dest)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return {"changed": True, **done}


def _read_index(order: Order) -> tuple[list[Member], set[str]]:
    try:
        with zipfile.ZipFile(order.src) as archive:
            return select(archive, order.src, os.path.getsize(order.src), order.selection)
    except FileNotFoundError:
        raise ArchiveRefused(f"There is no archive {order.src}. Fetch it first.") from None
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveRefused(f"{order.src} is not a zip that can be read ({error}). {FETCH_ANEW}") from None


def _judge_replacing(dest: str, possible: set[str]) -> None:
    """A folder of ours is replaced only when all in it came from such an archive."""
    foreign = sorted(set(manifest.files_below(dest)) - possible) if os.path.isdir(dest) else []
    if foreign:
        raise ArchiveRefused(
            f"{dest} is to be replaced and holds {len(foreign)} files that are not from the archive, the first is {foreign[0]!r}. "
            "Move them away, then run again.",
        )


def _judge_space(members: list[Member], folder: str) -> None:
    disk = os.statvfs(folder)
    free, block = disk.f_bavail * disk.f_frsize, disk.f_frsize
    needed = sum(-(-member.info.file_size // block) * block for member in members)
    if needed > free:
        raise ArchiveRefused(f"Extracting to {folder} needs {needed} bytes and {free} are free. Free some space, or choose another disk.")


def write_members(src: str, members: list[Member], folder: str, progress: Progress) -> None:
    """Write the members below the folder, block by block; zipfile compares each one's CRC when its last byte has been read.

    Raises:
        ArchiveRefused: a member's bytes are not what the archive says.
    """
    started, total = time.monotonic(), len(members)
    with zipfile.ZipFile(src) as archive:
        for number, member in enumerate(members, 1):
            target = os.path.join(folder, *member.path.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _write_member(archive, member, target, src)
            progress.report("extract", number, total, number / max(time.monotonic() - started, 1e-3))


def _write_member(archive: zipfile.ZipFile, member: Member, target: str, src: str) -> None:
    written = 0
    try:
        with archive.open(member.info) as source, open(target, "xb") as handle:
            for block in iter(lambda: source.read(BLOCK), b""):
                handle.write(block)
                written += len(block)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveRefused(f"{src} is damaged at {member.path!r}: {error}. {FETCH_ANEW}") from None
    if written != member.info.file_size:
        declared = member.info.file_size
        raise ArchiveRefused(f"{src} is damaged at {member.path!r}: {written} bytes where {declared} are declared. {FETCH_ANEW}")


def _swap(part: str, dest: str) -> None:
    """Give ``part`` the name ``dest``; a folder cannot be renamed onto one that is not empty."""
    old = f"{part}.old"
    with contextlib.suppress(FileNotFoundError):
        os.rename(dest, old)
    os.rename(part, dest)
    shutil.rmtree(old, ignore_errors=True)
