"""A file that others may read while it arrives: each byte that is announced is in the part file, and is the right one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import follow
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress
from fetch_lab import BODY, MIB, OTHER, record
from webserver import Faulty


class Reader:
    """Reads each announced prefix at once."""

    def __init__(self, tmp_path: Path, *bodies: bytes) -> None:
        self.part = tmp_path / "file.zip.part"
        self.bodies = bodies
        self.told: list[int] = []
        self.wrong: list[int] = []
        self.before_anew: list[bytes] = []

    def ready(self, amount: int) -> None:
        self.told.append(amount)
        there = self.part.read_bytes() if self.part.exists() else b""
        if amount == 0:
            self.before_anew.append(there)
        if there[:amount] not in [body[:amount] for body in self.bodies]:
            self.wrong.append(amount)


@pytest.mark.parametrize("connections", [1, 2])
def test_the_file_grows_for_others_while_it_arrives(tmp_path: Path, web: Faulty, connections: int) -> None:
    web.pace["/good"] = 1.5 * MIB / connections
    reader = Reader(tmp_path, BODY)
    fetch(record(tmp_path, web.url("/good"), transfer=Transfer(connections)), ready=reader.ready)
    assert reader.wrong == []
    assert reader.told[0] == 0
    assert all(before < after for before, after in pairwise(reader.told))
    assert reader.told[-1] == len(BODY)
    assert len(reader.told) > 3


def test_many_connections_fill_the_file_from_its_start(tmp_path: Path, web: Faulty) -> None:
    """Divided among four in equal shares, no more than the first quarter would be there before nearly all is."""
    web.files["/large"] = body = BODY * 4
    web.pace["/large"] = 1.5 * MIB
    reader = Reader(tmp_path, body)
    fetch(record(tmp_path, web.url("/large"), body=body, size=None, transfer=Transfer(4)), ready=reader.ready)
    assert any(len(body) // 3 < amount < len(body) for amount in reader.told)


def test_most_is_hashed_before_the_last_byte_is_here(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[int] = []
    report = Progress.report

    def noting(self: Progress, phase: str, done: int, *args: object) -> None:
        if phase == "check":
            first.append(done)
        report(self, phase, done, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Progress, "report", noting)
    web.pace["/good"] = 1.0 * MIB
    fetch(record(tmp_path, web.url("/good"), transfer=Transfer(1)))
    assert first[0] > 2 * MIB


def test_bytes_of_an_earlier_run_are_announced_and_hashed_too(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("403", 0)
    web.scripts["/good"] = ["cut:4000000"]
    with pytest.raises(FetchFailure):
        fetch(record(tmp_path, web.url("/good"), transfer=Transfer(1)))
    web.faults.clear()
    web.pace["/good"] = 1.0 * MIB
    reader = Reader(tmp_path, BODY)
    assert fetch(record(tmp_path, web.url("/good"), transfer=Transfer(1)), ready=reader.ready).resumed
    assert reader.told[:2] == [0, 3 * MIB]
    assert reader.wrong == []
    assert reader.told[-1] == len(BODY)


def test_a_file_that_starts_anew_is_announced_with_nothing(tmp_path: Path, web: Faulty) -> None:
    """Of the lying mirror the reader sees wrong bytes; at the destination they never are."""
    web.files["/bad"] = OTHER
    reader = Reader(tmp_path, BODY, OTHER)
    fetch(record(tmp_path, web.url("/bad"), web.url("/good")), ready=reader.ready)
    assert reader.wrong == []
    assert reader.told.count(len(BODY)) == 2
    assert 0 in reader.told[reader.told.index(len(BODY)) :]
    # It hears of it while the old file is still there.
    assert reader.before_anew == [b"", OTHER]
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_whoever_cuts_the_part_file_does_not_get_it_placed(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes were right when they were hashed on the way, and are gone when aria2 has ended."""
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.05)
    web.pace["/good"] = 1.5 * MIB
    cut: list[int] = []

    def ready(amount: int) -> None:
        if amount > 2 * MIB and not cut:
            cut.append(amount)
            with (tmp_path / "file.zip.part").open("r+b") as handle:
                handle.truncate(0)

    with pytest.raises(FetchFailure, match="not the expected file"):
        fetch(record(tmp_path, web.url("/good"), transfer=Transfer(1)), ready=ready)
    assert cut
    assert not (tmp_path / "file.zip").exists()


def test_a_file_of_this_host_is_announced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "source.zip").write_bytes(BODY)
    reader = Reader(tmp_path, BODY)
    fetch(record(tmp_path, (tmp_path / "source.zip").as_uri()), ready=reader.ready)
    assert reader.told == [0, len(BODY)]
