"""A small web server with faults, for tests of downloads. It answers Range requests as a good one does, and as bad ones do."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BLOCK = 16 << 10


class Faulty(ThreadingHTTPServer):
    """Serves ``files`` by path, each behaving as ``faults`` says.

    Attributes:
        faults: by path and for so many requests (0 for all), one of

            - a status such as ``503``, with the header of ``retry_after`` where that has the path
            - ``truncate``: closes after half of what was asked for; ``cut:N``: after N bytes; ``reset``: after half, with an RST
            - ``flip``: the second half has wrong bytes
            - ``no-range``: ignores Range; ``chunked``: that too, and does not say how long the file is; ``chunked-cut``: and closes
              after half
            - ``stall``: sends half and then waits for ``release``
            - ``trickle``: sends half, then a byte each half second for a minute, and then no more; ``trickled`` counts them
            - ``crowded:N``: 503 while N other requests for the path are being answered
            - ``strict:N``: more than N requests at once, and all are cut, and new ones get 503, until there are none any more
        scripts: kinds of faults that the next requests for a path meet, one after the other, before ``faults`` count.
        pace: bytes per second that one answer is sent with, by path.
        sent: bytes sent, by path.
        requests: paths, in the order that they were asked for.
        headers, times: what came with each of them, and when, in seconds of the monotonic clock.
        angered: how often ``strict`` was, by path.
        clock: what the server takes for now, in seconds since 1970; None for the right time.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.scheme, self.host = "http", "127.0.0.1"
        self.guard = threading.Lock()
        self.clients: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, tuple[str, int]] = {}
        self.scripts: dict[str, list[str]] = {}
        self.retry_after: dict[str, str] = {}
        self.pace: dict[str, float] = {}
        self.sent: dict[str, int] = {}
        self.busy: dict[str, int] = {}
        self.trickled = 0
        self.angry: set[str] = set()
        self.angered: dict[str, int] = {}
        self.requests: list[str] = []
        self.headers: list[Message] = []
        self.times: list[float] = []
        self.clock: float | None = None
        self.reached_stall = threading.Event()
        self.release = threading.Event()
        self._serving: threading.Thread | None = None

    def speak_tls(self, folder: Path) -> str:
        """Speak TLS from now on, as ``localhost``, with a certificate that is made in ``folder``; its path."""
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        wanted = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        made = ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(["openssl", "req", "-x509", *wanted, *made], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme, self.host = "https", "localhost"
        return str(certificate)

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"{self.scheme}://{self.host}:{self.server_address[1]}{path}"

    def fault(self, path: str, headers: Message) -> str:
        """The fault that this request meets; counted ones run out."""
        with self.guard:
            self.requests.append(path)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            if self.scripts.get(path):
                return self.scripts[path].pop(0)
            kind, times = self.faults.get(path, ("", 0))
            if times > 0:
                self.faults[path] = (kind, times - 1) if times > 1 else ("", 0)
            name, _, most = kind.partition(":")
            now = self.busy.get(path, 0)
            if name == "crowded":
                return "503" if now >= int(most) else ""
            if name == "strict":
                if now == 0:
                    self.angry.discard(path)
                elif now >= int(most) and path not in self.angry:
                    self.angry.add(path)
                    self.angered[path] = self.angered.get(path, 0) + 1
                return "503" if path in self.angry else ""
            return kind

    def start(self) -> None:
        """Answer, in a thread."""
        self._serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._serving.start()

    def vanish(self) -> None:
        """Close the port and cut all connections, as a machine does that goes down."""
        assert self._serving is not None
        self.shutdown()
        self._serving.join()
        self.server_close()
        with self.guard:
            clients = list(self.clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Answer again, on the port of before."""
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()
        self.start()

    def wait_until_sent(self, path: str, amount: int, seconds: float = 60) -> None:
        """Wait until so many bytes of a path were sent, in all."""
        deadline = time.monotonic() + seconds
        while self.sent.get(path, 0) < amount:
            assert time.monotonic() < deadline, f"{self.sent.get(path, 0)} of {amount} bytes were sent in {seconds} seconds"
            time.sleep(0.01)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        with self.server.guard:
            self.server.clients.add(self.connection)

    def finish(self) -> None:
        with self.server.guard:
            self.server.clients.discard(self.connection)
        super().finish()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.clock if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        body, fault = self.server.files.get(self.path), self.server.fault(self.path, self.headers)
        if fault.isdigit() or body is None:
            self._refuse(int(fault or 404))
            return
        with self.server.guard:
            self.server.busy[self.path] = self.server.busy.get(self.path, 0) + 1
        try:
            self._answer(body, asked, fault)
        finally:
            with self.server.guard:
                self.server.busy[self.path] -= 1

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        if self.path in self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after[self.path])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, body: bytes, asked: str, fault: str) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        ranges = fault not in ("no-range", "chunked", "chunked-cut")
        first, last = (int(wanted[1]), int(wanted[2] or len(body) - 1)) if wanted and ranges else (0, len(body) - 1)
        if first >= len(body):
            self._refuse(416)
            return
        part = body[first : last + 1]
        self.send_response(206 if wanted and ranges else 200)
        if wanted and ranges:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(body)}")
        self.send_header("Accept-Ranges", "bytes" if ranges else "none")
        if fault.startswith("chunked"):
            self._answer_chunked(part, whole=fault == "chunked")
            return
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        half = int(fault[4:]) if fault.startswith("cut:") else len(part) // 2
        self._send(part[:half])
        if fault == "stall":
            self.server.reached_stall.set()
            self.server.release.wait()
        elif fault == "reset":
            self._reset()
            return
        elif fault == "trickle":
            while self.server.trickled < 120 and not self.server.release.wait(0.5):
                self._send(part[half : half + 1])
                half += 1
                self.server.trickled += 1
            self.close_connection = True
            return
        if (fault == "truncate" or fault.startswith("cut:")) and half < len(part):
            self.close_connection = True
            return
        rest = part[half:]
        self._send(bytes(byte ^ 0xFF for byte in rest) if fault == "flip" else rest)

    def _answer_chunked(self, part: bytes, whole: bool) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = part if whole else part[: len(part) // 2]
        self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = not whole

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Only the last one to close a socket closes the connection.
        self.rfile.close()
        self.connection.close()

    def _send(self, data: bytes) -> None:
        pace = self.server.pace.get(self.path)
        step = BLOCK if pace else max(len(data), 1)
        for start in range(0, len(data), step):
            if self.path in self.server.angry:
                raise ConnectionAbortedError
            block = data[start : start + step]
            self.wfile.write(block)
            self.wfile.flush()
            with self.server.guard:
                self.server.sent[self.path] = self.server.sent.get(self.path, 0) + len(block)
            if pace:
                time.sleep(len(block) / pace)


@contextlib.contextmanager
def serving() -> Iterator[Faulty]:
    """A running server on a free port of 127.0.0.1."""
    server = Faulty()
    server.start()
    try:
        yield server
    finally:
        server.release.set()
        server.vanish()
