"""Servers that break off, stall, trickle, vanish or know no ranges: the right bytes arrive, or a sentence and nothing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2, patience
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from fetch_lab import BODY, MIB, assert_arrives, fails, record
from webserver import Faulty


@pytest.mark.parametrize("connections", [1, 16])
@pytest.mark.parametrize("fault", ["truncate", "reset", "cut:300000"])
def test_cut_a_few_times_it_goes_on_where_it_was(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch, fault: str, connections: int,
) -> None:
    monkeypatch.setattr(aria2, "TRIES", 2)
    web.faults["/good"] = (fault, 4)
    # Slow enough for all to be read before it is cut: an RST takes back what nobody has read.
    web.pace["/good"] = 8.0 * MIB
    assert_arrives(tmp_path, web.url("/good"), connections=connections)
    assert web.sent["/good"] < 2 * len(BODY)


def test_a_connection_that_stalls_is_given_up_after_the_timeout(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a rate limit, that is: without one, the lowest speed ends it. The server would wait for ever."""
    monkeypatch.setattr(aria2, "STALL_SECONDS", 1)
    monkeypatch.setattr(aria2, "TRIES", 2)
    assert "--timeout=1" in aria2.options(Transfer(1, "100M"), None)
    web.faults["/good"] = ("stall", 3)
    assert_arrives(tmp_path, web.url("/good"), connections=1, rate_limit="100M")
    assert len(web.requests) > 3


def test_a_server_that_gets_a_bit_further_each_time_is_not_given_up(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("cut:200000", 0)
    assert_arrives(tmp_path, web.url("/good"), connections=1)
    assert len(web.requests) > len(BODY) // 200_000


def test_a_server_that_cuts_each_time_and_gets_nowhere_is_given_up(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("cut:100", 0)
    assert "the connection to the server was cut" in fails(tmp_path, web.url("/good"))


@pytest.mark.parametrize("fault", ["no-range", "chunked"])
def test_a_server_that_knows_no_ranges_serves_too(tmp_path: Path, web: Faulty, fault: str) -> None:
    web.faults["/good"] = (fault, 0)
    assert_arrives(tmp_path, web.url("/good"))


def test_a_part_is_started_anew_where_the_server_ignores_range(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("truncate", 0)
    fails(tmp_path, web.url("/good"), connections=1)
    web.faults["/good"] = ("no-range", 0)
    got = fetch(record(tmp_path, web.url("/good")))
    assert not got.resumed
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_a_server_that_ignores_range_and_breaks_off_is_given_up(tmp_path: Path, web: Faulty) -> None:
    web.scripts["/good"] = ["truncate", "no-range"] * 100
    assert "cannot resume downloads" in fails(tmp_path, web.url("/good"), connections=1)


def test_a_server_that_ignores_range_and_breaks_off_once_gives_it_the_next_time(tmp_path: Path, web: Faulty) -> None:
    web.scripts["/good"] = ["truncate"]
    web.faults["/good"] = ("no-range", 0)
    assert_arrives(tmp_path, web.url("/good"), connections=1)


def test_a_server_that_vanishes_and_comes_back_goes_on_where_it_was(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.5)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 4.0)
    web.pace["/good"] = 1.5 * MIB

    asked: list[int] = []

    def away() -> None:
        web.wait_until_sent("/good", 3 * MIB)
        web.vanish()
        asked.append(len(web.requests))
        time.sleep(3)
        web.pace.clear()
        web.come_back()

    absent = threading.Thread(target=away)
    absent.start()
    try:
        assert_arrives(tmp_path, web.url("/good"), connections=2)
    finally:
        absent.join()
    wanted = [headers["Range"] for headers in web.headers[asked[0] :] if headers["Range"]]
    assert wanted
    assert not any(part.startswith("bytes=0-") for part in wanted)


def test_a_server_that_bears_only_few_connections_gets_few(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("strict:3", 0)
    web.pace["/good"] = 4.0 * MIB
    assert_arrives(tmp_path, web.url("/good"), connections=8)
    assert web.angered["/good"] >= 1


def test_connections_that_are_too_many_are_done_without(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("crowded:2", 0)
    web.pace["/good"] = 4.0 * MIB
    assert_arrives(tmp_path, web.url("/good"))


def test_a_connection_that_only_trickles_is_replaced(tmp_path: Path, web: Faulty) -> None:
    """aria2 looks at the speed of a connection only after its first ten seconds; the server would trickle for a minute."""
    web.faults["/good"] = ("trickle", 1)
    assert_arrives(tmp_path, web.url("/good"), connections=1)
    assert web.trickled < 120


def test_a_rate_limit_does_not_close_slow_connections() -> None:
    assert any("lowest-speed-limit" in option for option in aria2.options(Transfer(), None))
    assert not any("lowest-speed-limit" in option for option in aria2.options(Transfer(16, "10K"), None))
