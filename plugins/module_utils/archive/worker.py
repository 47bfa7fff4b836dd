"""Extract members in a worker process, verifying size and CRC, in bounded memory."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.codetr.provision.plugins.module_utils.archive.header import DATA_DESCRIPTOR, HeaderWrong, read_local
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import STORED, ArchiveRefused, Entry, Member

BLOCK = 1 << 20
# Small, because zlib copies the unused rest of its input for each block of output.
PACKED_BLOCK = 1 << 16
FETCH_AGAIN = "Remove it and run again; it is then fetched again."


class _Damaged(Exception):
    """The member is damaged. The text is a clause."""


class Window:
    """A buffered view of a file: many small members need only one read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = memoryview(bytearray(BLOCK))
        self._start = self._end = 0

    def view(self, offset: int, length: int) -> memoryview:
        """``length`` bytes (at most ``BLOCK``) from ``offset``, valid until the next call; fewer at the end of the file."""
        if not self._start <= offset <= offset + length <= self._end:
            self._start = offset
            self._end = offset + os.preadv(self._descriptor, [self._buffer], offset)
        return self._buffer[offset - self._start : min(offset + length, self._end) - self._start]


@dataclass(frozen=True)
class Writing:
    """The work on a chunk of members, as a call that can be sent to a process.

    Attributes:
        descriptor: of the archive, as the worker inherited it.
        source: the archive's path, for sentences.
        folder: where the files go.
    """

    descriptor: int
    source: str
    folder: str

    def __call__(self, members: list[Member]) -> None:
        """Write them.

        Raises:
            ArchiveRefused: a member's bytes are not what the archive says.
            OSError: a file cannot be written.
        """
        for parent in {os.path.dirname(member.path) for member in members}:
            os.makedirs(os.path.join(self.folder, parent), exist_ok=True)
        window = Window(self.descriptor)
        for member in members:
            try:
                _write(window, member.entry, f"{self.folder}/{member.path}")
            except (_Damaged, HeaderWrong, EOFError, zlib.error) as error:
                raise ArchiveRefused(f"{self.source} is damaged at {member.path!r}: {error}. {FETCH_AGAIN}") from None


def _write(window: Window, entry: Entry, target: str) -> None:
    start = _start(window, entry)
    blocks = _stored(window, start, entry) if entry.method == STORED else _inflated(window, start, entry)
    crc = written = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        for block in blocks:
            crc, written = zlib.crc32(block, crc), written + len(block)
            while block:
                block = block[os.write(descriptor, block) :]
    finally:
        os.close(descriptor)
    if written != entry.size:
        raise _Damaged(f"{written} bytes instead of the declared {entry.size}")
    if crc != entry.crc:
        raise _Damaged("its content does not match the declared CRC")


def _start(window: Window, entry: Entry) -> int:
    """Return the offset of the member's bytes; its local header must agree with the central directory."""
    local = read_local(window.view, entry.offset)
    found = local.entry
    if local.flags & DATA_DESCRIPTOR:
        found = found._replace(crc=entry.crc, packed=entry.packed, size=entry.size)
    if found != entry:
        raise _Damaged(f"its local header, of {found.name!r}, and the central directory do not agree")
    return local.start


def _packed(window: Window, start: int, entry: Entry, most: int) -> Iterator[memoryview]:
    at, end = start, start + entry.packed
    while at < end:
        block = window.view(at, min(most, end - at))
        if not block:
            raise _Damaged("the archive ends within the member")
        at += len(block)
        yield block


def _stored(window: Window, start: int, entry: Entry) -> Iterator[memoryview]:
    if entry.packed != entry.size:
        raise _Damaged(f"{entry.packed} bytes instead of the declared {entry.size}")
    return _packed(window, start, entry, BLOCK)


def _inflated(window: Window, start: int, entry: Entry) -> Iterator[bytes]:
    """Yield the uncompressed blocks, and stop before yielding more than declared."""
    unpacker, left = zlib.decompressobj(-zlib.MAX_WBITS), entry.size
    for packed in _packed(window, start, entry, PACKED_BLOCK):
        rest: bytes | memoryview = packed
        while True:
            # One byte more than declared distinguishes a member that is too large from one that ends.
            block = unpacker.decompress(rest, min(BLOCK, left + 1))
            rest = unpacker.unconsumed_tail
            left -= len(block)
            if left < 0 or unpacker.unused_data:
                raise _Damaged(f"more than the {entry.size} bytes declared")
            if not block and not rest:
                break
            yield block
    if not unpacker.eof:
        raise _Damaged("its compressed data is truncated")
