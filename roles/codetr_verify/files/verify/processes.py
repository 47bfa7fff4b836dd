"""A process and its descendants: measure their memory, and end them."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

PROC = Path("/proc")
GRACE = 10.0  # seconds that processes get to end by themselves


def family(pid: int, proc: Path = PROC) -> list[int]:
    """`pid` and its living descendants. Sessions do not identify them: torch gives each worker its own."""
    parents: dict[int, int] = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            # a program's name, in parentheses, may itself hold parentheses and spaces
            rest = _text(folder / "stat").rpartition(")")[2].split()
            if len(rest) > 1:
                parents[int(folder.name)] = int(rest[1])
    found = [pid] if pid in parents else []
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found


def memory(pids: list[int], proc: Path = PROC) -> int:
    """Resident memory of these processes in bytes; a page that several of them share counts once."""
    total = 0
    for pid in pids:
        for line in _text(proc / str(pid) / "smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def end(child: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants: SIGTERM first, so that they can clean up, then SIGKILL."""
    processes = family(child.pid)
    _signal(processes, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(processes, signal.SIGKILL)
    child.wait()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            # it ended in the meantime
            continue


def _text(path: Path) -> str:
    """A file of /proc; empty when its process has ended or belongs to another user."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
