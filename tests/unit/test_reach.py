"""What is said of an address that does not answer."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.codetr.provision.plugins.modules import codetr_reach


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    """A server that answers /CODE with that code."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


@pytest.mark.parametrize(("code", "silent"), [(200, ""), (403, ""), (405, ""), (404, "404"), (410, "410"), (503, "503")])
def test_which_answers_count(server, code, silent):
    said = codetr_reach.try_url(f"{server}/{code}", 5)
    assert bool(said) == bool(silent)
    assert silent in said


def test_a_dead_port_and_a_file(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refused" in codetr_reach.try_url(f"http://127.0.0.1:{port}/", 5)
    assert codetr_reach.try_url(tmp_path.as_uri(), 5) == ""
    assert "no such file" in codetr_reach.try_url(f"{tmp_path.as_uri()}/x", 5)


def test_a_name_that_does_not_resolve():
    assert codetr_reach.try_url("http://nothing.invalid/", 5) == "the name nothing.invalid does not resolve"


def test_a_proxy_that_does_not_resolve_is_named_as_such(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    assert codetr_reach.try_url("http://127.0.0.2/", 5) == "the name proxy.invalid (the proxy) does not resolve"
