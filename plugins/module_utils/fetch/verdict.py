"""Translate aria2's exit status and messages into a sentence and a kind of failure."""

from __future__ import annotations

import re

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, Kind
from ansible_collections.codetr.provision.plugins.module_utils.fetch.network import proxy_in_use

DISK_FULL = 9
LOCAL_CODES = (DISK_FULL, 14, 15, 16, 17, 18)
UNAVAILABLE = 29

_STATUS = re.compile(r"status=(\d{3})")
_ERROR = re.compile(r"errorCode=\d+ (?!URI=)(.*)")
# aria2's messages, with exit status 1, when the control file of an earlier try does not match the file on the server.
_UNFIT = re.compile(r"mismatch|out of range|segment file|ctrl file")
_CUT = re.compile(r"Failed to (?:receive|send) data|Got EOF|[Nn]etwork problem")
_TLS = re.compile(r"SSL/TLS|SSL initialization")
# Messages of GnuTLS and OpenSSL when the connection ends during the handshake, for other reasons than the certificate.
_TLS_CUT = re.compile(r"pull function|push function|non-properly terminated|reset by peer|timed out|EOF|SYSCALL")
_NO_SUCH_HOST = re.compile(r"not found|no data|not known|No address")

_MEANING = {
    2: (Kind.UNREACHED, "the server did not answer in time"),
    3: (Kind.GONE, "the server answers 404 (file not found)"),
    4: (Kind.GONE, "the server answers 404 (file not found)"),
    5: (Kind.PASSING, "the server sends almost nothing"),
    6: (Kind.UNREACHED, "cannot connect to the server (no route, refused, or cut)"),
    7: (Kind.PASSING, "the download was interrupted"),
    8: (Kind.STALE, "the server cannot resume downloads, and the connection was cut"),
    10: (Kind.STALE, "the pieces of an earlier try have another size"),
    11: (Kind.STALE, "aria2c considers it a second download of the same file"),
    12: (Kind.STALE, "aria2c considers it a second download of the same file"),
    23: (Kind.GONE, "the server redirects in a loop"),
    24: (Kind.GONE, "the server requires a user name and password, or refuses those given"),
    28: (Kind.GONE, "aria2c does not understand one of its options; check the rate limit"),
}


def verdict(code: int, output: str, url: str) -> DownloadFailed:
    """Return the failure for exit status ``code``, using aria2's messages where the status is ambiguous."""
    errors = [text.strip() for text in _ERROR.findall(output) if text.strip()]
    statuses = _STATUS.findall(output)
    kind, text = _classify(code, statuses, errors[-1] if errors else "")
    # The last connection was cut, but others were refused as too many.
    if kind in (Kind.PASSING, Kind.UNREACHED) and {"429", "503"} & set(statuses):
        kind = Kind.BUSY
    between = "" if kind is Kind.LOCAL else proxy_in_use(url)
    return DownloadFailed(kind, f"{text} (through the proxy {between})" if between else text)


def _classify(code: int, statuses: list[str], message: str) -> tuple[Kind, str]:
    other = f"aria2c stopped with exit status {code}" + (f" ({message})" if message else "")
    if code in LOCAL_CODES:
        return Kind.LOCAL, "the disk is full" if code == DISK_FULL else other
    if code == UNAVAILABLE:
        unavailable = [status for status in statuses if status in ("502", "503", "504")]
        return _classify_status(unavailable[-1] if unavailable else "503")
    if code == 22 and statuses:
        return _classify_status(statuses[-1])
    if code == 19:
        return Kind.GONE if _NO_SUCH_HOST.search(message) else Kind.UNREACHED, "the server's host name cannot be resolved"
    if code in _MEANING:
        return _MEANING[code]
    reason = message.rpartition("cause: ")[2]
    if "establish connection" in message:
        return Kind.UNREACHED, f"cannot connect to the server ({reason})"
    if _TLS.search(message):
        if _TLS_CUT.search(message):
            return Kind.UNREACHED, f"cannot connect to the server ({message})"
        fix = "if a proxy signs certificates, set SSL_CERT_FILE to its CA bundle"
        return Kind.GONE, f"its certificate or TLS is not accepted ({message}); {fix}"
    if _CUT.search(message):
        return Kind.PASSING, f"the connection to the server was cut ({reason})"
    return Kind.STALE if code == 1 and _UNFIT.search(message) else Kind.PASSING, other


def _classify_status(status: str) -> tuple[Kind, str]:
    if status == "503":
        return Kind.BUSY, "the server answers 503 (overloaded or in maintenance) after several tries"
    if status == "429":
        return Kind.BUSY, "the server answers 429 (too many requests) after several tries"
    text = f"the server answers {status}"
    if status == "416":
        return Kind.STALE, text
    return Kind.PASSING if status in ("408", "425") or status.startswith("5") else Kind.GONE, text
