"""Archives beyond 4 GB and 65,535 members, without writing that much: holes in a file, and headers with large numbers."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.header import HeaderWrong, read_local
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Entry
from archive_lab import files, order

LARGE = 5 << 30


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """Three members, the last one beyond 4 GB; the middle one's header says its sizes in the zip64 field."""
    path = tmp_path / "large.zip"
    with path.open("wb") as handle, zipfile.ZipFile(handle, "w") as archive:
        archive.writestr("train2017/a", b"near")
        with archive.open("train2017/b", "w", force_zip64=True) as member:
            member.write(b"wide")
        handle.seek(LARGE)
        archive.start_dir = LARGE
        archive.writestr("train2017/c", b"far")
    assert path.stat().st_blocks * 512 < 1 << 20
    return path


FOUND = {"a": b"near", "b": b"wide", "c": b"far"}


def test_a_member_beyond_4_gb(tmp_path: Path, sparse: Path) -> None:
    option = order(tmp_path, sparse)
    extract(option)
    assert files(Path(option.dest)) == FOUND


def test_more_members_than_16_bits_count(tmp_path: Path) -> None:
    number, kept = 66_000, 300
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for k in range(number):
            archive.writestr(zipfile.ZipInfo(f"{'train2017' if k % (number // kept) == 0 else 'other'}/{k}"), b"%d" % k)
    src = tmp_path / "many.zip"
    src.write_bytes(body.getvalue())
    assert b"PK\6\6" in body.getvalue()[-200:]
    option = order(tmp_path, src)
    extract(option)
    assert files(Path(option.dest)) == {str(k): b"%d" % k for k in range(0, number, number // kept)}


def header(size: int, packed: int, extra: bytes) -> bytes:
    return struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 0, 7, packed, size, 1, len(extra)) + b"x" + extra


WIDE = 0xFFFFFFFF


@pytest.mark.parametrize(("size", "packed", "extra", "expected"), [
    (3, 3, b"", (3, 3)),
    (WIDE, WIDE, struct.pack("<2H2Q", 1, 16, LARGE, LARGE + 1), (LARGE, LARGE + 1)),
    (WIDE, WIDE, struct.pack("<2H4s2H2Q", 0x5455, 4, b"time", 1, 16, LARGE, LARGE + 1), (LARGE, LARGE + 1)),
    (WIDE, 5, struct.pack("<2HQ", 1, 8, LARGE), (LARGE, 5)),
    (5, WIDE, struct.pack("<2HQ", 1, 8, LARGE), (5, LARGE)),
    (WIDE, 5, struct.pack("<2H4s", 0x5455, 4, b"time"), (WIDE, 5)),
])
def test_large_numbers_in_a_local_header(size: int, packed: int, extra: bytes, expected: tuple[int, int]) -> None:
    data = b"....." + header(size, packed, extra)
    local = read_local(lambda offset, length: data[offset : offset + length], 5)
    assert local.entry == Entry("x", 0, 7, expected[1], expected[0], 5)
    assert local.start == len(data)


@pytest.mark.parametrize("extra", [struct.pack("<2HQ", 1, 8, LARGE), struct.pack("<2H", 1, 0), struct.pack("<2H", 1, 16)])
def test_large_numbers_that_are_not_there(extra: bytes) -> None:
    data = header(WIDE, WIDE, extra)
    with pytest.raises(HeaderWrong, match="zip64 extra field is truncated"):
        read_local(lambda offset, length: data[offset : offset + length], 0)


@pytest.mark.parametrize("there", [0, 1, 29, 30, 33])
def test_a_header_that_is_not_all_there(there: int) -> None:
    data = header(1, 1, b"\0\0\0\0")[:there]
    with pytest.raises(EOFError):
        read_local(lambda offset, length: data[offset : offset + length], 0)
