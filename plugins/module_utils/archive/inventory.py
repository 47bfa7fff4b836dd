"""The files of a folder, one row each: a later look sees a missing or changed one by ``stat``, without reading 20 GB."""

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
    """The files could not all be read. The text is for people: what happened and what to do."""


class Row(NamedTuple):
    """One file.

    Attributes:
        path: relative to the folder.
        size: bytes.
        crc: of its bytes, or None where they were not read.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    crc: int | None = None


@dataclass
class Difference:
    """How files differ from what is recorded, by sorted paths; ``touched`` have their size and other times: their bytes may differ."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)


def beside(manifest: str) -> str:
    """Where the list of the manifest at that path lies."""
    return (manifest[: -len(".json")] if manifest.endswith(".json") else manifest) + ".files"


def scan(folder: str, names: Iterable[str] | None = None) -> list[Row]:
    """The files below the folder as they are now, unread.

    Links to files are followed; a sub-folder that is a link is not entered: it could lead in a circle.

    Args:
        names: look only at these, in a folder that others share; those that are not there have no row.

    Raises:
        OSError: the folder or one below it cannot be listed.
    """
    looks = _below(folder) if names is None else ((name, partial(os.stat, os.path.join(folder, name))) for name in names)
    rows = []
    for path, look in looks:
        try:
            found = look()
        except OSError:
            # Gone meanwhile, or a link that leads nowhere: there is no such file for anybody who reads the data either.
            continue
        if stat.S_ISREG(found.st_mode):
            rows.append(Row(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return rows


def _below(folder: str) -> Iterator[tuple[str, Callable[[], os.stat_result]]]:
    """Every path below the folder that is no folder, and how to look at what is there."""
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
    """One sha256 over names, sizes and times of all, in whatever order they come; CRCs do not count."""
    # No name has a NUL, so no two lists of files give the same text.
    lines = sorted(f"{path}\0{size}\0{mtime}\0{ctime}\0" for path, size, mtime, ctime, _unused in rows)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def write(path: str, rows: Iterable[Row]) -> None:
    """Replace the list as a whole, on the disk before this returns."""
    replace_text(path, (f"{HEADING}\n", *map(_line, sorted(rows))))


def _line(row: Row) -> str:
    crc = "-" if row.crc is None else f"{row.crc:08x}"
    path = row.path.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{row.size} {row.mtime_ns} {row.ctime_ns} {crc} {path}\n"


def read(path: str) -> list[Row] | None:
    """The list, or None where there is none that can be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
            return [_parsed(line) for line in handle if not line.startswith("#")]
    except (OSError, ValueError):
        return None


def _parsed(line: str) -> Row:
    size, mtime, ctime, crc, path = line.split(" ", 4)
    if not path.endswith("\n"):
        raise ValueError("the list is cut short")
    spelled = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], path[:-1])
    return Row(spelled, int(size), int(mtime), int(ctime), None if crc == "-" else int(crc, 16))


def compare(recorded: Iterable[Row], now: Iterable[Row]) -> Difference:
    """What has become of the recorded files."""
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
    """The files, by sorted path, whose bytes do not have the size and CRC of their row, or that cannot be read.

    Args:
        workers: how many processes read.
        on_progress: called with bytes read and bytes in all.

    Raises:
        InventoryFailed: a process that read was killed.
    """
    read_now = _crcs(folder, list(rows), workers, on_progress)
    return sorted(row.path for row, crc in read_now if crc is None or crc != row.crc)


def take(folder: str, workers: int, on_progress: Callable[[int, int], None], names: Iterable[str] | None = None) -> list[Row]:
    """The rows of files that somebody else put there, with their CRCs: reads everything once. Arguments as for ``scan`` and ``recheck``.

    Raises:
        InventoryFailed: one cannot be read or is being written to, or a process that read was killed.
        OSError: the folder or one below it cannot be listed.
    """
    rows = [row._replace(crc=crc) for row, crc in _crcs(folder, scan(folder, names), workers, on_progress)]
    unread = sorted(row.path for row in rows if row.crc is None)
    if unread:
        what = f"{len(unread)} files in {folder} cannot be read, or are being written to, the first is {unread[0]}"
        raise InventoryFailed(f"{what}. Make them readable for the user who runs this, leave them alone meanwhile, and run again.")
    return rows


def _crcs(folder: str, rows: list[Row], workers: int, on_progress: Callable[[int, int], None]) -> Iterator[tuple[Row, int | None]]:
    """Each row with the CRC of the file as it is now; None where it cannot be read, or has another size."""
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
    """What a worker does."""
    buffer = memoryview(bytearray(BLOCK))
    return [_crc(os.path.join(folder, row.path), row.size, buffer) for row in rows]


def _crc(path: str, size: int, buffer: memoryview) -> int | None:
    crc = done = 0
    try:
        # Of a pipe that took a file's name, this waits for nobody.
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
