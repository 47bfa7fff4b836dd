"""Extract a zip to a folder atomically: the folder is complete and verified, or absent."""

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
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Member, Selection, select
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import WorkerKilled, Workers, chunks, cpus, total
from ansible_collections.codetr.provision.plugins.module_utils.archive.worker import FETCH_AGAIN, Writing
from ansible_collections.codetr.provision.plugins.module_utils.fetch.lock import Locked, lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress


@dataclass(frozen=True)
class Order:
    """What to extract, and where.

    Attributes:
        src: the zip. The caller has verified its sha256.
        dest: the folder to create.
        manifest: path of the folder's manifest; the inventory of its files is beside it.
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


def extract(order: Order, check: bool = False) -> dict[str, Any]:
    """Extract to ``order.dest``: ``{"changed", "files", "bytes"}``; with ``check``, only report whether it would change.

    Raises:
        ArchiveRefused: it was not extracted; the text says why and how to fix it.
    """
    identity = manifest.identity(order.sha256, order.selection)
    existing = manifest.read(order.manifest)
    if existing is not None and manifest.describes(existing, identity, order.dest):
        return {"changed": False, "files": existing["files"], "bytes": existing["bytes"]}
    if check:
        return {"changed": True, "files": None, "bytes": None}
    if os.path.lexists(order.dest) and existing is None:
        raise ArchiveRefused(f"{order.dest} exists and was not created by this project. Move it away, or choose another folder.")
    failed = f"{order.src} could not be extracted to {order.dest}"
    try:
        os.makedirs(os.path.dirname(order.dest), exist_ok=True)
        with lock(f"{order.dest}.lock"):
            return _extract(order, identity)
    except Locked:
        raise ArchiveRefused(f"Another run is extracting {order.dest} right now. Wait for it to end, then run again.") from None
    except WorkerKilled as killed:
        raise ArchiveRefused(f"{failed}: {killed}. Free some memory, then run again.") from None
    except OSError as error:
        raise ArchiveRefused(f"{failed}: {error.strerror or error}. Fix that, then run again.") from error


def _extract(order: Order, identity: dict[str, Any]) -> dict[str, Any]:
    for leftover in glob.glob(glob.escape(order.dest) + ".part-*"):
        shutil.rmtree(leftover)
    part = tempfile.mkdtemp(prefix=os.path.basename(order.dest) + ".part-", dir=os.path.dirname(order.dest))
    report = Progress(order.progress).paced("extract")
    try:
        members = _write(order, part, report)
        os.chmod(part, 0o755)
        # One call for all files: 118,000 fsyncs take minutes, and a rename before the sync could leave empty files after a power cut.
        _sync_disk(part)
        rows = _listed(part, members)
        inventory.write(inventory.beside(order.manifest), rows)
        done = {"files": len(rows), "bytes": total(rows)}
        origin = {"fingerprint": inventory.fingerprint(rows), "source": os.path.basename(order.src)}
        manifest.write(order.manifest, {**order.note, **identity, **done, **origin})
        _swap(part, order.dest)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return {"changed": True, **done}


def _write(order: Order, part: str, report: Callable[[int, int], None]) -> list[Member]:
    """Validate the archive, extract its members to ``part``, and return them."""
    if not os.path.exists(order.src):
        raise ArchiveRefused(f"The archive {order.src} does not exist. Fetch it first.")
    with open(order.src, "rb") as archive:
        members = _read_index(order, archive)
        _check_space(members, part)
        done, whole = 0, total(members)
        report(done, whole)
        with Workers(Writing(archive.fileno(), order.src, part), cpus()) as workers:
            for chunk, _unused in workers.each(chunks(members)):
                done += total(chunk)
                report(done, whole)
    return members


def _read_index(order: Order, archive: BinaryIO) -> list[Member]:
    try:
        with zipfile.ZipFile(archive) as index:
            members, possible = select(index, order.src, os.fstat(archive.fileno()).st_size, order.selection)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveRefused(f"{order.src} is not a valid zip ({error}). {FETCH_AGAIN}") from None
    _check_replacing(order.dest, possible)
    return members


def _check_replacing(dest: str, possible: set[str]) -> None:
    """Refuse to replace a folder with files that are not from the archive."""
    foreign = sorted(set(manifest.files_below(dest)) - possible) if os.path.isdir(dest) else []
    if foreign:
        raise ArchiveRefused(
            f"{dest} is to be replaced but holds {len(foreign)} files not from the archive, first {foreign[0]!r}. "
            "Move them away, then run again.",
        )


def _check_space(members: list[Member], folder: str) -> None:
    needed, free = space.needed(members, folder), space.free(folder)
    if needed > free:
        fix = "Free some space, or choose another disk"
        raise ArchiveRefused(f"Extracting to {folder} needs {needed} bytes, but only {free} are free. {fix}.")


def _sync_disk(folder: str) -> None:
    """Sync the folder's file system.

    Not ``os.sync``, which waits for every disk and network share of the host and never reports a failed write.
    """
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if library.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    finally:
        os.close(descriptor)


def _listed(part: str, members: list[Member]) -> list[inventory.Row]:
    """Take the inventory of the extracted files. Only after the sync: a network share sets the final times no earlier."""
    crcs = {member.path: member.entry.crc for member in members}
    rows = [row._replace(crc=crcs.pop(row.path, None)) for row in inventory.scan(part)]
    if crcs or any(row.crc is None for row in rows):
        raise ArchiveRefused(f"{part} does not have the files that were just written to it. Do not change that folder, and run again.")
    return rows


def _swap(part: str, dest: str) -> None:
    """Rename ``part`` to ``dest``; an existing folder must be moved away first."""
    old = f"{part}.old"
    with contextlib.suppress(FileNotFoundError):
        os.rename(dest, old)
    os.rename(part, dest)
    shutil.rmtree(old, ignore_errors=True)
