"""Reading aria2's control file: which bytes of a download are on the disk.

The format is described in the technical notes of aria2's manual (https://aria2.github.io/manual/en/html/technical-notes.html).
aria2 writes a new control file under another name and renames it, so that a reader never sees half of one. Tried out with
``--disk-cache=0``: each piece whose bit is set could be read from the file, while aria2 ran, after ``kill -9``, and after going on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BLOCK = 16 << 10


@dataclass(frozen=True)
class Control:
    """What a control file says, in bytes.

    Attributes:
        total: of the whole file.
        prefix: from the start, without a gap.
        done: anywhere, in whole pieces and in pieces that are on their way.
    """

    total: int
    prefix: int
    done: int


def read(path: str) -> Control | None:
    """The control file at ``path``; None where there is none, or none that makes sense."""
    try:
        with open(path, "rb") as handle:
            return _parse(handle.read())
    except (OSError, struct.error):
        return None


def _parse(raw: bytes) -> Control | None:
    """The fields of version 1; version 0 has them in the byte order of the machine and was last written in 2009."""
    version, _unused, hash_length = struct.unpack_from(">HII", raw)
    at = 10 + hash_length
    piece, total, _unused, length = struct.unpack_from(">IQQI", raw, at)
    at += 24
    if version != 1 or not piece or not total or length != (-(-total // piece) + 7) // 8:
        return None
    bits = raw[at : at + length]
    (on_their_way,) = struct.unpack_from(">I", raw, at + length)
    at += length + 4
    partial = 0
    for _unused in range(on_their_way):
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
    """How many bits are set before the first one that is not; the highest bit of a byte comes first."""
    text = bin(int.from_bytes(b"\x01" + bits, "big"))[3:]
    return len(text) - len(text.lstrip("1"))
