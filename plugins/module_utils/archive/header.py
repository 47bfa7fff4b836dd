"""Parse the local header of a member."""

from __future__ import annotations

import struct
from typing import Callable, NamedTuple

from ansible_collections.codetr.provision.plugins.module_utils.archive.members import LOCAL_HEADER_BYTES, Entry

ENCODED_UTF8, DATA_DESCRIPTOR = 0x800, 0x8
# A 32-bit field with this value: the number is in the zip64 extra field.
WIDE, ZIP64 = 0xFFFFFFFF, 1
_LAYOUT = struct.Struct("<4s5H3L2H")


class HeaderWrong(Exception):
    """The local header is missing or invalid. The text is a clause."""


class Local(NamedTuple):
    """A local header. With the flag ``DATA_DESCRIPTOR``, its CRC and sizes are meaningless.

    Attributes:
        start: offset of the member's bytes in the archive.
    """

    entry: Entry
    flags: int
    start: int


def read_local(read: Callable[[int, int], bytes | memoryview], offset: int) -> Local:
    """Read the local header at ``offset``.

    Args:
        read: returns bytes of the archive by offset and length; fewer at its end.

    Raises:
        HeaderWrong: it is missing or invalid.
        EOFError: the archive ends before the header does.
    """
    fields = _LAYOUT.unpack(_whole(read, offset, LOCAL_HEADER_BYTES))
    signature, _version, flags, method, _time, _date, crc, packed, size, name_bytes, extra_bytes = fields
    if signature != b"PK\3\4":
        raise HeaderWrong("its local header is missing")
    tail = bytes(_whole(read, offset + LOCAL_HEADER_BYTES, name_bytes + extra_bytes))
    try:
        name = tail[:name_bytes].decode("utf-8" if flags & ENCODED_UTF8 else "cp437")
    except UnicodeDecodeError:
        raise HeaderWrong("the name in its header is not valid text") from None
    if WIDE in (packed, size):
        size, packed = _widened(tail[name_bytes:], size, packed)
    return Local(Entry(name, method, crc, packed, size, offset), flags, offset + LOCAL_HEADER_BYTES + len(tail))


def _whole(read: Callable[[int, int], bytes | memoryview], offset: int, length: int) -> bytes | memoryview:
    found = read(offset, length)
    if len(found) < length:
        raise EOFError("the archive ends in its header")
    return found


def _widened(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """Return both sizes, taken from the zip64 extra field where the 32-bit field is too narrow."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == ZIP64:
            numbers = [number for (number,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
            wide = [number == WIDE for number in (size, packed)]
            if len(numbers) < sum(wide):
                raise HeaderWrong("its zip64 extra field is truncated")
            return (numbers.pop(0) if wide[0] else size, numbers.pop(0) if wide[1] else packed)
    return size, packed
