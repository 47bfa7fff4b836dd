"""Servers that say no, or not now: how long they are asked, and what is said in the end."""

from __future__ import annotations

import email.utils
import json
import re
import shutil
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2, patience
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress
from fetch_lab import BODY, assert_arrives, fails, leftovers, record
from webserver import Faulty


@pytest.mark.parametrize("status", ["503", "429", "500", "502", "504"])
def test_a_server_that_is_unwell_for_a_moment_is_tried_again(tmp_path: Path, web: Faulty, status: str) -> None:
    web.faults["/good"] = (status, 4)
    assert_arrives(tmp_path, web.url("/good"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("503", r"the server answers 503 \(overloaded or in maintenance\) after several tries"),
        ("429", r"the server answers 429 \(too many requests\) after several tries"),
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
    assert_arrives(tmp_path, web.url("/good"))
    assert web.times[4] - web.times[3] >= 2


def test_a_server_that_wants_to_be_left_alone_for_hours_says_so_in_the_end(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "LONGEST_RETRY_AFTER_SECONDS", 0.2)
    web.faults["/good"] = ("503", 0)
    web.retry_after["/good"] = "7200"
    assert "sends Retry-After: 7200 seconds" in fails(tmp_path, web.url("/good"))


def test_while_one_mirror_rests_another_one_serves(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 1000.0)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 1000.0)
    web.files["/busy"] = BODY
    web.faults["/busy"] = ("503", 0)
    assert_arrives(tmp_path, "http://127.0.0.1:9/x", web.url("/busy"), web.url("/good"))


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
    assert waits[0] == {"phase": "wait", "done": 0, "total": len(BODY), "rate": 0, "unit": "bytes"}
    assert "seconds" not in lines[-1]


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificate is made with openssl")
def test_a_certificate_that_is_not_accepted_is_said_at_once(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = web.speak_tls(tmp_path)
    out = tmp_path / "out"
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 1000.0)
    assert "set SSL_CERT_FILE to its CA bundle" in fails(out, web.url("/good"))
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    assert_arrives(out, web.url("/good"))


def test_the_proxy_may_be_written_in_capitals(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    web.files["http://192.0.2.7/x"] = BODY
    monkeypatch.setenv("HTTP_PROXY", web.url(""))
    assert_arrives(tmp_path, "http://192.0.2.7/x")
