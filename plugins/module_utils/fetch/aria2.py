"""Running aria2c on one URL: its options, and its progress lines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Callable

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure, public
from ansible_collections.codetr.provision.plugins.module_utils.fetch.network import ca_bundle, environment
from ansible_collections.codetr.provision.plugins.module_utils.fetch.verdict import verdict

# aria2's own patience is for single connections; patience.py has the rest.
TRIES = 3
RETRY_SECONDS = 1
CONNECT_SECONDS = 10
STALL_SECONDS = 30
LOWEST_BYTES_PER_SECOND = 1024
SMALLEST_SPLIT = 1 << 20
LARGEST_SPLIT = 8 << 20
HUGE_SPLIT = 32 << 20

_SUMMARY = re.compile(r"\[#\w+ (\d+)B/(\d+)B")
_RATE = re.compile(r" DL:(\d+)B")


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


def split(size: int | None, connections: int) -> int:
    """Bytes below which a range is not divided: about what each connection fetches in one go.

    Many connections work side by side, so small ones keep the file full from its start; but each one costs a new connection, which
    a far server makes 15 % slower at 8 MiB than at 32 MiB. So the largest files get those, where they are a small share still. A
    small file is divided among all connections.
    """
    largest = max(LARGEST_SPLIT, min((size or 0) // 512, HUGE_SPLIT))
    return max(SMALLEST_SPLIT, min((size or 0) // connections, largest))


def options(transfer: Transfer, size: int | None) -> list[str]:
    """aria2c's options for one URL that comes on standard input, where a password in it is not seen in the process list."""
    listed = [
        "--no-conf=true",
        "--no-netrc=true",
        "--input-file=-",
        "--continue=true",
        # Otherwise aria2 may overwrite from the start what was hashed and handed out already, without a word.
        "--always-resume=true",
        "--auto-file-renaming=false",
        "--allow-overwrite=true",
        "--follow-torrent=false",
        "--follow-metalink=false",
        "--remote-time=false",
        f"--split={transfer.connections}",
        f"--max-connection-per-server={min(transfer.connections, 16)}",
        # From the start to the end, as good as many connections can, so that bytes can be used before the last one is here.
        "--stream-piece-selector=inorder",
        f"--min-split-size={split(size, transfer.connections)}",
        # What the control file says is here must be in the file, not in aria2's memory.
        "--disk-cache=0",
        "--auto-save-interval=1",
        f"--max-tries={TRIES}",
        f"--retry-wait={RETRY_SECONDS}",
        f"--connect-timeout={CONNECT_SECONDS}",
        f"--timeout={STALL_SECONDS}",
        # Space is looked at before; preallocating would write 19 GB twice on file systems without fallocate.
        "--file-allocation=none",
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
    else:
        # Without a limit of ours, a connection that trickles or stalls is closed after ten seconds, and another one takes over.
        # With this, aria2 keeps the timeout only until the first byte has come.
        listed.append(f"--lowest-speed-limit={LOWEST_BYTES_PER_SECOND}")
    bundle = ca_bundle()
    if bundle:
        listed.append(f"--ca-certificate={bundle}")
    return listed


def download(
    url: str,
    part: str,
    transfer: Transfer,
    size: int | None,
    on_progress: Callable[[int, int, int], None],
    keep: int,
) -> None:
    """Fetch ``url`` into ``part``, going on where an earlier run stopped (aria2's control file lies beside it).

    Args:
        size: bytes of the whole file, where known.
        on_progress: called with bytes done, bytes in all, bytes per second.
        keep: descriptor of the lock; aria2 inherits it, so that an orphaned one still keeps others away from ``part``.

    Raises:
        DownloadFailed: this URL did not work.
        FetchFailure: nothing will work: aria2c is missing.
    """
    folder, name = os.path.split(part)
    child = subprocess.Popen(
        [program(), *options(transfer, size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=environment(),
        pass_fds=(keep,),
        encoding="utf-8",
        errors="replace",
    )
    if child.stdin is None or child.stdout is None:
        raise AssertionError("aria2 was started without pipes")
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
        raise verdict(code, "".join(said), url)
