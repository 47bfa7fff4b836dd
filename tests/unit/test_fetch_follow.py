"""Hashing a file while somebody writes it: the sha256 is that of the file, whatever happens to the file meanwhile."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import follow
from ansible_collections.codetr.provision.plugins.module_utils.fetch.follow import Follower
from ansible_collections.codetr.provision.plugins.module_utils.fetch.part import Part
from fetch_lab import BODY, MIB, OTHER, control_file


class Watched(Follower):
    """Notes each new number of bytes that it knows to be on the disk."""

    def __init__(self, part: Part, told: list[int]) -> None:
        self._told = told
        super().__init__(part)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_known" and value != getattr(self, "_known", -1):
            self._told.append(value)
        super().__setattr__(name, value)


class Writer:
    """Writes the part file and the control file as aria2 would, and says what the follower has told and read."""

    def __init__(self, tmp_path: Path) -> None:
        self.part = Part(str(tmp_path / "file.zip"))
        self.told: list[int] = []
        self.read_at_the_end: list[int] = []
        self.follower = Watched(self.part, self.told)
        self.path, self.control = Path(self.part.path), Path(self.part.control)

    def write(self, body: bytes, pieces: str, start: int = 0) -> None:
        """Bytes into the file that is there, and then the pieces that the control file tells of."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        os.pwrite(descriptor, body, start)
        os.close(descriptor)
        self.announce(pieces)

    def announce(self, pieces: str) -> None:
        draft = self.control.with_suffix(".new")
        draft.write_bytes(control_file(len(BODY), pieces))
        draft.replace(self.control)

    def until_hashed(self, amount: int) -> None:
        deadline = time.monotonic() + 60
        while self.follower._hashed != amount:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def assert_right(self) -> str:
        """The hash in the end is that of the file; it is returned."""
        sha256, size = self.follower.finish(self.read_at_the_end.append)
        assert size == self.path.stat().st_size
        assert sha256 == hashlib.sha256(self.path.read_bytes()).hexdigest()
        return sha256


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
    return Writer(tmp_path)


def test_what_was_hashed_on_the_way_is_not_read_again(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(BODY[: 2 * MIB], "110000")
        writer.until_hashed(2 * MIB)
        writer.write(BODY, "111101")
        writer.until_hashed(4 * MIB)
    writer.assert_right()
    assert writer.told == [0, 2 * MIB, 4 * MIB, 6 * MIB]
    assert writer.read_at_the_end == [5 * MIB, 6 * MIB]


def test_bytes_beyond_the_prefix_are_not_believed(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(bytes(MIB) + BODY[MIB:], "011111")
        time.sleep(0.1)
        assert writer.told == [0]
        writer.write(BODY[:MIB], "111111")
        writer.until_hashed(6 * MIB)
    assert writer.assert_right() == hashlib.sha256(BODY).hexdigest()


def test_a_prefix_that_shrinks_starts_the_hash_anew(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(OTHER, "111100")
        writer.until_hashed(4 * MIB)
        writer.announce("100000")
        writer.until_hashed(MIB)
        writer.write(BODY[MIB:], "111111", start=MIB)
        writer.until_hashed(6 * MIB)
    writer.assert_right()
    assert writer.told == [0, 4 * MIB, 0, MIB, 6 * MIB]


def test_a_prefix_that_shrinks_before_it_was_hashed_is_told_all_the_same(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "BLOCKS_AT_ONCE", 1)
    writer.write(BODY, "111100")
    writer.follower._poll(threading.Event())
    writer.announce("110000")
    writer.follower._poll(threading.Event())
    assert writer.told == [0, 4 * MIB, 0, 2 * MIB]
    writer.assert_right()


def test_another_file_of_the_same_name_starts_the_hash_anew(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(OTHER, "111100")
        writer.until_hashed(4 * MIB)
    new = writer.path.with_suffix(".new")
    new.write_bytes(BODY)
    new.replace(writer.path)
    with writer.follower.following():
        writer.announce("111110")
        writer.until_hashed(5 * MIB)
    assert writer.assert_right() == hashlib.sha256(BODY).hexdigest()
    assert 0 in writer.told[writer.told.index(4 * MIB) :]


def test_another_file_at_the_last_moment_is_hashed_whole(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(OTHER, "111111")
        writer.until_hashed(6 * MIB)
    new = writer.path.with_suffix(".new")
    new.write_bytes(BODY)
    new.replace(writer.path)
    assert writer.assert_right() == hashlib.sha256(BODY).hexdigest()
    assert writer.read_at_the_end[0] == MIB


def test_a_file_that_was_cut_and_grew_again_has_holes_and_is_hashed_whole(writer: Writer) -> None:
    """Between two looks nobody sees it cut, and aria2 writes on where it was."""
    with writer.follower.following():
        writer.write(BODY, "111100")
        writer.until_hashed(4 * MIB)
    os.truncate(writer.path, 0)
    writer.write(BODY[5 * MIB :], "111111", start=5 * MIB)
    assert writer.assert_right() == hashlib.sha256(bytes(5 * MIB) + BODY[5 * MIB :]).hexdigest()


def test_a_control_file_that_is_ahead_of_the_file_is_not_believed(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(BODY[: 2 * MIB], "111111")
        writer.until_hashed(2 * MIB)
        writer.write(BODY[2 * MIB :], "111111", start=2 * MIB)
        writer.until_hashed(6 * MIB)
    writer.assert_right()


def test_a_file_that_cannot_be_read_for_a_moment_is_read_later(writer: Writer) -> None:
    with writer.follower.following():
        writer.write(BODY, "111100")
        writer.until_hashed(4 * MIB)
        aside = writer.path.with_suffix(".aside")
        writer.path.rename(aside)
        writer.until_hashed(0)
        aside.rename(writer.path)
        writer.until_hashed(4 * MIB)
    writer.assert_right()


def test_a_long_file_that_is_there_already_is_not_waited_for(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others hear of new bytes while the old ones are still being hashed."""
    monkeypatch.setattr(follow, "BLOCKS_AT_ONCE", 1)
    writer.write(BODY, "111000")
    writer.follower._poll(threading.Event())
    writer.announce("111110")
    writer.follower._poll(threading.Event())
    assert writer.told[-1] == 5 * MIB
    assert writer.follower._hashed == 2 * MIB
