"""Asking a busy server: what it says, and that the question goes the way that aria2's requests go."""

from __future__ import annotations

import base64
import email.utils
import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import network
from ansible_collections.codetr.provision.plugins.module_utils.fetch.ask import Answer, ask
from webserver import Faulty


def test_one_byte_is_asked_for(web: Faulty) -> None:
    assert ask(web.url("/good")) == Answer(busy=False)
    assert web.headers[0]["Range"] == "bytes=0-0"
    web.wait_until_sent("/good", 1)
    assert web.sent["/good"] == 1


@pytest.mark.parametrize("status", ["503", "429"])
def test_a_busy_server_says_for_how_long_or_not(web: Faulty, status: str) -> None:
    web.faults["/good"] = (status, 0)
    assert ask(web.url("/good")) == Answer(busy=True)
    web.retry_after["/good"] = "17"
    assert ask(web.url("/good")) == Answer(busy=True, wait=17)
    web.retry_after["/good"] = "soon"
    assert ask(web.url("/good")) == Answer(busy=True)


def test_a_date_is_measured_with_the_clock_of_the_server(web: Faulty) -> None:
    web.faults["/good"] = ("503", 0)
    web.clock = time.time() - 90_000
    web.retry_after["/good"] = email.utils.formatdate(web.clock + 40, usegmt=True)
    assert ask(web.url("/good")) == Answer(busy=True, wait=40)
    web.retry_after["/good"] = email.utils.formatdate(web.clock - 40, usegmt=True)
    assert ask(web.url("/good")) == Answer(busy=True, wait=0)


@pytest.mark.parametrize("status", ["404", "500", "302"])
def test_whatever_else_is_wrong_is_for_the_download_to_say(web: Faulty, status: str) -> None:
    web.faults["/good"] = (status, 0)
    assert ask(web.url("/good")) == Answer(busy=False)


def test_nobody_there_is_for_the_download_to_say() -> None:
    assert ask("http://127.0.0.1:9/x") == ask("ftp://127.0.0.1:9/x") == ask("http://127.0.0.1:9999999/x") == Answer(busy=False)


def test_user_and_password_of_the_url_are_sent_and_not_passed_on(web: Faulty) -> None:
    web.faults["/good"] = ("503", 0)
    assert ask(web.url("/good").replace("http://", "http://me:s%40fe@")) == Answer(busy=True)
    assert web.headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"me:s@fe").decode()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_the_proxy_is_asked_unless_no_proxy_says_otherwise(web: Faulty, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    web.faults["http://192.0.2.7/x"] = ("503", 0)
    monkeypatch.setenv(variable, web.url("").replace("http://", "http://me:secret@"))
    assert ask("http://192.0.2.7/x") == Answer(busy=True)
    assert web.headers[-1]["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    for names in ("192.0.2.7", "example.org, 192.0.2.0/24"):
        monkeypatch.setenv("no_proxy", names)
        assert network.proxy("http://192.0.2.7/x") == ""
    monkeypatch.setenv("no_proxy", "192.0.3.0/24,example.org")
    assert network.proxy("http://192.0.2.7/x") != ""
    assert network.proxy("http://data.example.org/x") == ""


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificate is made with openssl")
def test_the_ca_bundle_is_that_of_aria2(web: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = web.speak_tls(tmp_path)
    web.faults["/good"] = ("503", 0)
    assert ask(web.url("/good")) == Answer(busy=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", certificate)
    assert ask(web.url("/good")) == Answer(busy=True)
