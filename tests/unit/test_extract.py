"""Extracting an archive that is there: a whole folder of checked files, or a sentence and no folder."""

from __future__ import annotations

import json
import os
import random
import stat
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import extract as extracting
from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, pool, space
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Entry, Member, Selection
from ansible_collections.codetr.provision.plugins.module_utils.archive.worker import Writing
from archive_lab import Raw, beside, deflated, files, make_zip, order, raw_zip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    members = {"train2017/": b"", "train2017/a.jpg": b"aa", "train2017/b.jpg": b"b" * 3_000_000, "other/c.jpg": b"c"}
    return make_zip(tmp_path / "train2017.zip", members)


def test_wanted_members_lie_in_the_folder_and_nothing_beside_it(tmp_path: Path, images: Path) -> None:
    assert extract(order(tmp_path, images)) == {"changed": True, "files": 2, "bytes": 3_000_002}
    dest = tmp_path / "coco" / "train2017"
    assert {path.name for path in dest.iterdir()} == {"a.jpg", "b.jpg"}
    assert (dest / "b.jpg").read_bytes() == b"b" * 3_000_000
    assert beside(order(tmp_path, tmp_path)) == {"train2017"}
    assert stat.S_IMODE(dest.stat().st_mode) == 0o755


def test_a_second_run_needs_no_archive(tmp_path: Path, images: Path) -> None:
    extract(order(tmp_path, images))
    images.unlink()
    assert not extract(order(tmp_path, images))["changed"]
    assert not extract(order(tmp_path, images), check=True)["changed"]


def test_a_missing_file_is_seen_and_the_folder_made_anew(tmp_path: Path, images: Path) -> None:
    extract(order(tmp_path, images))
    (tmp_path / "coco" / "train2017" / "a.jpg").unlink()
    assert extract(order(tmp_path, images), check=True)["changed"]
    assert extract(order(tmp_path, images))["changed"]
    assert (tmp_path / "coco" / "train2017" / "a.jpg").read_bytes() == b"aa"


def test_another_archive_replaces_ours_but_never_files_of_others(tmp_path: Path, images: Path) -> None:
    extract(order(tmp_path, images))
    newer = make_zip(tmp_path / "new.zip", {"train2017/a.jpg": b"new", "train2017/b.jpg": b"b"})
    assert extract(order(tmp_path, newer, sha256="b" * 64))["changed"]
    (tmp_path / "coco" / "train2017" / "mine.txt").write_text("mine")
    with pytest.raises(ArchiveRefused, match=r"not from the archive, first 'mine\.txt'"):
        extract(order(tmp_path, images))
    assert (tmp_path / "coco" / "train2017" / "mine.txt").read_text() == "mine"
    assert beside(order(tmp_path, tmp_path)) == {"train2017"}


def test_a_folder_without_manifest_is_not_touched(tmp_path: Path, images: Path) -> None:
    dest = tmp_path / "coco" / "train2017"
    dest.mkdir(parents=True)
    with pytest.raises(ArchiveRefused, match="was not created by this project"):
        extract(order(tmp_path, images))
    assert list(dest.iterdir()) == []


def test_only_the_listed_files_are_taken_and_each_must_be_there(tmp_path: Path, images: Path) -> None:
    extract(order(tmp_path, images, selection=Selection("train2017/", 1, frozenset({"a.jpg"}))))
    assert [path.name for path in (tmp_path / "coco" / "train2017").iterdir()] == ["a.jpg"]
    with pytest.raises(ArchiveRefused, match=r"1 of the selected files are missing from it, first 'z\.jpg'"):
        extract(order(tmp_path, images, selection=Selection("train2017/", 1, frozenset({"z.jpg"}))))


def test_what_a_killed_run_left_is_removed(tmp_path: Path, images: Path) -> None:
    (tmp_path / "coco" / "train2017.part-dead").mkdir(parents=True)
    (tmp_path / "coco" / "train2017.part-dead" / "a.jpg").write_bytes(b"half")
    extract(order(tmp_path, images))
    assert beside(order(tmp_path, tmp_path)) == {"train2017"}


def test_cut_before_the_rename_it_is_not_taken_for_done(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(part: str, dest: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(extracting, "_swap", cut)
    with pytest.raises(KeyboardInterrupt):
        extract(order(tmp_path, images))
    monkeypatch.undo()
    assert beside(order(tmp_path, tmp_path)) == set()
    assert extract(order(tmp_path, images))["changed"]


@pytest.mark.parametrize("keep", [0, 100, 1_500_000])
def test_a_cut_archive_is_refused(tmp_path: Path, images: Path, keep: int) -> None:
    images.write_bytes(images.read_bytes()[:keep])
    with pytest.raises(ArchiveRefused, match="is not a valid zip"):
        extract(order(tmp_path, images))
    assert beside(order(tmp_path, images)) == set()


def test_a_missing_archive_and_an_empty_choice_are_sentences(tmp_path: Path, images: Path) -> None:
    with pytest.raises(ArchiveRefused, match=r"does not exist\. Fetch it first"):
        extract(order(tmp_path, tmp_path / "none.zip"))
    with pytest.raises(ArchiveRefused, match="has no file below 'val2017/'"):
        extract(order(tmp_path, images, selection=Selection("val2017/", 1)))


def various(seed: int) -> dict[str, bytes]:
    """Files of many sizes in several folders, empty ones too, some large beside a block."""
    rng = random.Random(seed)
    sizes = [0, 1, *(rng.randrange(20_000) for _ in range(600)), 1 << 20, (1 << 20) + 1, 3_500_000]
    rng.shuffle(sizes)
    names = [f"train2017/{'sub/' * (number % 3)}{number}.jpg" for number in range(len(sizes))]
    return {name: rng.randbytes(size - size // 4) + bytes(size // 4) for name, size in zip(names, sizes, strict=True)}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_byte_of_many_files_by_many_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int) -> None:
    monkeypatch.setattr(extracting, "cpus", lambda: 3)
    members = various(compression)
    src = make_zip(tmp_path / "train2017.zip", members, compression)
    assert extract(order(tmp_path, src)) == {"changed": True, "files": len(members), "bytes": sum(map(len, members.values()))}
    assert files(tmp_path / "coco" / "train2017") == {name.removeprefix("train2017/"): data for name, data in members.items()}


def test_a_name_that_is_not_ascii_is_kept(tmp_path: Path) -> None:
    src = make_zip(tmp_path / "a.zip", {"train2017/größe\n.jpg": b"1"})
    extract(order(tmp_path, src))
    assert files(tmp_path / "coco" / "train2017") == {"größe\n.jpg": b"1"}
    assert not extract(order(tmp_path, src))["changed"]


def test_a_flipped_byte_is_seen_without_reading_even_with_its_old_time(tmp_path: Path, images: Path) -> None:
    extract(order(tmp_path, images))
    victim = tmp_path / "coco" / "train2017" / "b.jpg"
    old = victim.stat()
    with victim.open("r+b") as handle:
        handle.write(b"B")
    os.utime(victim, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert extract(order(tmp_path, images))["changed"]
    assert victim.read_bytes() == b"b" * 3_000_000


def test_the_list_of_files_lies_beside_the_manifest(tmp_path: Path, images: Path) -> None:
    extract(order(tmp_path, images))
    rows = inventory.read(str(tmp_path / "marks" / "train.files"))
    assert rows is not None
    assert [(row.path, row.size, row.crc) for row in rows] == [
        ("a.jpg", 2, zlib.crc32(b"aa")), ("b.jpg", 3_000_000, zlib.crc32(b"b" * 3_000_000)),
    ]
    folder = str(tmp_path / "coco" / "train2017")
    assert inventory.compare(rows, inventory.scan(folder)) == inventory.Difference()
    mark = json.loads((tmp_path / "marks" / "train.json").read_text())
    assert mark["fingerprint"] == inventory.fingerprint(rows) == inventory.fingerprint(inventory.scan(folder))
    assert mark["source"] == "train2017.zip"


def test_progress_is_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(extracting.Progress, "report", lambda self, *figures: told.append(figures))
    members = various(2)
    extract(order(tmp_path, make_zip(tmp_path / "a.zip", members), progress=str(tmp_path / "progress")))
    done, total = [figures[1] for figures in told], sum(map(len, members.values()))
    assert {figures[0] for figures in told} == {"extract"}
    assert {figures[2] for figures in told} == {total}
    assert (done[0], done[-1]) == (0, total)
    assert done == sorted(done)
    assert len(set(done)) >= total // (pool.CHUNK_BYTES + (4 << 20))
    assert all(figures[3] >= 0 for figures in told)


def test_too_little_room_is_refused_with_figures(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free", lambda folder: 3_000_000)
    block = os.statvfs(tmp_path).f_frsize
    needed = block + -(-3_000_000 // block) * block
    with pytest.raises(ArchiveRefused, match=f"needs {needed} bytes, but only 3000000 are free"):
        extract(order(tmp_path, images))
    assert beside(order(tmp_path, images)) == set()


@pytest.mark.parametrize("packing", [Raw, deflated])
def test_memory_is_bounded_whatever_the_size_of_a_member(tmp_path: Path, packing: Callable[[str, bytes], Raw]) -> None:
    large = bytes(range(256)) * 4096 * 60
    member = packing("large", large)
    src, out = tmp_path / "a.zip", tmp_path / "out"
    src.write_bytes(raw_zip(member))
    entry = Entry("large", member.method, zlib.crc32(large), len(member.data), len(large), 0)
    with src.open("rb") as archive:
        tracemalloc.start()
        Writing(archive.fileno(), str(src), str(out))([Member(entry, "large")])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (out / "large").read_bytes() == large
    assert peak < 8 << 20


@pytest.mark.parametrize("member", [Raw("a", bytes(100), size=1), deflated("a", bytes(100), size=1)])
def test_no_more_is_written_than_declared(tmp_path: Path, member: Raw) -> None:
    (tmp_path / "a.zip").write_bytes(raw_zip(member))
    with (tmp_path / "a.zip").open("rb") as archive, pytest.raises(ArchiveRefused, match="is damaged at 'a'"):
        entry = Entry("a", member.method, zlib.crc32(bytes(100)), len(member.data), 1, 0)
        Writing(archive.fileno(), "a.zip", str(tmp_path / "out"))([Member(entry, "a")])
    assert not any(path.stat().st_size > 1 for path in (tmp_path / "out").iterdir())


def test_a_file_that_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    """Two names can be one on a file system that does not tell small letters from capitals."""
    src = tmp_path / "a.zip"
    src.write_bytes(raw_zip(Raw("a", b"1")))
    write = [Member(Entry("a", 0, zlib.crc32(b"1"), 1, 1, 0), "a")]
    with src.open("rb") as archive:
        Writing(archive.fileno(), str(src), str(tmp_path / "out"))(write)
        with pytest.raises(FileExistsError):
            Writing(archive.fileno(), str(src), str(tmp_path / "out"))(write)
