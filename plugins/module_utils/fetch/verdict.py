"""What aria2's exit status and its own words mean: a sentence, and what can be hoped for."""

from __future__ import annotations

import re

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, Kind
from ansible_collections.codetr.provision.plugins.module_utils.fetch.network import proxy_in_use

DISK_FULL = 9
LOCAL_CODES = (DISK_FULL, 14, 15, 16, 17, 18)
UNAVAILABLE = 29

_STATUS = re.compile(r"status=(\d{3})")
_ERROR = re.compile(r"errorCode=\d+ (?!URI=)(.*)")
# What aria2 says, with exit status 1, when the control file of an earlier try does not fit what the server has now.
_UNFIT = re.compile(r"mismatch|out of range|segment file|ctrl file")
_CUT = re.compile(r"Failed to (?:receive|send) data|Got EOF|[Nn]etwork problem")
_TLS = re.compile(r"SSL/TLS|SSL initialization")
# What GnuTLS and OpenSSL say when the connection ends in the middle of the handshake, and not because of a certificate.
_TLS_CUT = re.compile(r"pull function|push function|non-properly terminated|reset by peer|timed out|EOF|SYSCALL")
_NO_SUCH_HOST = re.compile(r"not found|no data|not known|No address")

_MEANING = {
    2: (Kind.UNREACHED, "the server did not answer in time"),
    3: (Kind.GONE, "the server answers 404, it has no such file"),
    4: (Kind.GONE, "the server answers 404, it has no such file"),
    5: (Kind.PASSING, "the server sends next to nothing"),
    6: (Kind.UNREACHED, "there is no connection to the server (no route, refused, or cut)"),
    7: (Kind.PASSING, "the download was interrupted"),
    8: (Kind.STALE, "the server cannot go on in the middle of a file, and broke off"),
    10: (Kind.STALE, "the bytes of an earlier try are divided in another way"),
    11: (Kind.STALE, "aria2c takes it for a second download of the same file"),
    12: (Kind.STALE, "aria2c takes it for a second download of the same file"),
    23: (Kind.GONE, "the server redirects in a circle"),
    24: (Kind.GONE, "the server wants a user name and password, or refuses the ones given"),
    28: (Kind.GONE, "aria2c does not understand one of its options, look at the rate limit"),
}


def verdict(code: int, output: str, url: str) -> DownloadFailed:
    """What exit status ``code`` means here, from aria2's own words where the status alone says little."""
    said = [text.strip() for text in _ERROR.findall(output) if text.strip()]
    statuses = _STATUS.findall(output)
    kind, text = _classify(code, statuses, said[-1] if said else "")
    # Cut was the last connection, and others were told that there are too many.
    if kind in (Kind.PASSING, Kind.UNREACHED) and {"429", "503"} & set(statuses):
        kind = Kind.BUSY
    between = "" if kind is Kind.LOCAL else proxy_in_use(url)
    return DownloadFailed(kind, f"{text}; the proxy {between} is in between" if between else text)


def _classify(code: int, statuses: list[str], said: str) -> tuple[Kind, str]:
    other = f"aria2c stopped with exit status {code}" + (f" ({said})" if said else "")
    if code in LOCAL_CODES:
        return Kind.LOCAL, "the disk is full" if code == DISK_FULL else other
    if code == UNAVAILABLE:
        unavailable = [status for status in statuses if status in ("502", "503", "504")]
        return _classify_status(unavailable[-1] if unavailable else "503")
    if code == 22 and statuses:
        return _classify_status(statuses[-1])
    if code == 19:
        return Kind.GONE if _NO_SUCH_HOST.search(said) else Kind.UNREACHED, "the name of the server cannot be resolved"
    if code in _MEANING:
        return _MEANING[code]
    cause = said.rpartition("cause: ")[2]
    if "establish connection" in said:
        return Kind.UNREACHED, f"there is no connection to the server ({cause})"
    if _TLS.search(said):
        if _TLS_CUT.search(said):
            return Kind.UNREACHED, f"there is no connection to the server ({said})"
        return Kind.GONE, f"its certificate or TLS is not accepted ({said}); give a CA bundle in SSL_CERT_FILE where a proxy of yours signs"
    if _CUT.search(said):
        return Kind.PASSING, f"the connection to the server was cut ({cause})"
    return Kind.STALE if code == 1 and _UNFIT.search(said) else Kind.PASSING, other


def _classify_status(status: str) -> tuple[Kind, str]:
    if status == "503":
        return Kind.BUSY, "the server is overloaded or in maintenance (503), after several tries"
    if status == "429":
        return Kind.BUSY, "the server answers 429, too many requests, after several tries"
    text = f"the server answers {status}"
    if status == "416":
        return Kind.STALE, text
    return Kind.PASSING if status in ("408", "425") or status.startswith("5") else Kind.GONE, text
