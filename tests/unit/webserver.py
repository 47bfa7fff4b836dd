"""A small web server with faults, for tests of downloads. It answers Range requests as a good one does, and as bad ones do."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Faulty(ThreadingHTTPServer):
    """Serves ``files`` by path, each behaving as ``faults`` says.

    Attributes:
        faults: by path and for so many requests (0 for all): a status such as ``503``, ``truncate`` (closes after half of what was
            asked for), ``no-range`` (ignores Range), ``stall`` (sends half and then waits for ``release``).
        sent: bytes sent, by path.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, tuple[str, int]] = {}
        self.sent: dict[str, int] = {}
        self.requests: list[str] = []
        self.reached_stall = threading.Event()
        self.release = threading.Event()
        self.guard = threading.Lock()

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def fault(self, path: str) -> str:
        """The fault that this request meets; counted ones run out."""
        with self.guard:
            self.requests.append(path)
            kind, times = self.faults.get(path, ("", 0))
            if times > 0:
                self.faults[path] = (kind, times - 1) if times > 1 else ("", 0)
            return kind

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        body, fault = self.server.files.get(self.path), self.server.fault(self.path)
        if fault.isdigit() or body is None:
            self.send_response(int(fault or 404))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and fault != "no-range":
            first, last = int(asked[1]), int(asked[2] or len(body) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        else:
            first, last = 0, len(body) - 1
            self.send_response(200)
        part = body[first : last + 1]
        self.send_header("Accept-Ranges", "none" if fault == "no-range" else "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        half = len(part) // 2
        self._send(part[:half])
        if fault == "stall":
            self.server.reached_stall.set()
            self.server.release.wait()
        if fault == "truncate":
            self.close_connection = True
            return
        self._send(part[half:])

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        with self.server.guard:
            self.server.sent[self.path] = self.server.sent.get(self.path, 0) + len(data)


@contextlib.contextmanager
def serving() -> Iterator[Faulty]:
    """A running server on a free port of 127.0.0.1."""
    server = Faulty()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
