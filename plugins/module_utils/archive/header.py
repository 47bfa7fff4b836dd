"""The local header before each member's bytes: read where the central directory points, or before there is one."""

from __future__ import annotations

import struct
from typing import Callable, NamedTuple

from ansible_collections.codetr.provision.plugins.module_utils.archive.members import LOCAL_HEADER_BYTES, Entry

ENCODED_UTF8, DATA_DESCRIPTOR = 0x800, 0x8
# In a 32 bit field: the real number is in the zip64 extra field.
WIDE, ZIP64 = 0xFFFFFFFF, 1
_LAYOUT = struct.Struct("<4s5H3L2H")


class HeaderWrong(Exception):
    """There is no local header that could be read. The text is a clause."""


class Local(NamedTuple):
    """A local header. Where its flags have ``DATA_DESCRIPTOR``, CRC and sizes in it mean nothing.

    Attributes:
        start: where the member's bytes begin, in bytes from the archive's start.
    """

    entry: Entry
    flags: int
    start: int


def read_local(read: Callable[[int, int], bytes | memoryview], offset: int) -> Local:
    """The local header at ``offset``.

    Args:
        read: bytes of the archive by offset and length; fewer where it ends.

    Raises:
        HeaderWrong: that is none.
        EOFError: the bytes end before it does.
    """
    fields = _LAYOUT.unpack(_whole(read, offset, LOCAL_HEADER_BYTES))
    signature, _version, flags, method, _time, _date, crc, packed, size, name_bytes, extra_bytes = fields
    if signature != b"PK\3\4":
        raise HeaderWrong("there is no member's header at its place")
    tail = bytes(_whole(read, offset + LOCAL_HEADER_BYTES, name_bytes + extra_bytes))
    try:
        name = tail[:name_bytes].decode("utf-8" if flags & ENCODED_UTF8 else "cp437")
    except UnicodeDecodeError:
        raise HeaderWrong("the name in its header is not text") from None
    if WIDE in (packed, size):
        size, packed = _widened(tail[name_bytes:], size, packed)
    return Local(Entry(name, method, crc, packed, size, offset), flags, offset + LOCAL_HEADER_BYTES + len(tail))


def _whole(read: Callable[[int, int], bytes | memoryview], offset: int, length: int) -> bytes | memoryview:
    found = read(offset, length)
    if len(found) < length:
        raise EOFError("the archive ends in its header")
    return found


def _widened(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """Both numbers, each from the zip64 extra field where its own field was too narrow."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == ZIP64:
            numbers = [number for (number,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
            wide = [number == WIDE for number in (size, packed)]
            if len(numbers) < sum(wide):
                raise HeaderWrong("its header is cut short where the large sizes should be")
            return (numbers.pop(0) if wide[0] else size, numbers.pop(0) if wide[1] else packed)
    return size, packed
