"""Servers that misbehave: right bytes at the destination in the end, or a sentence and nothing there."""

from __future__ import annotations

import email.utils
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2, patience
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress
from fetch_lab import BODY, MIB, OTHER, leftovers, quicken, record
from webserver import Faulty, serving

NO_CONNECTION = "http://127.0.0.1:9/x"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    quicken(monkeypatch)
    with serving() as server:
        server.files["/good"] = BODY
        yield server


def arrives(tmp_path: Path, *urls: str, connections: int = 16, rate_limit: str = "") -> None:
    got = fetch(record(tmp_path, *urls, transfer=Transfer(connections, rate_limit)))
    assert got.changed
    assert (tmp_path / "file.zip").read_bytes() == BODY
    assert leftovers(tmp_path) == {"file.zip"}


def fails(tmp_path: Path, *urls: str, connections: int = 16) -> str:
    with pytest.raises(FetchFailure) as failure:
        fetch(record(tmp_path, *urls, transfer=Transfer(connections)))
    assert not (tmp_path / "file.zip").exists()
    return str(failure.value)


@pytest.mark.parametrize("status", ["503", "429", "500", "502", "504"])
def test_a_server_that_is_unwell_for_a_moment_is_tried_again(tmp_path: Path, web: Faulty, status: str) -> None:
    web.faults["/good"] = (status, 4)
    arrives(tmp_path, web.url("/good"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("503", r"overloaded or in maintenance \(503\), after several tries"),
        ("429", "the server answers 429, too many requests, after several tries"),
        ("500", "the server answers 500"),
        ("502", "the server answers 502"),
    ],
)
def test_a_server_that_stays_unwell_is_a_sentence(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch, status: str, words: str,
) -> None:
    monkeypatch.setattr(aria2, "TRIES", 1)
    web.faults["/good"] = (status, 0)
    assert re.search(words, fails(tmp_path, web.url("/good")))
    assert leftovers(tmp_path) == set()


@pytest.mark.parametrize("status", ["401", "403", "404", "410"])
def test_a_server_that_says_no_is_not_asked_again(tmp_path: Path, web: Faulty, status: str) -> None:
    web.faults["/good"] = (status, 0)
    fails(tmp_path, web.url("/good"))
    assert len(web.requests) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_obeyed(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch, as_date: bool) -> None:
    """Of the requests, three are aria2's own tries; the fourth asks, and the fifth comes when the server wants it."""
    monkeypatch.setattr(patience, "LONGEST_RETRY_AFTER_SECONDS", 60)
    web.faults["/good"] = ("503", 4)
    web.clock = 1.7e9 if as_date else None
    web.retry_after["/good"] = email.utils.formatdate(1.7e9 + 2, usegmt=True) if as_date else "2"
    arrives(tmp_path, web.url("/good"))
    assert web.times[4] - web.times[3] >= 2


def test_a_server_that_wants_to_be_left_alone_for_hours_says_so_in_the_end(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "LONGEST_RETRY_AFTER_SECONDS", 0.2)
    web.faults["/good"] = ("503", 0)
    web.retry_after["/good"] = "7200"
    assert "asks to come back in 7200 seconds" in fails(tmp_path, web.url("/good"))


def test_while_one_mirror_rests_another_one_serves(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 1000.0)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 1000.0)
    web.files["/busy"] = BODY
    web.faults["/busy"] = ("503", 0)
    arrives(tmp_path, NO_CONNECTION, web.url("/busy"), web.url("/good"))


def test_whoever_waits_says_so_in_the_progress_file(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, object]] = []
    report = Progress.report

    def noting(self: Progress, *args: object) -> None:
        report(self, *args)  # type: ignore[arg-type]
        lines.append(json.loads(Path(self.path).read_text()))

    monkeypatch.setattr(Progress, "report", noting)
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 2.0)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 2.0)
    web.faults["/good"] = ("500", 1)
    fetch(record(tmp_path, web.url("/good"), progress=str(tmp_path / "progress.json")))
    waits = [line for line in lines if line["phase"] == "wait"]
    assert waits[0].pop("seconds") in (1, 2, 3)
    assert waits[0] == {"phase": "wait", "done": 0, "total": len(BODY), "rate": 0}
    assert "seconds" not in lines[-1]


@pytest.mark.parametrize("connections", [1, 16])
@pytest.mark.parametrize("fault", ["truncate", "reset", "cut:300000"])
def test_cut_a_few_times_it_goes_on_where_it_was(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch, fault: str, connections: int,
) -> None:
    monkeypatch.setattr(aria2, "TRIES", 2)
    web.faults["/good"] = (fault, 4)
    # Slow enough for all to be read before it is cut: an RST takes back what nobody has read.
    web.pace["/good"] = 8.0 * MIB
    arrives(tmp_path, web.url("/good"), connections=connections)
    assert web.sent["/good"] < 2 * len(BODY)


def test_a_connection_that_stalls_is_given_up_after_the_timeout(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a rate limit, that is: without one, the lowest speed ends it. The server would wait for ever."""
    monkeypatch.setattr(aria2, "STALL_SECONDS", 1)
    monkeypatch.setattr(aria2, "TRIES", 2)
    assert "--timeout=1" in aria2.options(Transfer(1, "100M"), None)
    web.faults["/good"] = ("stall", 3)
    arrives(tmp_path, web.url("/good"), connections=1, rate_limit="100M")
    assert len(web.requests) > 3


def test_a_server_that_gets_a_bit_further_each_time_is_not_given_up(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("cut:200000", 0)
    arrives(tmp_path, web.url("/good"), connections=1)
    assert len(web.requests) > len(BODY) // 200_000


def test_a_server_that_cuts_each_time_and_gets_nowhere_is_given_up(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("cut:100", 0)
    assert "the connection to the server was cut" in fails(tmp_path, web.url("/good"))


@pytest.mark.parametrize("fault", ["no-range", "chunked"])
def test_a_server_that_knows_no_ranges_serves_too(tmp_path: Path, web: Faulty, fault: str) -> None:
    web.faults["/good"] = (fault, 0)
    arrives(tmp_path, web.url("/good"))


def test_a_part_is_started_anew_where_the_server_ignores_range(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("truncate", 0)
    fails(tmp_path, web.url("/good"), connections=1)
    web.faults["/good"] = ("no-range", 0)
    got = fetch(record(tmp_path, web.url("/good")))
    assert not got.resumed
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_a_server_that_ignores_range_and_breaks_off_is_given_up(tmp_path: Path, web: Faulty) -> None:
    web.scripts["/good"] = ["truncate", "no-range"] * 100
    assert "cannot go on in the middle of a file" in fails(tmp_path, web.url("/good"), connections=1)


def test_a_server_that_ignores_range_and_breaks_off_once_gives_it_the_next_time(tmp_path: Path, web: Faulty) -> None:
    web.scripts["/good"] = ["truncate"]
    web.faults["/good"] = ("no-range", 0)
    arrives(tmp_path, web.url("/good"), connections=1)


@pytest.mark.parametrize("length", [len(BODY) // 4, len(BODY) * 2])
def test_a_part_of_a_file_that_has_another_length_now_is_started_anew(tmp_path: Path, web: Faulty, length: int) -> None:
    web.files["/old"] = (OTHER * 2)[:length] if length > len(BODY) else OTHER
    web.faults["/old"] = ("truncate", 0)
    fails(tmp_path, web.url("/old"), connections=1)
    wanted = BODY if length > len(BODY) else BODY[:length]
    web.files["/good"] = wanted
    got = fetch(record(tmp_path, web.url("/good"), body=wanted))
    assert (tmp_path / "file.zip").read_bytes() == wanted
    assert not got.resumed


def test_wrong_bytes_in_the_middle_name_the_mirror(tmp_path: Path, web: Faulty) -> None:
    web.scripts["/good"] = ["truncate", "flip"]
    said = fails(tmp_path, web.url("/good"), connections=1)
    assert f"{web.url('/good')}: the file there is not the one expected" in said
    assert leftovers(tmp_path) == set()


def test_wrong_bytes_after_going_on_are_fetched_anew(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("truncate", 0)
    fails(tmp_path, web.url("/good"), connections=1)
    web.faults.clear()
    web.scripts["/good"] = ["flip"]
    arrives(tmp_path, web.url("/good"), connections=1)


def test_a_mirror_that_lies_and_breaks_off_does_not_spoil_what_the_other_one_gives(tmp_path: Path, web: Faulty) -> None:
    """The first sends wrong bytes and never the whole file: what the second adds is a mixture, and neither can be blamed for it."""
    web.files["/bad"] = OTHER
    web.faults["/bad"] = ("truncate", 0)
    arrives(tmp_path, web.url("/bad"), web.url("/good"), connections=1)


def test_bytes_that_nobody_can_go_on_from_are_not_used(tmp_path: Path, web: Faulty) -> None:
    """Where the length is not known, aria2 leaves no control file, and would go on from whatever length the file has."""
    web.files["/bad"] = OTHER
    web.faults["/bad"] = ("chunked-cut", 0)
    arrives(tmp_path, web.url("/bad"), web.url("/good"))
    assert web.requests.count("/bad") == aria2.TRIES


def test_a_server_that_lies_and_breaks_off_is_found_out(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aria2, "TRIES", 1)
    web.files["/bad"] = OTHER
    # Going on takes two requests, one for the length and one for the rest.
    web.scripts["/bad"] = ["cut:1000000", "", "", "cut:1000000"]
    assert "not the one expected" in fails(tmp_path, web.url("/bad"), connections=1)
    assert len(web.requests) == 6
    assert leftovers(tmp_path) == set()


def test_of_two_mirrors_the_one_that_lies_is_named(tmp_path: Path, web: Faulty) -> None:
    web.files["/bad"] = OTHER
    web.files["/half"] = BODY
    web.scripts["/half"] = ["cut:3000000", "503", "503", "503"]
    web.faults["/half"] = ("403", 0)
    said = fails(tmp_path, web.url("/half"), web.url("/bad"), connections=1)
    assert f"{web.url('/half')}: the server answers 403" in said
    assert f"{web.url('/bad')}: the file there is not the one expected" in said


def test_a_server_that_vanishes_and_comes_back_goes_on_where_it_was(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.5)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 4.0)
    web.pace["/good"] = 1.5 * MIB

    def away() -> None:
        web.wait_until_sent("/good", 3 * MIB)
        web.vanish()
        time.sleep(3)
        web.pace.clear()
        web.come_back()

    absent = threading.Thread(target=away)
    absent.start()
    try:
        arrives(tmp_path, web.url("/good"), connections=2)
    finally:
        absent.join()
    assert web.sent["/good"] < 1.7 * len(BODY)


def test_a_server_that_bears_only_few_connections_gets_few(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("strict:3", 0)
    web.pace["/good"] = 4.0 * MIB
    arrives(tmp_path, web.url("/good"), connections=8)
    assert web.angered["/good"] >= 1


def test_connections_that_are_too_many_are_done_without(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("crowded:2", 0)
    web.pace["/good"] = 4.0 * MIB
    arrives(tmp_path, web.url("/good"))


def test_a_connection_that_only_trickles_is_replaced(tmp_path: Path, web: Faulty) -> None:
    """aria2 looks at the speed of a connection only after its first ten seconds; the server would trickle for a minute."""
    web.faults["/good"] = ("trickle", 1)
    arrives(tmp_path, web.url("/good"), connections=1)
    assert web.trickled < 120


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificate is made with openssl")
def test_a_certificate_that_is_not_accepted_is_said_at_once(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = web.speak_tls(tmp_path)
    out = tmp_path / "out"
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 1000.0)
    assert "give a CA bundle in SSL_CERT_FILE" in fails(out, web.url("/good"))
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    arrives(out, web.url("/good"))


def test_the_proxy_may_be_written_in_capitals(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    web.files["http://192.0.2.7/x"] = BODY
    monkeypatch.setenv("HTTP_PROXY", web.url(""))
    arrives(tmp_path, "http://192.0.2.7/x")


def test_a_rate_limit_does_not_close_slow_connections() -> None:
    assert any("lowest-speed-limit" in option for option in aria2.options(Transfer(), None))
    assert not any("lowest-speed-limit" in option for option in aria2.options(Transfer(16, "10K"), None))
