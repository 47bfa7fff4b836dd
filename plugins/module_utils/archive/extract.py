"""From a zip to a folder in one step: it is there whole and checked, or it is not there."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest, space
from ansible_collections.codetr.provision.plugins.module_utils.archive.ahead import Growing, empty, extract_ahead
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Entry, Member, Selection, select
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import WorkerKilled, Workers, chunks, processors, total
from ansible_collections.codetr.provision.plugins.module_utils.archive.worker import FETCH_ANEW, Writing
from ansible_collections.codetr.provision.plugins.module_utils.fetch.lock import Locked, lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress


@dataclass(frozen=True)
class Order:
    """What to extract and where.

    Attributes:
        src: the zip. It is believed to be the bytes of ``sha256``: whoever fetched it has hashed it.
        dest: the folder to make.
        manifest: path of the folder's manifest; the list of its files lies beside it.
        note: further keys for the manifest.
        progress: path of the progress file, or empty.
    """

    src: str
    dest: str
    sha256: str
    manifest: str
    selection: Selection = field(default_factory=Selection)
    note: dict[str, Any] = field(default_factory=dict)
    progress: str = ""


def extract(order: Order, growing: Growing | None = None, check: bool = False) -> dict[str, Any]:
    """Make ``order.dest`` the wanted folder: ``{"changed", "files", "bytes"}``; with ``check`` only say whether it would change.

    Args:
        growing: the archive while it is on its way to ``order.src``: what has arrived is extracted meanwhile.

    Raises:
        ArchiveRefused: it was not done; the text says why and what to do.
    """
    wanted = manifest.identity(order.sha256, order.selection)
    there = manifest.read(order.manifest)
    if there is not None and manifest.describes(there, wanted, order.dest):
        return {"changed": False, "files": there["files"], "bytes": there["bytes"]}
    if check:
        return {"changed": True, "files": None, "bytes": None}
    if os.path.lexists(order.dest) and there is None:
        raise ArchiveRefused(f"{order.dest} is there already and was not made by this project. Move it away, or choose another folder.")
    failed = f"{order.src} could not be extracted to {order.dest}"
    try:
        os.makedirs(os.path.dirname(order.dest), exist_ok=True)
        with lock(f"{order.dest}.lock"):
            return _extract(order, growing, wanted)
    except Locked:
        raise ArchiveRefused(f"Another run is extracting {order.dest} right now. Wait for it to end, then run again.") from None
    except WorkerKilled as killed:
        raise ArchiveRefused(f"{failed}: {killed}. Close what takes the memory, then run again.") from None
    except OSError as error:
        raise ArchiveRefused(f"{failed}: {error.strerror or error}. Mend that, then run again.") from error


def _extract(order: Order, growing: Growing | None, wanted: dict[str, Any]) -> dict[str, Any]:
    for leftover in glob.glob(glob.escape(order.dest) + ".part-*"):
        shutil.rmtree(leftover)
    part = tempfile.mkdtemp(prefix=os.path.basename(order.dest) + ".part-", dir=os.path.dirname(order.dest))
    report = Progress(order.progress).paced("extract")
    try:
        early = extract_ahead(growing, order.src, order.selection, part, report) if growing else set()
        members = _write_rest(order, part, early, report)
        os.chmod(part, 0o755)
        # One call for all: 118,000 single fsyncs take minutes, and a rename before the data is on the disk could show empty files.
        _sync_disk(part)
        rows = _listed(part, members)
        inventory.write(inventory.beside(order.manifest), rows)
        done = {"files": len(rows), "bytes": total(rows)}
        marks = {"fingerprint": inventory.fingerprint(rows), "source": os.path.basename(order.src)}
        manifest.write(order.manifest, {**order.note, **wanted, **done, **marks})
        _swap(part, order.dest)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return {"changed": True, **done}


def _write_rest(order: Order, part: str, early: set[Entry], report: Callable[[int, int], None]) -> list[Member]:
    """Judge the whole archive and write what is not there yet; all members that are in ``part`` then."""
    if not os.path.exists(order.src):
        raise ArchiveRefused(f"There is no archive {order.src}. Fetch it first.")
    with open(order.src, "rb") as archive:
        members = _read_index(order, archive)
        rest = [member for member in members if member.entry not in early]
        if len(rest) + len(early) != len(members):
            # Something that came early is not what the archive says that it holds.
            empty(part)
            rest = members
        _check_space(rest, part)
        whole = total(members)
        done = whole - total(rest)
        report(done, whole)
        with Workers(Writing(archive.fileno(), order.src, part), processors()) as workers:
            for chunk, _unused in workers.each(chunks(rest)):
                done += total(chunk)
                report(done, whole)
    return members


def _read_index(order: Order, archive: BinaryIO) -> list[Member]:
    try:
        with zipfile.ZipFile(archive) as index:
            members, possible = select(index, order.src, os.fstat(archive.fileno()).st_size, order.selection)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveRefused(f"{order.src} is not a zip that can be read ({error}). {FETCH_ANEW}") from None
    _check_replacing(order.dest, possible)
    return members


def _check_replacing(dest: str, possible: set[str]) -> None:
    """A folder of ours is replaced only when all in it came from such an archive."""
    foreign = sorted(set(manifest.files_below(dest)) - possible) if os.path.isdir(dest) else []
    if foreign:
        raise ArchiveRefused(
            f"{dest} is to be replaced and holds {len(foreign)} files that are not from the archive, the first is {foreign[0]!r}. "
            "Move them away, then run again.",
        )


def _check_space(members: list[Member], folder: str) -> None:
    needed, free = space.needed(members, folder), space.free(folder)
    if needed > free:
        raise ArchiveRefused(f"Extracting to {folder} needs {needed} bytes and {free} are free. Free some space, or choose another disk.")


def _sync_disk(folder: str) -> None:
    """Have the folder's file system write all that it holds back.

    Not ``os.sync``: that waits for every disk and network share of the host, and never tells that writing failed.
    """
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if library.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    finally:
        os.close(descriptor)


def _listed(part: str, members: list[Member]) -> list[inventory.Row]:
    """The rows of what was written. Taken when all is on the disk: a network share gives files their final times no earlier."""
    crcs = {member.path: member.entry.crc for member in members}
    rows = [row._replace(crc=crcs.pop(row.path, None)) for row in inventory.scan(part)]
    if crcs or any(row.crc is None for row in rows):
        raise ArchiveRefused(f"{part} does not have the files that were just written to it. Leave that folder alone and run again.")
    return rows


def _swap(part: str, dest: str) -> None:
    """Give ``part`` the name ``dest``; a folder cannot be renamed onto one that is not empty."""
    old = f"{part}.old"
    with contextlib.suppress(FileNotFoundError):
        os.rename(dest, old)
    os.rename(part, dest)
    shutil.rmtree(old, ignore_errors=True)
