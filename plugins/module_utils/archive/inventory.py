"""The inventory of a folder, one row per file: finds a missing or changed file by ``stat``, without reading 20 GB."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, NamedTuple

from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import WorkerKilled, Workers, chunks, total
from ansible_collections.codetr.provision.plugins.module_utils.archive.worker import BLOCK
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text

HEADING = "# size in bytes, mtime and ctime in nanoseconds, crc32, path"


class InventoryFailed(Exception):
    """A file could not be read. The text is a message for users: what happened and how to fix it."""


class Row(NamedTuple):
    """One file.

    Attributes:
        path: relative to the folder.
        size: bytes.
        crc: of its bytes, or None where it was not read.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    crc: int | None = None


@dataclass
class Difference:
    """Differences from the inventory, as sorted paths. ``touched`` files have the same size but other times."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)


def beside(manifest: str) -> str:
    """Return the path of the inventory that belongs to a manifest."""
    return (manifest[: -len(".json")] if manifest.endswith(".json") else manifest) + ".files"


def scan(folder: str, names: Iterable[str] | None = None) -> list[Row]:
    """List the files below the folder, without reading them.

    Links to files are followed; links to folders are not, because they could form a loop.

    Args:
        names: list only these, in a shared folder; missing ones have no row.

    Raises:
        OSError: the folder or one below it cannot be listed.
    """
    candidates = _below(folder) if names is None else ((name, partial(os.stat, os.path.join(folder, name))) for name in names)
    rows = []
    for path, status_of in candidates:
        try:
            found = status_of()
        except OSError:
            # Removed meanwhile, or a dangling link: no reader of the data can open it either.
            continue
        if stat.S_ISREG(found.st_mode):
            rows.append(Row(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return rows


def _below(folder: str) -> Iterator[tuple[str, Callable[[], os.stat_result]]]:
    """Yield every path below the folder that is not a folder, with a function that returns its ``stat``."""
    prefixes = [""]
    while prefixes:
        prefix = prefixes.pop()
        with os.scandir(os.path.join(folder, prefix)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    prefixes.append(f"{prefix}{entry.name}/")
                else:
                    yield prefix + entry.name, entry.stat


def fingerprint(rows: Iterable[Row]) -> str:
    """Return a sha256 over names, sizes and times of all rows, in any order; CRCs are not included."""
    # Names cannot contain NUL, so the text is unambiguous.
    lines = sorted(f"{path}\0{size}\0{mtime}\0{ctime}\0" for path, size, mtime, ctime, _unused in rows)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def write(path: str, rows: Iterable[Row]) -> None:
    """Replace the inventory atomically; it is synced before this returns."""
    replace_text(path, (f"{HEADING}\n", *map(_line, sorted(rows))))


def _line(row: Row) -> str:
    crc = "-" if row.crc is None else f"{row.crc:08x}"
    path = row.path.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{row.size} {row.mtime_ns} {row.ctime_ns} {crc} {path}\n"


def read(path: str) -> list[Row] | None:
    """Read the inventory; None where it is missing or invalid."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
            return [_parsed(line) for line in handle if not line.startswith("#")]
    except (OSError, ValueError):
        return None


def _parsed(line: str) -> Row:
    size, mtime, ctime, crc, path = line.split(" ", 4)
    if not path.endswith("\n"):
        raise ValueError("the inventory is truncated")
    spelled = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], path[:-1])
    return Row(spelled, int(size), int(mtime), int(ctime), None if crc == "-" else int(crc, 16))


def compare(recorded: Iterable[Row], now: Iterable[Row]) -> Difference:
    """Compare the recorded files with the current ones."""
    before = {row.path: row for row in recorded}
    difference = Difference()
    for row in sorted(now):
        old = before.pop(row.path, None)
        if old is None:
            difference.extra.append(row.path)
        elif old.size != row.size:
            difference.resized.append(row.path)
        elif (old.mtime_ns, old.ctime_ns) != (row.mtime_ns, row.ctime_ns):
            difference.touched.append(row.path)
    difference.missing = sorted(before)
    return difference


def recheck(folder: str, rows: Iterable[Row], workers: int, on_progress: Callable[[int, int], None]) -> list[str]:
    """Return the sorted paths of files that differ from their row in size or CRC, or that cannot be read.

    Args:
        workers: number of reading processes.
        on_progress: called with bytes read and bytes in total.

    Raises:
        InventoryFailed: a reading process was killed.
    """
    read_now = _crcs(folder, list(rows), workers, on_progress)
    return sorted(row.path for row, crc in read_now if crc is None or crc != row.crc)


def take(folder: str, workers: int, on_progress: Callable[[int, int], None], names: Iterable[str] | None = None) -> list[Row]:
    """Take the inventory of a folder that was not extracted here, reading everything once. Arguments as for ``scan`` and ``recheck``.

    Raises:
        InventoryFailed: a file cannot be read or is being written to, or a reading process was killed.
        OSError: the folder or one below it cannot be listed.
    """
    rows = [row._replace(crc=crc) for row, crc in _crcs(folder, scan(folder, names), workers, on_progress)]
    unread = sorted(row.path for row in rows if row.crc is None)
    if unread:
        what = f"{len(unread)} files in {folder} cannot be read, or are being written to, first {unread[0]}"
        raise InventoryFailed(f"{what}. Make them readable for the user who runs this, do not change them meanwhile, and run again.")
    return rows


def _crcs(folder: str, rows: list[Row], workers: int, on_progress: Callable[[int, int], None]) -> Iterator[tuple[Row, int | None]]:
    """Yield each row with the current CRC of the file; None where it cannot be read or has another size."""
    done, whole = 0, total(rows)
    try:
        with Workers(partial(_read, folder), workers) as pool:
            for chunk, crcs in pool.each(chunks(rows)):
                yield from zip(chunk, crcs)
                done += total(chunk)
                on_progress(done, whole)
    except WorkerKilled as killed:
        raise InventoryFailed(f"The files in {folder} could not all be read: {killed}. Run again.") from None


def _read(folder: str, rows: list[Row]) -> list[int | None]:
    """Read the files of some rows, in a worker process."""
    buffer = memoryview(bytearray(BLOCK))
    return [_crc(os.path.join(folder, row.path), row.size, buffer) for row in rows]


def _crc(path: str, size: int, buffer: memoryview) -> int | None:
    crc = done = 0
    try:
        # O_NONBLOCK, so that a pipe in place of the file does not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            while done <= size:
                count = os.readv(descriptor, [buffer])
                if not count:
                    return crc if done == size else None
                crc, done = zlib.crc32(buffer[:count], crc), done + count
        finally:
            os.close(descriptor)
    except OSError:
        pass
    return None
