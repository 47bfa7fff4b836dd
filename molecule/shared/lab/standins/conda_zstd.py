"""Zstandard's container without its compression: Python 3.11 cannot compress so, and a frame may hold its data as it is."""

from __future__ import annotations

import struct

# RFC 8878: magic number; a header with the content's size in four bytes; a window of one MiB.
_MAGIC, _HEADER, _WINDOW = 0xFD2FB528, 0x80, 0x50
_BLOCK = 128 * 1024


def stored(data: bytes) -> bytes:
    """A frame of raw blocks that any decoder turns back into data."""
    parts = [struct.pack("<IBBI", _MAGIC, _HEADER, _WINDOW, len(data))]
    for start in range(0, len(data), _BLOCK) or (0,):
        block = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        parts += [(len(block) << 3 | last).to_bytes(3, "little"), block]
    return b"".join(parts)
