"""Extracting what has arrived of an archive: the result is always that of the whole archive, whatever came first."""

from __future__ import annotations

import contextlib
import io
import os
import random
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import ahead, pool, space
from ansible_collections.codetr.provision.plugins.module_utils.archive import extract as extracting
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Selection
from archive_lab import Arriving, Raw, arriving, beside, deflated, early, files, order, raw_zip, remount, small_disk, wait_for

Step = tuple[int, str]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "POLL_SECONDS", 0.001)


def contents(number: int = 60) -> dict[str, bytes]:
    rng = random.Random(number)
    return {f"{'sub/' * (k % 2)}{k:03}.jpg": rng.randbytes(rng.randrange(1, 9_000)) for k in range(number)}


def archive_of(found: dict[str, bytes]) -> bytes:
    return raw_zip(Raw("train2017/"), *[Raw(f"train2017/{name}", data) for name, data in found.items()])


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return tmp_path / "train.zip"


def inodes(paths: list[Path]) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in paths}


def contents_of(paths: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


class Delivery(threading.Thread):
    """Brings an archive in random steps, at its own pace."""

    def __init__(self, src: Path, data: bytes, seed: int) -> None:
        super().__init__(daemon=True)
        self.src, self.data, self.rng = src, data, random.Random(seed)
        self.path = str(src.with_suffix(".part"))
        self.now: Step = (0, "running")

    def run(self) -> None:
        there = 0
        with Path(self.path).open("wb", buffering=0) as handle:
            while there < len(self.data):
                there += handle.write(self.data[there : there + self.rng.randrange(1, 30_000)])
                self.now = (there, "running")
                time.sleep(self.rng.random() / 500)
        Path(self.path).rename(self.src)
        self.now = (there, "done")

    def state(self) -> Step:
        return self.now


@pytest.mark.parametrize("seed", range(5))
def test_in_random_steps_the_result_is_that_of_the_whole(tmp_path: Path, src: Path, seed: int) -> None:
    found = contents(200 + seed)
    delivery = Delivery(src, archive_of(found), seed)
    delivery.start()
    option = order(tmp_path, src)
    got = extract(option, growing=delivery)
    delivery.join()
    assert files(Path(option.dest)) == found
    assert beside(option) == {"train2017"}
    plain = order(tmp_path / "plain", src)
    assert extract(plain) == got
    assert not extract(option)["changed"]


def test_what_came_early_is_not_written_again(tmp_path: Path, src: Path) -> None:
    found, seen = contents(), dict[str, int]()
    option = order(tmp_path, src)

    def all_there() -> bool:
        seen.update(inodes(early(option)))
        return len(seen) == len(found)

    extract(option, growing=arriving(src, archive_of(found), until=all_there))
    assert files(Path(option.dest)) == found
    assert inodes([path for path in Path(option.dest).rglob("*.jpg")]) == seen


def test_no_byte_is_used_before_it_is_there(tmp_path: Path, src: Path) -> None:
    found = contents()
    option, data, part = order(tmp_path, src), archive_of(found), src.with_suffix(".part")
    starts = [data.index(f"train2017/{name}".encode()) - 30 for name in found]

    def script() -> Iterator[Step]:
        # What has not arrived yet is a hole, and in the middle of a header or of a member's bytes there is no whole member.
        for number, more in [(0, 0), (10, 5), (25, 35), (40, 60)]:
            ready = starts[number] + more
            part.write_bytes(data[:ready] + bytes(len(data) - ready))
            for _ in wait_for(lambda number=number: len(early(option)) == number):  # type: ignore[misc]
                yield ready, "running"
            yield ready, "running"
            assert len(early(option)) == number
        part.write_bytes(data)
        part.rename(src)
        yield len(data), "done"

    extract(option, growing=Arriving(part, script()))
    assert files(Path(option.dest)) == found


def test_done_from_the_beginning_is_the_plain_way(tmp_path: Path, src: Path) -> None:
    src.write_bytes(archive_of(contents()))
    option = order(tmp_path, src)
    extract(option, growing=Arriving(src.with_suffix(".part"), iter([(src.stat().st_size, "done")])))
    assert files(Path(option.dest)) == contents()


def test_nobody_waits_for_an_archive_that_is_not_needed(tmp_path: Path, src: Path) -> None:
    src.write_bytes(archive_of(contents()))
    option = order(tmp_path, src)
    extract(option)
    assert not extract(option, growing=Arriving(src, iter([])))["changed"]


@pytest.mark.parametrize("there", [0, 1])
def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path, src: Path, there: int) -> None:
    option, data, part = order(tmp_path, src), archive_of(contents()), src.with_suffix(".part")

    def script() -> Iterator[Step]:
        part.write_bytes(data)
        for _ in wait_for(lambda: bool(early(option)) or not there):
            yield len(data) * there, "running"
        assert bool(early(option)) == bool(there)
        yield len(data) * there, "failed"

    with pytest.raises(ArchiveRefused, match=r"train\.zip could not be fetched, so nothing was extracted"):
        extract(option, growing=Arriving(part, script()))
    assert beside(option) == set()


def forged(data: bytes, like: bytes) -> bytes:
    """The data with 4 other bytes at its end, so that it has the CRC of other data."""
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0xEDB88320 if number & 1 else 0)
        table.append(number)
    state = zlib.crc32(like) ^ 0xFFFFFFFF
    for _ in range(4):
        index = next(k for k in range(256) if table[k] >> 24 == state >> 24)
        state = (state ^ table[index]) << 8 & 0xFFFFFFFF | index
    made = data[:-4] + (state ^ zlib.crc32(data[:-4]) ^ 0xFFFFFFFF).to_bytes(4, "little")
    assert zlib.crc32(made) == zlib.crc32(like)
    return made


def anew(part: Path, data: bytes) -> None:
    part.unlink()
    part.write_bytes(data)


def in_place(part: Path, data: bytes) -> None:
    with part.open("r+b") as handle:
        handle.write(data)


OTHER_FILE: list[tuple[Callable[[Path, bytes], Any], list[float]]] = [
    (anew, [0]),
    (anew, [1]),
    (in_place, [0]),
    (in_place, [0.5]),
    (anew, []),
]


@pytest.mark.parametrize(("change", "looks"), OTHER_FILE)
def test_other_bytes_that_came_first_are_never_kept(
    tmp_path: Path, src: Path, change: Callable[[Path, bytes], None], looks: list[float],
) -> None:
    """The other bytes have names, sizes and CRCs as they should be: only that they were in another file, or taken back, gives them away."""
    found = {f"{number}.jpg": bytes([number]) * 500 for number in range(20)}
    other = {name: forged(b"x" * 500, data) for name, data in found.items()}
    option, data, bad, part = order(tmp_path, src), archive_of(found), archive_of(other), src.with_suffix(".part")

    def script() -> Iterator[Step]:
        part.write_bytes(bad)
        for _ in wait_for(lambda: contents_of(early(option)) == other):
            yield len(bad), "running"
        assert contents_of(early(option)) == other
        change(part, data)
        for share in looks:
            yield int(len(data) * share), "running"
            assert early(option) == []
        part.rename(src)
        yield len(data), "done"

    extract(option, growing=Arriving(part, script()))
    assert files(Path(option.dest)) == found


def test_early_members_that_the_list_does_not_know_as_such_throw_all_away(tmp_path: Path, src: Path) -> None:
    found = contents(20)
    other = {name: data[::-1] for name, data in found.items()}
    option, data, part = order(tmp_path, src), archive_of(found), src.with_suffix(".part")

    def script() -> Iterator[Step]:
        part.write_bytes(archive_of(other))
        for _ in wait_for(lambda: len(early(option)) == 20):
            yield len(data), "running"
        assert len(early(option)) == 20
        in_place(part, data)
        part.rename(src)
        yield len(data), "done"

    extract(option, growing=Arriving(part, script()))
    assert files(Path(option.dest)) == found


def test_a_member_that_is_not_in_the_list_does_not_stay(tmp_path: Path, src: Path) -> None:
    # What a program leaves that replaces a member by writing it once more at the end.
    hidden = Raw("train2017/hidden/a", b"old")
    whole = raw_zip(hidden, Raw("train2017/b", b"b"))
    at = whole.index(b"PK\1\2")
    second = whole.index(b"PK\1\2", at + 1)
    data = bytearray(whole[:at] + whole[second:])
    data[-14:-6] = (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (len(whole) - 22 - second).to_bytes(4, "little")
    option = order(tmp_path, src)
    extract(option, growing=arriving(src, bytes(data), until=lambda: len(early(option)) == 2))
    assert files(Path(option.dest)) == {"b": b"b"}
    assert [path.name for path in Path(option.dest).iterdir()] == ["b"]


def streamed(found: dict[str, bytes]) -> bytes:
    """An archive of a program that cannot seek: sizes come after each member's bytes."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for name, data in found.items():
            archive.writestr(f"train2017/{name}", data)
    return pipe.getvalue()


@pytest.mark.parametrize(("data", "most"), [
    (streamed(contents()), 0),
    (b"#!/bin/sh unpacks itself\n" + archive_of(contents()), 0),
    (raw_zip(*[Raw(f"train2017/{name}", data) for name, data in contents().items()], Raw("other/odd", b"1", method=12)), 60),
    (raw_zip(*[deflated(f"train2017/{name}", data) for name, data in contents().items()]), 60),
])
def test_archives_of_all_kinds_end_the_same(tmp_path: Path, src: Path, data: bytes, most: int) -> None:
    option, looks = order(tmp_path, src), [0]

    def look() -> bool:
        looks.append(len(early(option)))
        return looks[-1] == most > 0 or len(looks) > 50

    extract(option, growing=arriving(src, data, until=look))
    assert files(Path(option.dest)) == contents()
    assert max(looks) == most


def test_bytes_that_were_promised_too_early_are_read_again(tmp_path: Path, src: Path) -> None:
    found = contents(20)
    option, data, part = order(tmp_path, src), archive_of(found), src.with_suffix(".part")
    hole = data.index(found["010.jpg"]) + 1

    def script() -> Iterator[Step]:
        part.write_bytes(data[:hole] + b"\0" + data[hole + 1 :])
        looks = iter(range(50))
        for _ in wait_for(lambda: next(looks, None) is None):
            yield len(data), "running"
        assert early(option) == []
        in_place(part, data)
        part.rename(src)
        yield len(data), "done"

    extract(option, growing=Arriving(part, script()))
    assert files(Path(option.dest)) == found


@pytest.mark.parametrize("odd", [
    Raw("train2017/odd", b"1", method=12),
    Raw("../odd", b"1"),
    deflated("train2017/odd", bytes(30_000_000)),
    Raw("odd", local={"flags": 8}),
])
def test_what_came_before_something_odd_stays_and_the_odd_is_not_written(tmp_path: Path, src: Path, odd: Raw) -> None:
    option, looks = order(tmp_path, src), list[set[str]]()

    def look() -> bool:
        looks.append({path.name for path in early(option)})
        return len(looks) > 50

    # The first ones are so large that the whole may hold as much as the odd one declares.
    before = [Raw(f"train2017/{number}", bytes(200_000)) for number in range(2)]
    with contextlib.suppress(ArchiveRefused):
        extract(option, growing=arriving(src, raw_zip(*before, odd, Raw("train2017/after", b"1")), until=look))
    assert looks[-1] == {"0", "1"}


def test_only_what_is_wanted_is_written_early(tmp_path: Path, src: Path) -> None:
    data = raw_zip(Raw("a/1", b"1"), Raw("b/2", b"2"), Raw("b/3", b"3"), Raw("b/4", b"4"))
    option = order(tmp_path, src, selection=Selection("b/", 1, frozenset({"2", "4"})))
    extract(option, growing=arriving(src, data, until=lambda: {path.name for path in early(option)} == {"2", "4"}))
    assert files(Path(option.dest)) == {"2": b"2", "4": b"4"}


def test_early_work_takes_at_most_half_of_the_room(tmp_path: Path, src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = os.statvfs(tmp_path).f_frsize
    found = {f"{number:02}.jpg": b"1" for number in range(40)}
    monkeypatch.setattr(space, "free", lambda folder: 50 * block)
    monkeypatch.setattr(pool, "CHUNK_FILES", 1)
    option, most = order(tmp_path, src), [0]

    def look() -> bool:
        most.append(len(early(option)))
        return len(most) > 100

    extract(option, growing=arriving(src, archive_of(found), until=look))
    assert max(most) == 25
    assert files(Path(option.dest)) == found


def test_early_work_stops_when_others_have_filled_the_disk(tmp_path: Path, src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, option, data, part = [10**12], order(tmp_path, src), archive_of(contents()), src.with_suffix(".part")
    monkeypatch.setattr(space, "free", lambda folder: room[0])

    def script() -> Iterator[Step]:
        part.write_bytes(data)
        room[0] = 0
        for _ in range(50):
            yield len(data), "running"
        assert early(option) == []
        room[0] = 10**12
        part.rename(src)
        yield len(data), "done"

    extract(option, growing=Arriving(part, script()))
    assert files(Path(option.dest)) == contents()


def test_a_disk_that_was_full_for_a_while(tmp_path: Path, src: Path) -> None:
    found = {f"{number}.jpg": b"1" for number in range(200)}
    with small_disk(tmp_path / "disk", "size=4m,nr_inodes=50") as disk:
        option = order(disk, src)
        looks = iter(range(50))

        def until() -> bool:
            if next(looks, None) is not None:
                return False
            # What was written is gone: the fetch may need the room.
            assert early(option) == []
            remount(disk, "nr_inodes=500")
            return True

        extract(option, growing=arriving(src, archive_of(found), until=until))
        assert files(Path(option.dest)) == found


def test_progress_goes_on_with_what_came_early(tmp_path: Path, src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(extracting.Progress, "report", lambda self, *figures: told.append(figures))
    found = contents()
    total, option = sum(map(len, found.values())), order(tmp_path, src)
    extract(option, growing=arriving(src, archive_of(found), until=lambda: len(told) > 0 and told[-1][1] == total))
    assert told[-1][:3] == ("extract", total, total)
    assert [figures[2] for figures in told].count(None) == len(told) - 1
    assert [figures[1] for figures in told] == sorted(figures[1] for figures in told)
