"""codetr_extract: a whole folder of checked files, or a sentence and no folder."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import extract as extracting
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Selection

SHA = "a" * 64


def make_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name) if compression == zipfile.ZIP_STORED else name, data)
    return path


def order(tmp_path: Path, src: Path, **more: Any) -> Order:
    wanted = {"sha256": SHA, "selection": Selection("train2017/", 1), **more}
    return Order(src=str(src), dest=str(tmp_path / "coco" / "train2017"), manifest=str(tmp_path / "marks" / "train.json"), **wanted)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    members = {"train2017/": b"", "train2017/a.jpg": b"aa", "train2017/b.jpg": b"b" * 3_000_000, "other/c.jpg": b"c"}
    return make_zip(tmp_path / "train2017.zip", members)


def there(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "coco").glob("*")}


def test_wanted_members_lie_in_the_folder_and_nothing_beside_it(tmp_path: Path, pictures: Path) -> None:
    assert extract(order(tmp_path, pictures)) == {"changed": True, "files": 2, "bytes": 3_000_002}
    dest = tmp_path / "coco" / "train2017"
    assert {path.name for path in dest.iterdir()} == {"a.jpg", "b.jpg"}
    assert (dest / "b.jpg").read_bytes() == b"b" * 3_000_000
    assert there(tmp_path) == {"train2017"}
    assert stat.S_IMODE(dest.stat().st_mode) == 0o755


def test_a_second_run_needs_no_archive(tmp_path: Path, pictures: Path) -> None:
    extract(order(tmp_path, pictures))
    pictures.unlink()
    assert not extract(order(tmp_path, pictures))["changed"]
    assert not extract(order(tmp_path, pictures), check=True)["changed"]


def test_a_missing_file_is_seen_and_the_folder_made_anew(tmp_path: Path, pictures: Path) -> None:
    extract(order(tmp_path, pictures))
    (tmp_path / "coco" / "train2017" / "a.jpg").unlink()
    assert extract(order(tmp_path, pictures), check=True)["changed"]
    assert extract(order(tmp_path, pictures))["changed"]
    assert (tmp_path / "coco" / "train2017" / "a.jpg").read_bytes() == b"aa"


def test_another_archive_replaces_ours_but_never_files_of_others(tmp_path: Path, pictures: Path) -> None:
    extract(order(tmp_path, pictures))
    newer = make_zip(tmp_path / "new.zip", {"train2017/a.jpg": b"new", "train2017/b.jpg": b"b"})
    assert extract(order(tmp_path, newer, sha256="b" * 64))["changed"]
    (tmp_path / "coco" / "train2017" / "mine.txt").write_text("mine")
    with pytest.raises(ArchiveRefused, match=r"not from the archive, the first is 'mine\.txt'"):
        extract(order(tmp_path, pictures))
    assert (tmp_path / "coco" / "train2017" / "mine.txt").read_text() == "mine"
    assert there(tmp_path) == {"train2017"}


def test_a_folder_without_manifest_is_not_touched(tmp_path: Path, pictures: Path) -> None:
    dest = tmp_path / "coco" / "train2017"
    dest.mkdir(parents=True)
    with pytest.raises(ArchiveRefused, match="was not made by this project"):
        extract(order(tmp_path, pictures))
    assert list(dest.iterdir()) == []


def test_only_the_listed_files_are_taken_and_each_must_be_there(tmp_path: Path, pictures: Path) -> None:
    extract(order(tmp_path, pictures, selection=Selection("train2017/", 1, frozenset({"a.jpg"}))))
    assert [path.name for path in (tmp_path / "coco" / "train2017").iterdir()] == ["a.jpg"]
    with pytest.raises(ArchiveRefused, match=r"1 of the files wanted are not in it, the first is 'z\.jpg'"):
        extract(order(tmp_path, pictures, selection=Selection("train2017/", 1, frozenset({"z.jpg"}))))


def test_what_a_killed_run_left_is_removed(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "coco" / "train2017.part-dead").mkdir(parents=True)
    (tmp_path / "coco" / "train2017.part-dead" / "a.jpg").write_bytes(b"half")
    extract(order(tmp_path, pictures))
    assert there(tmp_path) == {"train2017"}


def test_cut_before_the_rename_it_is_not_taken_for_done(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(part: str, dest: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(extracting, "_swap", cut)
    with pytest.raises(KeyboardInterrupt):
        extract(order(tmp_path, pictures))
    monkeypatch.undo()
    assert there(tmp_path) == set()
    assert extract(order(tmp_path, pictures))["changed"]


@pytest.mark.parametrize(("name", "said"), [
    ("../evil", "points outside the folder"),
    ("train2017/../../evil", "points outside the folder"),
    ("/etc/evil", "has an absolute path"),
    ("C:evil", "not a plain relative path"),
    ("train2017\\evil", "not a plain relative path"),
    ("train2017//evil", "not in its simplest form"),
    ("train2017/./evil", "not in its simplest form"),
])
def test_names_that_could_leave_the_folder_are_refused(tmp_path: Path, name: str, said: str) -> None:
    bad = make_zip(tmp_path / "bad.zip", {"train2017/a.jpg": b"a", name: b"evil"})
    with pytest.raises(ArchiveRefused, match=said):
        extract(order(tmp_path, bad))
    assert there(tmp_path) == set()
    assert not list(tmp_path.parent.glob("**/evil"))


@pytest.mark.parametrize(("kind", "said"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "neither a file nor a folder")])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, said: str) -> None:
    entry = zipfile.ZipInfo("train2017/a.jpg")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(ArchiveRefused, match=said):
        extract(order(tmp_path, tmp_path / "bad.zip"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("train2017/a.jpg", "1")
        archive.writestr("train2017/a.jpg", "2")
    with pytest.raises(ArchiveRefused, match="is in it twice"):
        extract(order(tmp_path, tmp_path / "bad.zip"))


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    bad = make_zip(tmp_path / "bad.zip", {"train2017/a": b"1", "train2017/a/b": b"2"})
    with pytest.raises(ArchiveRefused, match="both a file and a folder"):
        extract(order(tmp_path, bad))


def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    bad = make_zip(tmp_path / "bad.zip", {"train2017/a.jpg": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveRefused, match="more than 200 times as many"):
        extract(order(tmp_path, bad))


def test_a_flipped_byte_is_found_by_its_crc(tmp_path: Path, pictures: Path) -> None:
    data = bytearray(pictures.read_bytes())
    data[data.index(b"bbbb") + 1_000_000] ^= 1
    pictures.write_bytes(data)
    with pytest.raises(ArchiveRefused, match=r"damaged at 'b\.jpg'"):
        extract(order(tmp_path, pictures))
    assert there(tmp_path) == set()


@pytest.mark.parametrize("keep", [0, 100, 1_500_000])
def test_a_cut_archive_is_refused(tmp_path: Path, pictures: Path, keep: int) -> None:
    pictures.write_bytes(pictures.read_bytes()[:keep])
    with pytest.raises(ArchiveRefused, match="is not a zip that can be read"):
        extract(order(tmp_path, pictures))
    assert there(tmp_path) == set()


def test_a_missing_archive_and_an_empty_choice_are_sentences(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(ArchiveRefused, match="There is no archive"):
        extract(order(tmp_path, tmp_path / "none.zip"))
    with pytest.raises(ArchiveRefused, match="holds no file below 'val2017/'"):
        extract(order(tmp_path, pictures, selection=Selection("val2017/", 1)))


def test_an_encrypted_member_is_refused(tmp_path: Path, pictures: Path) -> None:
    data = bytearray(pictures.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    pictures.write_bytes(data)
    with pytest.raises(ArchiveRefused, match="is encrypted"):
        extract(order(tmp_path, pictures))
