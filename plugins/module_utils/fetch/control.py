"""Read aria2's control file: which bytes of a download are on the disk.

The format is described in the technical notes of aria2's manual (https://aria2.github.io/manual/en/html/technical-notes.html).
aria2 writes a new control file under another name and renames it, so a reader never sees a partial one. Tested with
``--disk-cache=0``: each piece whose bit is set could be read from the file, while aria2 ran, after ``kill -9``, and after resuming.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BLOCK = 16 << 10


@dataclass(frozen=True)
class Control:
    """The content of a control file, in bytes.

    Attributes:
        total: size of the whole file.
        prefix: bytes from the start, without a gap.
        done: bytes anywhere, in complete pieces and in pieces in progress.
    """

    total: int
    prefix: int
    done: int


def read(path: str) -> Control | None:
    """Read the control file at ``path``; None where it is missing or invalid."""
    try:
        with open(path, "rb") as handle:
            return _parse(handle.read())
    except (OSError, struct.error):
        return None


def _parse(raw: bytes) -> Control | None:
    """Parse version 1; version 0 uses the byte order of the host and was last written in 2009."""
    version, _unused, hash_length = struct.unpack_from(">HII", raw)
    at = 10 + hash_length
    piece, total, _unused, length = struct.unpack_from(">IQQI", raw, at)
    at += 24
    if version != 1 or not piece or not total or length != (-(-total // piece) + 7) // 8:
        return None
    bits = raw[at : at + length]
    (in_progress,) = struct.unpack_from(">I", raw, at + length)
    at += length + 4
    partial = 0
    for _unused in range(in_progress):
        _unused, size, length = struct.unpack_from(">III", raw, at)
        at += 12
        partial += min(_count(raw[at : at + length]) * BLOCK, size)
        at += length
    if at > len(raw):
        return None
    return Control(total, min(_leading(bits) * piece, total), min(_count(bits) * piece + partial, total))


def _count(bits: bytes) -> int:
    return bin(int.from_bytes(bits, "big")).count("1")


def _leading(bits: bytes) -> int:
    """Count the bits set before the first unset one; the highest bit of a byte comes first."""
    text = bin(int.from_bytes(b"\x01" + bits, "big"))[3:]
    return len(text) - len(text.lstrip("1"))
