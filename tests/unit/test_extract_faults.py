"""Archives that are not what they should be, and disks that will not do."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import worker
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Entry, Selection
from archive_lab import Raw, beside, deflated, order, raw_zip, remount, small_disk

Run = Callable[[Order, bytes], None]
GOOD = Raw("train2017/good.jpg", b"good")
ZEROS = bytes(30_000_000)


@pytest.fixture
def run() -> Run:
    """Extract the archive's bytes."""

    def whole(option: Order, data: bytes) -> None:
        Path(option.src).write_bytes(data)
        extract(option)

    return whole


def assert_refused(run: Run, tmp_path: Path, data: bytes, said: str, selection: Selection = Selection("train2017/", 1)) -> None:  # noqa: B008
    """It is, and nothing is left of it anywhere."""
    option = order(tmp_path, tmp_path / "bad.zip", selection=selection)
    with pytest.raises(ArchiveRefused, match=said):
        run(option, data)
    assert beside(option) == set()
    assert not list(tmp_path.parent.glob("**/evil*"))


@pytest.mark.parametrize(("name", "said"), [
    ("../evil", "points outside the folder"),
    ("train2017/../../evil", "points outside the folder"),
    ("/etc/evil", "has an absolute path"),
    ("C:evil", "not a plain relative path"),
    ("train2017\\evil", "not a plain relative path"),
    ("train2017/evil\0.jpg", "not a plain relative path"),
    ("train2017//evil", "is not normalized"),
    ("train2017/./evil", "is not normalized"),
    ("", "is not normalized"),
])
def test_names_that_could_leave_the_folder(run: Run, tmp_path: Path, name: str, said: str) -> None:
    assert_refused(run, tmp_path, raw_zip(GOOD, Raw(name, b"evil")), said)


@pytest.mark.parametrize(("kind", "said"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "neither a file nor a folder")])
def test_links_and_devices(run: Run, tmp_path: Path, kind: int, said: str) -> None:
    assert_refused(run, tmp_path, raw_zip(GOOD, Raw("train2017/a.jpg", b"/etc/passwd", mode=kind | 0o777)), said)


@pytest.mark.parametrize(("members", "said"), [
    ([Raw("train2017/a", b"1"), Raw("train2017/a", b"2")], "'train2017/a' is in it twice"),
    ([Raw("train2017/a", b"1"), Raw("train2017/a/b", b"2")], "'train2017/a' is both a file and a folder"),
    ([Raw("train2017/a/b", b"1"), Raw("train2017/a", b"2")], "'train2017/a' is both a file and a folder"),
    ([Raw("train2017/a/"), Raw("train2017/a", b"2")], "'train2017/a' is both a file and a folder"),
    ([Raw("train2017/a", b"2"), Raw("train2017/a/")], "'train2017/a' is both a file and a folder"),
    ([GOOD, Raw("train2017/a.jpg", b"1", flags=1)], "'train2017/a.jpg' is encrypted"),
    ([GOOD, Raw("train2017/a.jpg", b"1", method=12)], "'train2017/a.jpg' uses compression method 12"),
])
def test_members_that_do_not_go_together_or_cannot_be_read(run: Run, tmp_path: Path, members: list[Raw], said: str) -> None:
    assert_refused(run, tmp_path, raw_zip(*members), said)


def test_two_that_become_one_when_parts_are_dropped(run: Run, tmp_path: Path) -> None:
    said = "two members become 'x' when 1 leading components are dropped"
    assert_refused(run, tmp_path, raw_zip(Raw("a/x", b"1"), Raw("b/x", b"2")), said, Selection("", 1))


def test_an_honest_bomb(run: Run, tmp_path: Path) -> None:
    assert_refused(run, tmp_path, raw_zip(deflated("train2017/a", ZEROS)), "more than 200 times as many")


def test_a_bomb_of_many_small_members(run: Run, tmp_path: Path) -> None:
    members = [deflated(f"train2017/{number}", bytes(1_000_000)) for number in range(60)]
    assert_refused(run, tmp_path, raw_zip(*members), "more than 200 times as many")


@pytest.mark.parametrize(("member", "said"), [
    (deflated("train2017/a", ZEROS, size=10), "more than the 10 bytes declared"),
    (deflated("train2017/a", b"some bytes", size=11), "10 bytes instead of the declared 11"),
    (Raw("train2017/a", b"some bytes", size=11), "10 bytes instead of the declared 11"),
    (Raw("train2017/a", b"some bytes", size=9), "10 bytes instead of the declared 9"),
    (Raw("train2017/a", b"some bytes", crc=1), "its content does not match the declared CRC"),
    (deflated("train2017/a", b"some bytes", crc=1), "its content does not match the declared CRC"),
    (Raw("train2017/a", deflated("", b"some bytes").data + b"more", 8, 10), "more than the 10 bytes declared"),
    (Raw("train2017/a", deflated("", b"some bytes" * 99).data[:-4], 8, 990), "its compressed data is truncated"),
    (Raw("train2017/a", b"\xff no deflate", 8, 10), "invalid block type"),
])
def test_bytes_that_are_not_as_declared(run: Run, tmp_path: Path, member: Raw, said: str) -> None:
    filler = Raw("train2017/b", bytes(100_000))
    assert_refused(run, tmp_path, raw_zip(GOOD, member, filler), f"damaged at 'a': .*{said}")


@pytest.mark.parametrize(("local", "said"), [
    ({"name": "train2017/b"}, "local header, of 'train2017/b', and the central directory do not agree"),
    ({"name": "../evil7890"}, "do not agree"),
    ({"crc": 1}, "do not agree"),
    ({"size": 3}, "do not agree"),
    ({"packed": 3}, "do not agree"),
    ({"method": 8}, "do not agree"),
    ({"signature": b"PK\3\5"}, "its local header is missing"),
])
def test_a_header_that_is_not_as_the_list_of_members_says(run: Run, tmp_path: Path, local: dict[str, object], said: str) -> None:
    assert_refused(run, tmp_path, raw_zip(GOOD, Raw("train2017/a", b"1234", local=local)), said)


def test_a_header_whose_name_is_not_text(run: Run, tmp_path: Path) -> None:
    data = raw_zip(Raw("train2017/a", b"1234", local={"flags": 0x800}))
    assert_refused(run, tmp_path, data.replace(b"train2017/a", b"train2017/\xff", 1), "the name in its header is not valid text")


def test_two_members_at_one_place(run: Run, tmp_path: Path) -> None:
    assert_refused(run, tmp_path, raw_zip(GOOD, Raw("train2017/a", b"1", at=0)), "'train2017/a' overlaps another member")


def test_a_member_inside_another(run: Run, tmp_path: Path) -> None:
    inner = raw_zip(Raw("train2017/in", b"1"))
    outer = Raw("train2017/out", inner)
    data = raw_zip(outer, Raw("train2017/in", b"1", at=30 + len("train2017/out")))
    assert_refused(run, tmp_path, data, "overlaps another member")


def test_a_member_that_reaches_beyond_the_others(run: Run, tmp_path: Path) -> None:
    assert_refused(run, tmp_path, raw_zip(GOOD, Raw("train2017/a", b"1", size=50, packed=50)), "overlaps the central directory")


def test_a_killed_worker_is_a_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(window: worker.Window, entry: Entry, target: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(worker, "_write", killed)
    assert_refused(run, tmp_path, raw_zip(GOOD), "could not be extracted to .*: one of its worker processes was killed")


def test_a_disk_that_gets_full_is_a_sentence(run: Run, tmp_path: Path) -> None:
    # Room for the bytes, so that nothing is refused beforehand, but not for so many files.
    many = raw_zip(*[Raw(f"train2017/{number}", b"1") for number in range(400)])
    with small_disk(tmp_path / "disk", "size=4m,nr_inodes=50") as disk:
        option = order(disk, tmp_path / "good.zip", manifest=str(tmp_path / "marks" / "train.json"))
        with pytest.raises(ArchiveRefused, match=r"could not be extracted to .*: No space left on device\. Fix that"):
            run(option, many)
        assert beside(option) == set()
        assert not (tmp_path / "marks").exists()


def test_a_disk_that_is_read_only_is_a_sentence(run: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        (disk / "coco").mkdir()
        remount(disk, "ro")
        option = order(disk, tmp_path / "good.zip", manifest=str(tmp_path / "marks" / "train.json"))
        with pytest.raises(ArchiveRefused, match=r"could not be extracted to .*: Read-only file system"):
            run(option, raw_zip(GOOD))
        assert beside(option) == set()


def test_a_disk_that_failed_to_write_what_it_held_back_is_a_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def syncfs(self, descriptor: int) -> int:
            ctypes.set_errno(errno.EIO)
            return -1

        def prctl(self, *_: object) -> int:
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    assert_refused(run, tmp_path, raw_zip(GOOD), "could not be extracted to .*: Input/output error")
    assert not (tmp_path / "marks").exists()


def test_what_is_not_a_zip(run: Run, tmp_path: Path) -> None:
    assert_refused(run, tmp_path, b"<html>Sorry</html>", "is not a valid zip")


def test_numbers_that_are_cut_short(run: Run, tmp_path: Path) -> None:
    data = bytearray(raw_zip(Raw("train2017/a", b"1" * 20, local={"packed": 0xFFFFFFFF})))
    # A zip64 field that is too short for the one number that it should have, in the place of the first bytes.
    data[26:30] = struct.pack("<2H", len("train2017/a"), 8)
    data[41:49] = struct.pack("<2H", 1, 4) + b"1234"
    assert_refused(run, tmp_path, bytes(data), "its zip64 extra field is truncated")
