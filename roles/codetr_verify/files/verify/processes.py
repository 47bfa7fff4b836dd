"""A process and all that it started: how much memory they use, and their end."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

PROC = Path("/proc")
GRACE = 10.0  # seconds that processes get to end by themselves


def family(pid: int, proc: Path = PROC) -> list[int]:
    """`pid` and all its living descendants. Sessions do not tell them: torch gives each of its workers one of its own."""
    parents: dict[int, int] = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            # the name of a program, in brackets, may hold brackets and spaces itself
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
    """End a process and its descendants: asked first, so that each can end its own, then by force."""
    everyone = family(child.pid)
    _signal(everyone, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(everyone, signal.SIGKILL)
    child.wait()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            # it has ended meanwhile
            continue


def _text(path: Path) -> str:
    """A file of /proc; empty when its process has ended, or belongs to somebody else."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
