"""What aria2's exit status and words mean. The words are those of aria2 1.36 with GnuTLS, taken down from real failures."""

from __future__ import annotations

import re

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import Kind
from ansible_collections.codetr.provision.plugins.module_utils.fetch.verdict import verdict
from fetch_lab import quicken

URL = "https://data.example.org/x"
TLS = "  -> [SocketCore.cc:1018] errorCode=1 SSL/TLS handshake failure: "


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


def status(number: int) -> str:
    return f"errorCode=22 URI={URL}\n  -> [HttpSkip.cc:239] errorCode=22 The response status is not successful. status={number}\n"


@pytest.mark.parametrize(
    ("code", "output", "kind", "words"),
    [
        (3, "", Kind.GONE, r"the server answers 404 \(file not found\)"),
        (22, status(403), Kind.GONE, "the server answers 403"),
        (22, status(410), Kind.GONE, "the server answers 410"),
        (24, "errorCode=24 Authorization failed.", Kind.GONE, "user name and password"),
        (23, "", Kind.GONE, "redirects in a loop"),
        (28, "errorCode=28 We encountered a problem", Kind.GONE, "rate limit"),
        (29, status(503), Kind.BUSY, r"the server answers 503 \(overloaded or in maintenance\) after several tries"),
        (29, status(502), Kind.PASSING, "the server answers 502"),
        (29, status(504), Kind.PASSING, "the server answers 504"),
        (22, status(500), Kind.PASSING, "the server answers 500"),
        (22, status(408), Kind.PASSING, "the server answers 408"),
        (22, status(429), Kind.BUSY, r"the server answers 429 \(too many requests\)"),
        (22, status(416), Kind.STALE, "the server answers 416"),
        (1, status(503) + "errorCode=1 Got EOF from the server.", Kind.BUSY, "the connection to the server was cut"),
        (1, status(404) + "errorCode=1 Got EOF from the server.", Kind.PASSING, "the connection to the server was cut"),
        (1, "errorCode=1 Failed to receive data, cause: Connection reset by peer", Kind.PASSING, r"cut \(Connection reset by peer\)"),
        (1, "errorCode=1 Failed to establish connection, cause: Connection refused", Kind.UNREACHED, r"cannot connect .*refused\)"),
        (2, "errorCode=2 Timeout.", Kind.UNREACHED, "did not answer in time"),
        (5, "errorCode=5 Too slow Downloading speed: 2 <= 1024(B/s)", Kind.PASSING, "almost nothing"),
        (6, "", Kind.UNREACHED, "cannot connect to the server"),
        (19, "errorCode=19 CUID#7 - Name resolution for x failed:Domain name not found", Kind.GONE, "host name cannot be resolved"),
        (19, "errorCode=19 CUID#7 - Name resolution for x failed:Could not contact DNS servers", Kind.UNREACHED, "cannot be resolved"),
        (1, TLS + " `not signed by known authorities or invalid' `issuer is not known'", Kind.GONE, "set SSL_CERT_FILE to its CA bundle"),
        (1, TLS + "hostname does not match", Kind.GONE, "certificate or TLS is not accepted"),
        (1, TLS + "An unexpected TLS packet was received.", Kind.GONE, "certificate or TLS is not accepted"),
        (1, TLS + "Error in the pull function.", Kind.UNREACHED, "cannot connect to the server"),
        (8, "errorCode=8 Invalid range header.", Kind.STALE, "cannot resume downloads"),
        (1, "errorCode=1 total length mismatch. expected: 5, actual: 6", Kind.STALE, "exit status 1"),
        (9, "", Kind.LOCAL, "the disk is full"),
        (16, "errorCode=16 Failed to open the file", Kind.LOCAL, r"exit status 16 \(Failed to open the file\)"),
        (-9, "", Kind.PASSING, "exit status -9"),
    ],
)
def test_what_a_failure_means(code: int, output: str, kind: Kind, words: str) -> None:
    failure = verdict(code, output, URL)
    assert failure.kind is kind
    assert re.search(words, failure.sentence)


def test_the_proxy_is_named_where_it_may_be_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example.org:3128")
    assert verdict(3, "", URL).sentence.endswith(" (through the proxy http://proxy.example.org:3128)")
    assert "proxy" not in verdict(9, "", URL).sentence
    monkeypatch.setenv("no_proxy", "example.org")
    assert "proxy" not in verdict(3, "", URL).sentence
