"""Run aria2c on one URL: its options and its progress lines."""

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
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers

# aria2 retries single connections; patience.py retries the download.
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
    """Return the path of aria2c.

    Raises:
        FetchFailure: it is not installed.
    """
    found = shutil.which("aria2c")
    if found is None:
        command = managers.of(Host()).to_install(["aria2"])
        raise FetchFailure(f"aria2c is not installed on this host. Install the package aria2 ({command}) and run again.")
    return found


def split(size: int | None, connections: int) -> int:
    """Return the size below which a range is not split: about what each connection fetches at once.

    Small ranges keep the file contiguous from its start, but each one costs a new connection: with a distant server, 8 MiB ranges are
    15 % slower than 32 MiB ranges. So only the largest files get 32 MiB, still a small share of them. A small file is divided among
    all connections.
    """
    largest = max(LARGEST_SPLIT, min((size or 0) // 512, HUGE_SPLIT))
    return max(SMALLEST_SPLIT, min((size or 0) // connections, largest))


def options(transfer: Transfer, size: int | None) -> list[str]:
    """Return aria2c's options. The URL is passed on standard input, to keep a password out of the process list."""
    listed = [
        "--no-conf=true",
        "--no-netrc=true",
        "--input-file=-",
        "--continue=true",
        # Otherwise aria2 may silently overwrite bytes that were already hashed and used.
        "--always-resume=true",
        "--auto-file-renaming=false",
        "--allow-overwrite=true",
        "--follow-torrent=false",
        "--follow-metalink=false",
        "--remote-time=false",
        f"--split={transfer.connections}",
        f"--max-connection-per-server={min(transfer.connections, 16)}",
        # In order, as far as parallel connections allow, so that the start of the file can be used early.
        "--stream-piece-selector=inorder",
        f"--min-split-size={split(size, transfer.connections)}",
        # Bytes recorded in the control file must be in the file, not in aria2's memory.
        "--disk-cache=0",
        "--auto-save-interval=1",
        f"--max-tries={TRIES}",
        f"--retry-wait={RETRY_SECONDS}",
        f"--connect-timeout={CONNECT_SECONDS}",
        f"--timeout={STALL_SECONDS}",
        # Free space is checked before; preallocating would write 19 GB twice on file systems without fallocate.
        "--file-allocation=none",
        "--summary-interval=1",
        "--human-readable=false",
        "--show-console-readout=false",
        "--enable-color=false",
        "--console-log-level=warn",
        "--download-result=hide",
        # After a kill -9 we cannot stop aria2, so it watches this process itself.
        f"--stop-with-process={os.getpid()}",
    ]
    if transfer.rate_limit:
        listed.append(f"--max-overall-download-limit={transfer.rate_limit}")
    else:
        # Closes a slow or stalled connection after ten seconds so that another one takes over. A rate limit would trigger it.
        # aria2 then applies the timeout only until the first byte.
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
    """Fetch ``url`` into ``part``, resuming an earlier run (aria2's control file is beside it).

    Args:
        size: of the whole file in bytes, where known.
        on_progress: called with bytes done, total bytes, bytes per second.
        keep: descriptor of the lock; aria2 inherits it, so that an orphaned aria2 still protects ``part``.

    Raises:
        DownloadFailed: this URL failed.
        FetchFailure: aria2c is not installed.
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
    output: list[str] = []
    for line in child.stdout:
        summary = _SUMMARY.search(line)
        if summary:
            rate = _RATE.search(line)
            on_progress(int(summary.group(1)), int(summary.group(2)), int(rate.group(1)) if rate else 0)
        elif line.strip():
            output = [*output[-60:], line.replace(url, public(url))]
    code = child.wait()
    if code != 0:
        raise verdict(code, "".join(output), url)
