"""Read and retarget the library search path of ELF files, so that an interpreter can move to another folder."""

from __future__ import annotations

import re
import struct
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 0, 5, 15, 29
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_DYNAMIC_ENTRY = struct.Struct("<QQ")


def is_elf(path: Path) -> bool:
    """True for a 64-bit little-endian ELF file, the only kind that the lab's hosts run."""
    with path.open("rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def minimum_glibc(path: Path) -> tuple[int, int]:
    """The newest glibc symbol version that the file asks for, (0, 0) if none."""
    versions = {(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", path.read_bytes())}
    return max(versions, default=(0, 0))


def set_search_path(path: Path, search_path: str) -> bool:
    """Overwrite the search path recorded in an ELF file, in place.

    The entry becomes DT_RPATH, because DT_RUNPATH is not inherited by the libraries of a library.

    Returns:
        False when the file records no search path; nothing is changed then.

    Raises:
        ValueError: the recorded string is shorter than the new one, so that there is no room.
    """
    data = bytearray(path.read_bytes())
    segments = _segments(data)
    dynamic = next((segment for segment in segments if segment[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return False
    entries = _dynamic_entries(data, dynamic[1], dynamic[3])
    strings = next((value for _, tag, value in entries if tag == _DT_STRTAB), None)
    recorded = [(at, value) for at, tag, value in entries if tag in (_DT_RPATH, _DT_RUNPATH)]
    if strings is None or not recorded:
        return False
    for at, value in recorded:
        start = _file_offset(segments, strings) + value
        end = data.index(b"\0", start)
        new = search_path.encode()
        if len(new) > end - start:
            raise ValueError(f"{path}: no room to replace the search path {data[start:end].decode()!r} by {search_path!r}")
        data[start:end] = new.ljust(end - start, b"\0")
        _DYNAMIC_ENTRY.pack_into(data, at, _DT_RPATH, value)
    path.write_bytes(data)
    return True


def _segments(data: bytearray) -> list[tuple[int, int, int, int]]:
    """(type, file offset, virtual address, bytes in the file) of each program header."""
    (table,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    found = []
    for number in range(count):
        kind, _, offset, address, _, length, _, _ = _PROGRAM_HEADER.unpack_from(data, table + number * size)
        found.append((kind, offset, address, length))
    return found


def _dynamic_entries(data: bytearray, offset: int, length: int) -> list[tuple[int, int, int]]:
    """(file offset, tag, value) of each entry of the dynamic section, up to its end mark."""
    entries = []
    for at in range(offset, offset + length, _DYNAMIC_ENTRY.size):
        tag, value = _DYNAMIC_ENTRY.unpack_from(data, at)
        if tag == _DT_NULL:
            break
        entries.append((at, tag, value))
    return entries


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    """Where a virtual address lies in the file."""
    for kind, offset, start, length in segments:
        if kind == _PT_LOAD and start <= address < start + length:
            return offset + address - start
    raise ValueError(f"address {address:#x} is in no segment of the file")
