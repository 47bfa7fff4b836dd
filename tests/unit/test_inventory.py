"""The list of a folder's files: whatever is missing, added or changed is seen without reading, and what changed is told by its bytes."""

from __future__ import annotations

import os
import random
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, pool
from ansible_collections.codetr.provision.plugins.module_utils.archive.inventory import Difference, InventoryFailed, Row
from ansible_collections.codetr.provision.plugins.module_utils.archive.worker import BLOCK

ROWS = [Row("b.jpg", 2, 5, 6, 7), Row("a/c.jpg", 0, 2**62, 1, 0xFFFFFFFF), Row("d", 1, 1, 1, None)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    rng = random.Random(1)
    for number in range(30):
        path = made / ("sub/deep" if number % 3 else "") / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.randrange(5_000)))
    (made / "large").write_bytes(rng.randbytes(2 * BLOCK + 1))
    (made / "empty").touch()
    return made


def quiet(done: int, total: int) -> None:
    """Nobody listens."""


def print_of(folder: Path) -> str:
    return inventory.fingerprint(inventory.scan(str(folder)))


def test_every_file_has_a_row_as_it_is_now(folder: Path) -> None:
    rows = {row.path: row for row in inventory.scan(str(folder))}
    assert set(rows) == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert len(rows) == 32
    for name, row in rows.items():
        now = (folder / name).stat()
        assert row == Row(name, now.st_size, now.st_mtime_ns, now.st_ctime_ns, None)


def test_only_the_named_files_are_looked_at(folder: Path) -> None:
    rows = inventory.scan(str(folder), ["sub/deep/01.jpg", "large", "none", "sub", "large/not a folder"])
    assert [row.path for row in rows] == ["sub/deep/01.jpg", "large"]
    assert rows == [row for name in ("sub/deep/01.jpg", "large") for row in inventory.scan(str(folder)) if row.path == name]


def test_links_are_what_they_lead_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    for name in ("large", "empty"):
        (tmp_path / "linked" / name).symlink_to(folder / name)
    (tmp_path / "linked" / "nowhere").symlink_to(folder / "none")
    (tmp_path / "linked" / "circle").symlink_to(tmp_path / "linked")
    os.mkfifo(tmp_path / "linked" / "pipe")
    rows = sorted(inventory.scan(str(tmp_path / "linked")))
    assert rows == sorted(row for row in inventory.scan(str(folder)) if row.path in ("large", "empty"))
    assert sorted(inventory.scan(str(tmp_path / "linked"), ["empty", "large", "nowhere"])) == rows
    (tmp_path / "link").symlink_to(folder)
    assert inventory.scan(str(tmp_path / "link")) == inventory.scan(str(folder))


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inventory.scan(str(tmp_path / "none"))


def flip(path: Path) -> None:
    old = path.stat()
    with path.open("r+b") as handle:
        byte = handle.read(1)
        handle.seek(0)
        handle.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


@pytest.mark.parametrize("change", [
    lambda folder: (folder / "00.jpg").unlink(),
    lambda folder: (folder / "sub" / "new").touch(),
    lambda folder: (folder / "large").rename(folder / "larger"),
    lambda folder: (folder / "empty").write_bytes(b"1"),
    lambda folder: flip(folder / "large"),
    lambda folder: (folder / "large").touch(),
])
def test_the_fingerprint_sees_every_change(folder: Path, change: Callable[[Path], object]) -> None:
    before = print_of(folder)
    assert print_of(folder) == before
    change(folder)
    assert print_of(folder) != before


def test_the_fingerprint_does_not_see_the_folders_own_name_nor_any_order(folder: Path) -> None:
    before, rows = print_of(folder), inventory.scan(str(folder))
    assert inventory.fingerprint(reversed(rows)) == before
    assert inventory.fingerprint([row._replace(crc=1) for row in rows]) == before
    moved = folder.rename(folder.with_name("moved"))
    assert print_of(moved) == before


def test_two_lists_that_read_alike_have_other_fingerprints() -> None:
    assert inventory.fingerprint([Row("a", 1, 2, 3)]) != inventory.fingerprint([Row("a", 12, 3, 3)])
    assert inventory.fingerprint([Row("a1", 1, 2, 3)]) != inventory.fingerprint([Row("a", 11, 2, 3)])
    assert inventory.fingerprint([Row("\udcff", 1, 2, 3)]) != inventory.fingerprint([Row("\udcfe", 1, 2, 3)])


def test_a_written_list_is_read_as_it_was_and_people_can_read_it(tmp_path: Path) -> None:
    path = str(tmp_path / "marks" / "train.files")
    inventory.write(path, ROWS)
    assert inventory.read(path) == sorted(ROWS)
    assert Path(path).read_text() == (
        "# size in bytes, mtime and ctime in nanoseconds, crc32, path\n"
        f"0 {2**62} 1 ffffffff a/c.jpg\n"
        "2 5 6 00000007 b.jpg\n"
        "1 1 1 - d\n"
    )
    assert [entry.name for entry in Path(path).parent.iterdir()] == ["train.files"]


@pytest.mark.parametrize("name", [
    "with space ", " two  ", "größe", "new\nline", "back\\slash", "back\\nslash", "\udcff\udcfe", "#1", "car\rriage",
])
def test_names_of_all_kinds_survive(tmp_path: Path, name: str) -> None:
    rows = [Row(name, 1, 2, 3, 4), Row("z", 1, 2, 3, 4)]
    inventory.write(str(tmp_path / "list"), rows)
    assert inventory.read(str(tmp_path / "list")) == sorted(rows)


@pytest.mark.parametrize("text", ["1 2 3 00000004 cut", "1 2 3\n", "one 2 3 00000004 name\n", "1 2 3 xyz name\n", "\n"])
def test_a_list_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "list").write_text(f"# heading\n1 2 3 00000004 good\n{text}")
    assert inventory.read(str(tmp_path / "list")) is None
    assert inventory.read(str(tmp_path / "none")) is None


def test_cut_while_it_is_written_the_old_list_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "list")
    inventory.write(path, ROWS)

    def cut(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(KeyboardInterrupt):
        inventory.write(path, ROWS[:1])
    assert inventory.read(path) == sorted(ROWS)


def test_a_comparison_names_each_kind_of_change() -> None:
    recorded = [Row(name, 1, 2, 3, 4) for name in ("gone2", "gone1", "same", "resized", "touched", "chmodded")]
    now = [
        Row("new", 1, 2, 3), Row("same", 1, 2, 3), Row("resized", 2, 9, 9), Row("touched", 1, 9, 3), Row("chmodded", 1, 2, 9),
    ]
    assert inventory.compare(recorded, now) == Difference(["gone1", "gone2"], ["new"], ["resized"], ["chmodded", "touched"])
    assert inventory.compare(now, now) == Difference()


@pytest.mark.parametrize("workers", [1, 3])
def test_taking_reads_all_bytes_once(folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CHUNK_FILES", 4)
    told: list[tuple[int, int]] = []
    rows = inventory.take(str(folder), workers, lambda done, total: told.append((done, total)))
    assert sorted(rows) == sorted(row._replace(crc=zlib.crc32((folder / row.path).read_bytes())) for row in inventory.scan(str(folder)))
    total = sum(row.size for row in rows)
    assert {figures[1] for figures in told} == {total}
    assert [figures[0] for figures in told] == sorted(figures[0] for figures in told)
    assert told[-1] == (total, total)
    assert inventory.recheck(str(folder), rows, workers, quiet) == []


def test_taking_only_some(folder: Path) -> None:
    assert [row.path for row in inventory.take(str(folder), 1, quiet, names=["large"])] == ["large"]


def test_what_cannot_be_taken_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*inventory.scan(str(folder)), Row("vanished", 1, 2, 3)]
    monkeypatch.setattr(inventory, "scan", lambda folder, names: rows)
    with pytest.raises(InventoryFailed, match=r"1 files in .* cannot be read, or are being written to, first vanished"):
        inventory.take(str(folder), 2, quiet)


def test_a_recheck_names_what_differs(folder: Path) -> None:
    rows = inventory.take(str(folder), 2, quiet)
    flip(folder / "large")
    (folder / "00.jpg").unlink()
    (folder / "empty").write_bytes(b"1")
    (folder / "sub" / "deep" / "01.jpg").touch()
    (folder / "03.jpg").unlink()
    os.mkfifo(folder / "03.jpg")
    (folder / "06.jpg").unlink()
    (folder / "06.jpg").mkdir()
    differ = ["00.jpg", "03.jpg", "06.jpg", "empty", "large"]
    assert inventory.recheck(str(folder), rows, 2, quiet) == differ
    # Nobody knows the CRC of the first two, and the others had another size.
    other = {"00.jpg": {"crc": None}, "09.jpg": {"crc": None}, "12.jpg": {"size": 1}, "15.jpg": {"size": 9_999}}
    assert inventory.recheck(str(folder), [row._replace(**other.get(row.path, {})) for row in rows], 2, quiet) == sorted(
        [*differ, "09.jpg", "12.jpg", "15.jpg"],
    )


def test_a_killed_reader_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: str, size: int, buffer: memoryview) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    monkeypatch.setattr(inventory, "_crc", killed)
    with pytest.raises(InventoryFailed, match="could not all be read: one of its worker processes was killed"):
        inventory.take(str(folder), 2, quiet)


@pytest.mark.parametrize(("manifest", "expected"), [("/a/train.json", "/a/train.files"), ("/a/train", "/a/train.files")])
def test_the_list_has_its_place(manifest: str, expected: str) -> None:
    assert inventory.beside(manifest) == expected
