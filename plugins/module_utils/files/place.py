"""Write the files of one archive on the host, remove those that are no longer wanted, and leave all others alone."""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import os
import stat
import zlib
from typing import Any, Iterator

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_bytes

MAX_FILES = 1000
MAX_BYTES = 8 << 20
# Of one run; longer texts are no help, and whatever is registered keeps them.
MAX_DIFF_BYTES = 20_000


class PlaceError(Exception):
    """The files cannot be written; the text says why, and what to do."""


def unpack(manifest: list[dict[str, Any]], archive: str) -> list[dict[str, Any]]:
    """The manifest's entries with their ``data``.

    Raises:
        PlaceError: the archive is damaged, larger than it may be, or not the manifest's.
    """
    if len(manifest) > MAX_FILES or sum(entry["size"] for entry in manifest) > MAX_BYTES:
        raise PlaceError(f"The archive may hold {MAX_FILES} files and {MAX_BYTES} bytes, and its manifest lists more.")
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(archive or "", validate=True), MAX_BYTES + 1) if archive else b""
    except (zlib.error, binascii.Error) as error:
        raise PlaceError(f"The archive is damaged: {error}. Run again.") from error
    entries, start = [], 0
    for entry in manifest:
        part = data[start : start + entry["size"]]
        if hashlib.sha256(part).hexdigest() != entry["sha256"]:
            raise PlaceError(f"{entry['path']} did not arrive whole: its sha256 is not {entry['sha256']}. Run again.")
        entries.append(dict(entry, data=part))
        start += entry["size"]
    if start != len(data):
        raise PlaceError("The archive holds more than its manifest lists. Run again.")
    return entries


def place(
    roots: list[str], folders: list[str], entries: list[dict[str, Any]], absent: list[str], check_mode: bool, with_diff: bool
) -> dict[str, Any]:
    """Make the host's files as the entries say, as the user that this process runs as.

    No link below a root is followed. A file is replaced atomically; one whose content, mode and owner are right is not touched.

    Args:
        roots: folders that all files must be below.
        folders: folders to make.
        entries: see ``unpack``.
        absent: files to remove.

    Returns:
        ``made``, ``written`` and ``removed`` with paths, and ``diff``.
    """
    # Folders are made for everybody to read, whatever the user's own habit is.
    umask = os.umask(0o022)
    try:
        return _place(roots, folders, entries, absent, check_mode, with_diff)
    finally:
        os.umask(umask)


def _place(
    roots: list[str], folders: list[str], entries: list[dict[str, Any]], absent: list[str], check_mode: bool, with_diff: bool
) -> dict[str, Any]:
    made = [path for path in folders if not os.path.isdir(path)]
    written, removed, diff, room = [], [], [], MAX_DIFF_BYTES
    if not check_mode:
        for path in made:
            os.makedirs(path, 0o755, exist_ok=True)
    for entry in entries:
        with _parent(entry["path"], roots, make=not check_mode) as (folder, name):
            old, right = _current(folder, name, entry)
            if right:
                continue
            written.append(entry["path"])
            if with_diff:
                diff.append(_difference(entry["path"], old, entry["data"], room))
                room -= sum(len(diff[-1][key]) for key in ("before", "after"))
            if not check_mode:
                _write(folder, name, entry["data"], int(entry["mode"], 8))
    for path in absent:
        with _parent(path, roots, make=False) as (folder, name):
            if _type(folder, name) is None:
                continue
            removed.append(path)
            if not check_mode:
                os.unlink(name, dir_fd=folder)
    return {"made": made, "written": written, "removed": removed, "diff": diff}


@contextlib.contextmanager
def _parent(path: str, roots: list[str], make: bool) -> Iterator[tuple]:
    """An open descriptor of a file's folder, None where there is no such folder, and the file's name.

    Raises:
        PlaceError: the file is below none of the roots, or a folder on the way is a link or a file.
    """
    above = [root for root in roots if path.startswith(root.rstrip("/") + "/")]
    root = max(above, key=len, default="")
    parts = path[len(root) :].strip("/").split("/")
    if not root or any(part in ("", ".", "..") for part in parts):
        raise PlaceError(f"{path} is below none of {', '.join(roots)}.")
    opened: list[int] = []
    try:
        if make:
            os.makedirs(root, 0o755, exist_ok=True)
        folder = _open(opened, root, None, path)
        for part in parts[:-1]:
            if make and folder is not None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
            folder = None if folder is None else _open(opened, part, folder, path)
        yield folder, parts[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _open(opened: list[int], name: str, parent: int | None, path: str) -> int | None:
    """Open a folder, without following a link below the root, and note it in ``opened``; None where there is none."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if parent is None else os.O_NOFOLLOW)
    try:
        opened.append(os.open(name, flags, dir_fd=parent))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            what = f"{path} cannot be written: {name} is a link or no folder, and links are not followed."
            raise PlaceError(f"{what} Move it away, then run again.") from None
        raise
    return opened[-1]


def _type(folder: int | None, name: str) -> int | None:
    """The type bits of what has this name, None where nothing has."""
    if folder is None:
        return None
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _current(folder: int | None, name: str, entry: dict[str, Any]) -> tuple:
    """The bytes of the file as it is (None where there is none that can be read), and whether it is as the entry says."""
    kind = _type(folder, name)
    if kind == stat.S_IFDIR:
        raise PlaceError(f"{entry['path']} is a folder. Move it away, then run again.")
    if kind != stat.S_IFREG:
        return None, False
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:
        return None, False
    with os.fdopen(descriptor, "rb") as handle:
        status = os.fstat(handle.fileno())
        data = handle.read(MAX_BYTES + 1)
    right = data == entry["data"] and stat.S_IMODE(status.st_mode) == int(entry["mode"], 8) and status.st_uid == os.geteuid()
    return data, right


def _write(folder: int, name: str, data: bytes, mode: int) -> None:
    """Replace the file in an open folder. Not synced to the disk: the next probe compares the file's hash anyway."""
    replace_bytes(f"/proc/self/fd/{folder}/{name}", [data], mode, sync=False)


def _difference(path: str, old: bytes | None, new: bytes, room: int) -> dict[str, str]:
    """What ``--diff`` shows of one file: both texts of one that changes, and only the size of a new one."""
    shown = {"before": "" if old is None else f"({len(old)} bytes)\n", "after": f"({len(new)} bytes)\n"}
    if old is not None and len(old) + len(new) <= room:
        with contextlib.suppress(UnicodeDecodeError):
            shown = {"before": old.decode("utf-8"), "after": new.decode("utf-8")}
    return dict(shown, before_header=path, after_header=path)
