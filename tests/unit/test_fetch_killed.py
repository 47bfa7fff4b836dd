"""Killed, full and crowded: what is half done is never taken for done, and the next run goes on from there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.part import Part
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request, fetch
from fetch_lab import BODY, MIB, leftovers, record
from webserver import Faulty

LARGE = BODY * 4


@pytest.fixture
def web(web: Faulty) -> Faulty:
    web.files["/large"] = LARGE
    return web


SCRIPT = """
import sys
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request, fetch
url, dest, sha256, size, connections = sys.argv[1:]
fetch(Request(name="thing", urls=[url], dest=dest, sha256=sha256, size=int(size), transfer=Transfer(int(connections), "100M")))
"""


def another_process(request: Request, connections: int = 1) -> subprocess.Popen[bytes]:
    """Fetches in a process group of its own, with a rate limit: then a silent server is waited for, for half a minute."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", SCRIPT, request.urls[0], request.dest, str(request.sha256), str(request.size), str(connections)]
    return subprocess.Popen(argv, env=environment, start_new_session=True)


def test_killed_at_ten_points_it_ends_right_and_does_not_begin_again(tmp_path: Path, web: Faulty) -> None:
    request, part = record(tmp_path, web.url("/large"), body=LARGE), Part(str(tmp_path / "file.zip"))
    points = random.Random(20)
    web.pace["/large"] = 1.0 * MIB
    for _ in range(10):
        more = points.randint(1, 4 * MIB)
        child = another_process(request, connections=2)
        web.wait_until_sent("/large", web.sent.get("/large", 0) + more)
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not Path(request.dest).exists()
    here, before = part.arrived(), web.sent["/large"]
    assert here > 0
    web.pace["/large"] = 8.0 * MIB
    assert fetch(request).resumed
    assert Path(request.dest).read_bytes() == LARGE
    assert leftovers(tmp_path) == {"file.zip"}
    assert web.sent["/large"] - before < len(LARGE)


def test_killed_alone_it_takes_aria2_with_it_and_until_then_nobody_else_may_write(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = record(tmp_path, web.url("/large"), body=LARGE)
    web.faults["/large"] = ("stall", 1)
    child = another_process(request)
    assert web.reached_stall.wait(60)
    aria2 = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text())
    os.kill(aria2, signal.SIGSTOP)
    child.kill()
    child.wait()
    try:
        with pytest.raises(FetchFailure, match="Another run is fetching"):
            fetch(request)
    finally:
        os.kill(aria2, signal.SIGCONT)
    # It has nothing else to end for: the server is silent, and its timeout is longer.
    monkeypatch.setattr(lock, "TIMEOUT_SECONDS", 20)
    with lock.lock(f"{request.dest}.lock"):
        assert not Path(request.dest).exists()
    web.release.set()
    assert fetch(request).resumed
    assert Path(request.dest).read_bytes() == LARGE


def test_of_two_runs_at_once_the_second_says_so(tmp_path: Path, web: Faulty) -> None:
    request = record(tmp_path, web.url("/large"), body=LARGE)
    web.faults["/large"] = ("stall", 1)
    child = another_process(request)
    assert web.reached_stall.wait(60)
    with pytest.raises(FetchFailure, match="Another run is fetching"):
        fetch(request)
    web.release.set()
    assert child.wait() == 0
    assert Path(request.dest).read_bytes() == LARGE
    assert leftovers(tmp_path) == {"file.zip"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_is_a_sentence_and_costs_no_bytes(small_disk: Path, web: Faulty) -> None:
    request = record(small_disk, web.url("/good"), size=None, transfer=Transfer(1))
    web.pace["/good"] = 1.0 * MIB
    for _ in range(3):
        with pytest.raises(FetchFailure, match=r"could not be stored in .*: the disk is full"):
            fetch(request)
        assert not Path(request.dest).exists()
    before = web.sent["/good"]
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    assert fetch(request).resumed
    assert Path(request.dest).read_bytes() == BODY
    assert leftovers(small_disk) == {"file.zip"}
    assert web.sent["/good"] - before < len(BODY) - 2 * MIB
