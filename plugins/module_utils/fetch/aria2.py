"""Running aria2c on one URL: its options, its progress lines, and what its exit status means."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Callable

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, FetchFailure, proxy_in_use, public

TRIES = 5
RETRY_SECONDS = 3
CONNECT_SECONDS = 20
STALL_SECONDS = 60
CA_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")

DISK_FULL = 9
LOCAL_CODES = (DISK_FULL, 14, 15, 16, 17, 18)
NO_CONNECTION = 6
# What aria2 says when the control file of an earlier try is broken or does not fit what the server has now.
STALE_CODES = (1, 8, 10, 11, 12)

_SUMMARY = re.compile(r"\[#\w+ (\d+)B/(\d+)B")
_RATE = re.compile(r" DL:(\d+)B")
_STATUS = re.compile(r"status=(\d{3})")
_CONNECTING = re.compile(r"establish connection|SSL/TLS")
_ERROR = re.compile(r"errorCode=\d+ (?!URI=)(.*)")

_MEANING = {
    2: "the server did not answer in time",
    3: "the server answers 404, it has no such file",
    4: "the server answers 404, it has no such file",
    6: "there is no connection to the server (no route, refused, or cut)",
    7: "the download was interrupted",
    19: "the name of the server cannot be resolved",
    23: "the server redirects in a circle",
    24: "the server wants a user name and password, or refuses the ones given",
    29: "the server is overloaded or in maintenance (503), after several tries",
}


@dataclass(frozen=True)
class Transfer:
    """How to fetch: connections to one server, and the rate limit in aria2's syntax (empty for none)."""

    connections: int = 16
    rate_limit: str = ""


def program() -> str:
    """Path of aria2c.

    Raises:
        FetchFailure: it is not installed.
    """
    found = shutil.which("aria2c")
    if found is None:
        raise FetchFailure("The program aria2c is not on this host. Install the package aria2 (apt-get install aria2) and run again.")
    return found


def options(transfer: Transfer) -> list[str]:
    """aria2c's options for one URL that comes on standard input, where a password in it is not seen in the process list."""
    listed = [
        "--no-conf=true",
        "--no-netrc=true",
        "--input-file=-",
        "--continue=true",
        "--always-resume=false",
        "--auto-file-renaming=false",
        "--allow-overwrite=true",
        "--follow-torrent=false",
        "--follow-metalink=false",
        "--remote-time=false",
        f"--split={transfer.connections}",
        f"--max-connection-per-server={min(transfer.connections, 16)}",
        "--min-split-size=1M",
        f"--max-tries={TRIES}",
        f"--retry-wait={RETRY_SECONDS}",
        f"--connect-timeout={CONNECT_SECONDS}",
        f"--timeout={STALL_SECONDS}",
        # Space is looked at before; preallocating would write 19 GB twice on file systems without fallocate.
        "--file-allocation=none",
        "--auto-save-interval=5",
        "--summary-interval=1",
        "--human-readable=false",
        "--show-console-readout=false",
        "--enable-color=false",
        "--console-log-level=warn",
        "--download-result=hide",
        # Killed with -9, we cannot stop aria2: it looks after us itself.
        f"--stop-with-process={os.getpid()}",
    ]
    if transfer.rate_limit:
        listed.append(f"--max-overall-download-limit={transfer.rate_limit}")
    bundle = next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), "")
    if bundle:
        listed.append(f"--ca-certificate={bundle}")
    return listed


def meaning(code: int, output: str, url: str) -> str:
    """One clause that says what exit status ``code`` means here, from aria2's own words where the status alone says little."""
    status = _STATUS.findall(output)
    said = [text.strip() for text in _ERROR.findall(output) if text.strip()]
    if code == DISK_FULL:
        text = "the disk is full"
    elif code == 22 and status:
        text = f"the server answers {status[-1]}"
    elif code in _MEANING:
        text = _MEANING[code]
    elif said and "establish connection" in said[-1]:
        text = f"there is no connection to the server ({said[-1].rpartition('cause: ')[2]})"
    elif said and "SSL/TLS" in said[-1]:
        text = f"its certificate or TLS is not accepted ({said[-1]}); give a CA bundle in SSL_CERT_FILE where a proxy of yours signs"
    else:
        text = f"aria2c stopped with exit status {code}" + (f" ({said[-1]})" if said else "")
    proxy = proxy_in_use(url)
    return f"{text}; the proxy {proxy} is in between" if proxy and code not in LOCAL_CODES else text


def download(url: str, part: str, transfer: Transfer, on_progress: Callable[[int, int, int], None], keep: int) -> None:
    """Fetch ``url`` into ``part``, going on where an earlier run stopped (aria2's control file lies beside it).

    Args:
        on_progress: called with bytes done, bytes in all, bytes per second.
        keep: descriptor of the lock; aria2 inherits it, so that an orphaned one still keeps others away from ``part``.

    Raises:
        DownloadFailed: this URL did not work.
        FetchFailure: nothing will work: aria2c is missing.
    """
    folder, name = os.path.split(part)
    child = subprocess.Popen(
        [program(), *options(transfer)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        pass_fds=(keep,),
        encoding="utf-8",
        errors="replace",
    )
    assert child.stdin is not None and child.stdout is not None
    with child.stdin:
        child.stdin.write(f"{url}\n dir={folder}\n out={name}\n")
    said: list[str] = []
    for line in child.stdout:
        summary = _SUMMARY.search(line)
        if summary:
            rate = _RATE.search(line)
            on_progress(int(summary.group(1)), int(summary.group(2)), int(rate.group(1)) if rate else 0)
        elif line.strip():
            said = [*said[-60:], line.replace(url, public(url))]
    code = child.wait()
    if code != 0:
        output = "".join(said)
        sentence = meaning(code, output, url)
        # aria2 has one status for a refused connection and for a control file that is broken: only the second is a reason to start anew.
        raise DownloadFailed(NO_CONNECTION if code == 1 and _CONNECTING.search(output) else code, sentence)
