"""A file is hashed while it arrives, and what is hashed is what is placed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import follow
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress
from fetch_lab import MIB, record
from webserver import Faulty


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


def test_whoever_cuts_the_part_file_does_not_get_it_placed(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes were right when they were hashed on the way, and are gone when aria2 has ended."""
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.05)
    web.pace["/good"] = 1.5 * MIB
    part, cut = tmp_path / "file.zip.part", threading.Event()

    def cutting() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (part.exists() and part.stat().st_blocks * 512 > 2 * MIB):
            time.sleep(0.01)
        with part.open("r+b") as handle:
            handle.truncate(0)
        cut.set()

    thread = threading.Thread(target=cutting)
    thread.start()
    with pytest.raises(FetchFailure, match="not the expected file"):
        fetch(record(tmp_path, web.url("/good"), transfer=Transfer(1)))
    thread.join()
    assert cut.is_set()
    assert not (tmp_path / "file.zip").exists()
